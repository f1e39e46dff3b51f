"""The work of stage 3 on one set: its utterances and their copies, and the batches that are encoded.

The batches are kept where an interrupted run finds them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from xlt.audio.augment import Copy
from xlt.audio.augment.sounds import Sounds
from xlt.audio.files import SAMPLE_RATE, why_unreadable
from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.features.cache import Key
from xlt.features.extract import Clip
from xlt.formats.archives import Entry
from xlt.formats.tables import read_scp, read_table
from xlt.nets import batching
from xlt.upstreams.base import seen

ON_DATA = "run stage 1 (data) again with --force"


class Row(NamedTuple):
    """An utterance of a set, or the copy ``recipe`` of one; ``samples`` are those of the copy, 16 kHz;
    ``sounds``: what its noise is drawn from.
    """

    utt: str
    key: str  # content key
    wav: str
    sha: str
    recipe: str
    samples: int
    sounds: Sounds | None = None

    @property
    def clip(self) -> Clip:
        """What a worker gets of it."""
        return Clip(self.key, self.utt, self.wav, self.sha, self.recipe, self.sounds)


def rows_of(data: Path, recipe: Path, copies: list[Copy], sounds: Sounds | None = None) -> list[Row]:
    """The utterances of the set in ``data`` in each copy, in the order of wav.scp; ``recipe``: what relative
    paths count from; ``sounds``: see :class:`Row`. DataError for what cannot be read.
    """
    wavs = read_scp(data / "wav.scp", recipe)
    samples = lengths(data, wavs)
    hashes = read_table(data / "utt2audio") if (data / "utt2audio").exists() else _hashes(wavs)
    missing = [utt for utt in wavs if utt not in hashes]
    if missing:
        raise DataError(
            f"{data / 'utt2audio'}: {len(missing)} utterances of wav.scp are missing, first"
            f" {missing[0]!r}; {ON_DATA}"
        )
    return [
        Row(
            copy.name(utt),
            copy.content_key(hashes[utt]),
            wav,
            hashes[utt],
            copy.recipe,
            copy.length(samples[utt]),
            sounds,
        )
        for copy in copies
        for utt, wav in wavs.items()
    ]


class Plan:
    """The batches of a set, kept where an interrupted run finds them: the same batches give the same bits.

    ``{"key": folder of the store, "since": run, "needs": [content key, …], "batches": [[content key, …],
    …]}``; with --force only what was written from run ``since`` on counts.
    """

    def __init__(self, path: Path, key: Key, rows: list[Row], force: bool):
        self.path, self.key, self.rows = path, key, rows
        self.by_key = {r.key: r for r in rows}
        old = _read_json(path) or {}
        if (
            old.get("key") != key.folder.name
            or force > (old["since"] > 0)
            or not self.by_key.keys() >= {k for b in old["batches"] for k in b}
        ):
            old = {"since": key.new_run() if force else 0, "batches": []}
        self.since, self.batches = old["since"], old["batches"]
        self.have = set(self.entries())
        self.stored = sum(r.key in self.have for r in rows)

    def entries(self) -> dict[str, tuple[Path, Entry]]:
        return self.key.entries(set(self.by_key), self.since)

    def todo(self, budget: Callable[[list[Row]], float]) -> list[list[Row]]:
        """Batches of which something is missing; ``budget``: the seconds of a batch of these rows."""
        planned = {k for batch in self.batches for k in batch}
        new = [r for k, r in self.by_key.items() if k not in self.have and k not in planned]
        if new:
            self.batches += [[r.key for r in batch] for batch in batches(new, budget(new))]
        write_json(
            self.path,
            {
                "key": self.key.folder.name,
                "since": self.since,
                "needs": list(self.by_key),
                "batches": self.batches,
            },
        )
        return [[self.by_key[k] for k in batch] for batch in self.batches if not self.have.issuperset(batch)]


def batches(todo: list[Row], budget_s: float) -> list[list[Row]]:
    """Utterances of like length in batches of about ``budget_s`` seconds, the longest first."""
    longest_first = sorted(todo, key=lambda r: (-r.samples, r.utt))
    return list(batching.batches(longest_first, lambda r: r.samples / SAMPLE_RATE, budget_s, padded=False))


def lengths(data: Path, wavs: dict[str, str]) -> dict[str, int]:
    """Samples at 16 kHz of each utterance, from the files' headers; DataError if a file is missing or cut
    short.
    """
    import soundfile

    if not wavs:
        raise DataError(f"{data / 'wav.scp'}: holds no utterances; {ON_DATA}")
    if (data / "segments").exists():
        raise DataError(
            f"{data / 'segments'}: stage 3 reads one file an utterance; import this directory with "
            "data.reader=kaldi data.dir=DIR, which cuts segments"
        )
    said = read_table(data / "utt2dur") if (data / "utt2dur").exists() else {}
    samples = {}
    for line, (utt, path) in enumerate(wavs.items(), 1):
        where = f"{data / 'wav.scp'}:{line}: utterance {utt}: {path}"
        try:
            info = soundfile.info(path)
        except (soundfile.LibsndfileError, OSError) as err:
            raise DataError(f"{where}: {why_unreadable(path, err)}; {ON_DATA}") from None
        seconds = info.frames / info.samplerate
        if utt in said and abs(float(said[utt]) - seconds) > 0.02:
            raise DataError(
                f"{where}: is {seconds:.2f} s long, utt2dur says {said[utt]}: cut short or changed; {ON_DATA}"
            )
        samples[utt] = round(seconds * SAMPLE_RATE)
    return samples


def _hashes(wavs: dict[str, str]) -> dict[str, str]:
    """Hashes of the samples, for a data directory that stage 1 has not made."""
    from xlt.audio.files import read_wav
    from xlt.features.extract import audio_hash

    say(f"  no utt2audio: hashing the audio of {len(wavs)} files")
    return {utt: audio_hash(read_wav(path)) for utt, path in wavs.items()}


def audio_files(data: Path, recipe: Path) -> str:
    """A digest of names, sizes and times of sound files whose hashes nothing keeps."""
    wavs = read_table(data / "wav.scp")
    known = [[utt, path, seen(recipe / path)] for utt, path in wavs.items()]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:20]


def _read_json(path: Path) -> dict | None:
    try:
        return jsons.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
