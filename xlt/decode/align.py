"""How well texts fit their speech, by a trained model: for stage 2.

B batch, T frames, V tokens, U labels.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.core.log import Progress
from xlt.decode import kind
from xlt.decode.forward import ctc_loss, ctc_losses
from xlt.decode.work import BATCH_FRAMES
from xlt.features import load_trained
from xlt.formats.archives import FeatureReader
from xlt.formats.features import read_features
from xlt.formats.model_folder import Trained
from xlt.formats.tables import read_scp, read_table
from xlt.models.family import Model, open_model
from xlt.nets.batching import batches
from xlt.nets.lengths import upstream_frames
from xlt.nets.paths import BLANK_ID, best_path
from xlt.tokens.tokenizer import UNK, Tokenizer

if TYPE_CHECKING:
    import torch

Labels = tuple[int, ...]

OTHERS = 20  # texts that each text is compared with


@dataclass(frozen=True)
class Fit:
    """One utterance. ``score``: CTC loss of its text less that of the model's own best path, in nats a label
    of the text.

    0: the model would have written the same; infinite where the text cannot be aligned at all. ``loss`` is
    that of the text, a label; ``in_training``: whether the model was trained on this recording; ``strange``:
    characters that it cannot write, left out. ``others``: of up to OTHERS texts of other utterances, as long
    as this one as nearly as can be, the share that fits the speech better: 0 of a right text, by and large,
    and any share of a wrong one, however little the model knows.
    """

    utt: str
    score: float
    loss: float
    text: str
    hypothesis: str
    strange: int
    in_training: bool
    model: str
    others: float = 0.0


def fit(ctx: Context, models: list[Trained], name: str) -> list[Fit]:
    """Every utterance of set ``name``, by the first of ``models`` that has not heard it, or by the first of
    all.

    Features that stage 3 has stored of the same kind are read, others are made. ConfigError for a model whose
    tokens are not of this recipe's kind.
    """
    data = ctx.data / name
    for model in models:
        if (model.info["tokens"]["type"] == "phone") != (ctx.cfg.tokens.type == "phone"):
            raise ConfigError(
                f"check.align_model: {model.folder} writes {model.info['tokens']['type']} tokens, this recipe"
                f" has tokens.type={ctx.cfg.tokens.type}; name a model that fits"
            )
    texts = read_table(ctx.text(name))
    audio = read_table(data / "utt2audio") if (data / "utt2audio").exists() else {}
    chosen: dict[int, list[str]] = {}
    heard = [_heard(model, texts, audio) for model in models]
    for utt in texts:
        number = next((i for i, known in enumerate(heard) if utt not in known), 0)
        chosen.setdefault(number, []).append(utt)
    found: dict[str, Fit] = {}
    with Progress(f"fit of text and speech, {name}", len(texts), "utterances") as bar:
        for number, utts in chosen.items():
            for part in _fits(ctx, models[number], name, {utt: texts[utt] for utt in utts}, heard[number]):
                found |= {one.utt: one for one in part}
                bar.add(len(part))
    return [found[utt] for utt in texts]


def _heard(model: Trained, texts: dict[str, str], audio: dict[str, str]) -> set[str]:
    """Which utterances it was trained on; all, if it does not say."""
    known = model.manifest
    if known is None:
        return set(texts)
    hashes = {values[0] for values in known.values()}
    return {utt for utt in texts if audio.get(utt) in hashes or (utt in known and utt not in audio)}


def _fits(
    ctx: Context, model: Trained, name: str, texts: dict[str, str], heard: set[str]
) -> Iterator[list[Fit]]:
    network = open_model(model.folder)
    stored, paths = _stored(ctx, model, name), read_scp(ctx.data / name / "wav.scp", ctx.recipe)
    encoder = functools.cache(lambda: load_trained(model.info["features"], model.folder))
    there = set(stored)
    rate = model.info["features"]["frame_rate"]
    frames = {
        utt: upstream_frames(float(dur_s), rate)
        for utt, dur_s in read_table(ctx.data / name / "utt2dur").items()
        if utt in texts
    }
    labels = {utt: tuple(_writable(network.tokenizer, text)) for utt, text in texts.items()}
    ranked = sorted(set(labels.values()), key=lambda one: (len(one), one))
    shortest_first = sorted(texts, key=lambda utt: (frames[utt], utt))
    for batch in batches(shortest_first, frames.__getitem__, BATCH_FRAMES):
        missing = [utt for utt in batch if utt not in there]
        made = {}
        if missing:
            waves = [read_wav(paths[utt], SAMPLE_RATE) for utt in missing]
            made = dict(zip(missing, encoder()(waves), strict=True))
        feats = [made[utt] if utt in made else stored[utt] for utt in batch]
        wanted = [(utt, texts[utt], utt in heard) for utt in batch]
        others = [like_length(ranked, labels[utt]) for utt in batch]
        yield _compare(network, feats, wanted, others, ctx.display_path(model.folder))


def _stored(ctx: Context, model: Trained, name: str) -> FeatureReader | dict:
    """What stage 3 has made of this set, if it is of the model's kind and of these recordings; else
    nothing.
    """
    dump, audio = ctx.dump / name, ctx.data / name / "utt2audio"
    same = (
        (dump / "feats.scp").exists()
        and (dump / "utt2audio").exists()
        and audio.exists()
        and (
            kind(read_features(dump)) == kind(model.info["features"])
            and read_table(dump / "utt2audio").items() >= read_table(audio).items()
        )
    )
    return FeatureReader(dump / "feats.scp", ctx.recipe) if same else {}


def _writable(tokenizer: Tokenizer, text: str) -> list[int]:
    """The labels of ``text`` that the model knows."""
    return [i for i in tokenizer.encode(text) if i != tokenizer.ids[UNK]]


def like_length(ranked: Sequence[Labels], own: Labels) -> list[Labels]:
    """Up to OTHERS of the texts ``ranked``, by length and letters, that stand about ``own``, which is one of
    them; none that is empty.
    """
    at = bisect.bisect_left(ranked, (len(own), own), key=lambda one: (len(one), one))
    start = max(0, min(at - OTHERS // 2, len(ranked) - OTHERS - 1))
    return [one for one in ranked[start : start + OTHERS + 1] if one and one != own]


def _losses(row: torch.Tensor, texts: list[list[int]]) -> list[float]:
    """(T, V) → the loss of each text, a label. Of V only what they need is copied, once for each of them."""
    columns = sorted({BLANK_ID, *(i for labels in texts for i in labels)})
    place = {i: n for n, i in enumerate(columns)}
    losses = ctc_losses(row[:, columns], [[place[i] for i in labels] for labels in texts])
    return [loss / len(labels) for loss, labels in zip(losses, texts, strict=True)]


def _compare(
    network: Model,
    feats: list[np.ndarray],
    wanted: list[tuple[str, str, bool]],
    others: list[list[Labels]],
    model: str,
) -> list[Fit]:
    probs, lengths = network.log_probs(feats)  # (B, T, V), (B,)
    tokenizer, found = network.tokenizer, []
    for row, length, (utt, text, heard), more in zip(probs, lengths.tolist(), wanted, others, strict=True):
        row = row[:length]
        own = best_path(row.argmax(dim=-1))
        labels = [
            *(i for i in own[:1] if i in tokenizer.tags),
            *tokenizer.encode(text),
        ]  # of the text, not of the language
        known = [i for i in labels if i != tokenizer.ids[UNK]]
        loss, least = ctc_loss(row, known), ctc_loss(row, own)
        count = max(1, len(known))
        tag = known[: len(known) - len(_writable(tokenizer, text))]
        better = sum(one < loss / count for one in _losses(row, [[*tag, *one] for one in more]))
        found.append(
            Fit(
                utt,
                (loss - least) / count if known else float("inf"),
                loss / count,
                text,
                tokenizer.decode(own),
                len(labels) - len(known),
                heard,
                model,
                better / max(1, len(more)),
            )
        )
    return found
