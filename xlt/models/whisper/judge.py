"""How wrong a network is on dev, both its decoders, greedily."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import editdistance

from xlt.models.whisper.job import Job
from xlt.models.whisper.net import Encoded
from xlt.models.whisper.search import beam_search
from xlt.models.whisper.speech import Clip, Clips
from xlt.nets.paths import best_path


def rates(
    job: Job, encode: Callable[[Clips, list], Encoded], clips: Sequence[Clip], ctc_only: bool
) -> dict[str, Any]:
    """``cer`` and ``wer`` of the attention decoder, ``cer_ctc`` and ``wer_ctc`` of the head, in percent."""
    written, spelled = [], []
    for members in job.dev.batches(job.net, clips):
        encoded = encode(job.dev, members)
        refs = [job.texts[clip.utt] for clip, _ in members]
        if job.net.head is not None:
            found = job.net.head(encoded).cpu()
            for ref, row, length in zip(refs, found, encoded.frames.tolist(), strict=True):
                path = best_path(row[:length].argmax(dim=-1))
                spelled.append((ref, job.ctc.decode(path)))
        if ctc_only:
            continue
        for prompt, rows in places_by([clip.prompt for clip, _ in members]).items():
            found = beam_search(job.net, job.vocabulary, encoded.rows(rows), list(prompt), 1, 1)
            for row, (best, *_) in zip(rows, found, strict=True):
                text = job.vocabulary.decode(best.ids)
                written.append((refs[row], job.normalise(members[row][0].utt, text)))
    result: dict[str, Any] = {}
    for end, pairs in (("", written), ("_ctc", spelled)):
        if pairs:
            result[f"cer{end}"] = _rate([(list(a), list(b)) for a, b in pairs])
            result[f"wer{end}"] = _rate([(a.split(), b.split()) for a, b in pairs])
    return result


def places_by[Key](keys: Sequence[Key]) -> dict[Key, list[int]]:
    """The places of each prompt, or of whatever else can be searched together only if it is alike."""
    found: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        found.setdefault(key, []).append(place)
    return found


def _rate(pairs: Sequence[tuple[list[str], list[str]]]) -> float:
    wrong = sum(editdistance.eval(ref, found) for ref, found in pairs)
    return round(100 * wrong / max(1, sum(len(ref) for ref, _ in pairs)), 2)
