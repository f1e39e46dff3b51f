"""The work of stage 7 in one process: utterances of a set → hypotheses."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt import lm
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context
from xlt.core.executor import Work
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.decode.partner import Both
from xlt.features.speech import Speech
from xlt.formats.archives import FeatureReader
from xlt.formats.features import read_features
from xlt.formats.tables import read_scp, read_table
from xlt.nets import batching

if TYPE_CHECKING:
    import numpy as np

    from xlt.decode.confidence import Calibration
    from xlt.decode.recognise import Hypothesis

BATCH_FRAMES = 12000


class Model(NamedTuple):
    """What a process decodes with: the model in ``folder``, with the one in ``partner`` if there is one, and
    the settings of ``ctx``.
    """

    ctx: Context
    folder: Path
    partner: Path | None = None


class Utterances(NamedTuple):
    """A batch of a set, and how it is decoded; without ids it only asks whether the model tells languages.

    ``calibration``: of the words' confidences, None if there is none; ``partner``: what the partner reads.
    """

    files: Speech
    ids: list[str]
    decode: DecodeConfig
    calibration: Calibration | None = None
    partner: Speech | None = None


class Tune(NamedTuple):
    """Utterances of dev in order of length, by which weights are tuned, with their frames and texts."""

    files: Speech
    ids: list[str]
    frames: list[int]
    refs: list[str]
    decode: DecodeConfig
    phones: bool
    partner: Speech | None = None


class Answer(NamedTuple):
    """Of each utterance its hypothesis; ``tells_languages``: whether the model can; ``has_ctc``: whether
    there are times and a best path; ``cpu_s``: CPU seconds that it took, by part.
    """

    hypotheses: list[Hypothesis]
    tells_languages: bool
    has_ctc: bool
    cpu_s: dict[str, float]


class Recognise(Work):
    """Messages :class:`Utterances` → :class:`Answer`, :class:`Tune` → what :func:`xlt.decode.tuning.tune`
    found; the model is loaded with the first one.
    """

    label = "decode"
    setup: Model

    def __init__(self, setup: Model, number: int):
        super().__init__(setup, number)
        self.readers: dict[Path, FeatureReader | Waves] = {}

    @functools.cached_property
    def recogniser(self):
        from xlt.decode.recognise import Recogniser

        ctx, folder, partner = self.setup
        load = functools.partial(lm.load, lm.folder(ctx), ctx.cfg.lm.type)
        return Recogniser(folder, ctx.cfg.decode, load, partner)

    def prepare(self, message: Utterances | Tune) -> list[Any]:
        own = self._reader(message.files)
        if message.partner is None:
            return [own[utt] for utt in message.ids]
        other = self._reader(message.partner)
        return [Both(own[utt], other[utt]) for utt in message.ids]

    def _reader(self, files: Speech) -> Any:
        if files.scp not in self.readers:
            self.readers[files.scp] = open_speech(files, self.setup.ctx.recipe)
        return self.readers[files.scp]

    def run(self, message: Utterances | Tune, prepared: list[Any]) -> Answer | dict[str, Any]:
        if isinstance(message, Tune):
            from xlt.decode.combined import COMBINED
            from xlt.decode.ladder import tune_combined
            from xlt.decode.tuning import tune

            speech = dict(zip(message.ids, prepared, strict=True))
            frames = dict(zip(message.ids, message.frames, strict=True))
            parts = batches(message.ids, frames, message.decode.method)
            inputs = [[speech[utt] for utt in part] for part in parts]
            by = tune_combined if message.decode.method == COMBINED else tune
            return by(self.recogniser, message.decode, inputs, message.refs, message.phones)
        before = self.recogniser.cpu_s
        found = self.recogniser(prepared, message.decode, calibration=message.calibration) if prepared else []
        now = self.recogniser.cpu_s
        spent = {part: now[part] - before.get(part, 0.0) for part in now if now[part] != before.get(part)}
        return Answer(found, bool(self.recogniser.tokenizer.tags), self.recogniser.has_ctc, spent)

    @staticmethod
    def utterances(message: Utterances | Tune) -> int:
        return len(message.ids)

    @staticmethod
    def describe(message: Utterances | Tune) -> str:
        first, *others = message.ids
        return f"utterance {first}" + (f" and {len(others)} more" if others else "")


class Waves:
    """Waves (N,) by utterance, where the model encodes by itself."""

    def __init__(self, scp: Path, recipe: Path):
        self.paths = read_scp(scp, recipe)

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __getitem__(self, utt: str) -> np.ndarray:
        return read_wav(self.paths[utt])


def open_speech(files: Speech, recipe: Path) -> Any:
    """What a set's model reads, by utterance: matrices (T, D), or waves (N,)."""
    return (FeatureReader if files.kind != "sound" else Waves)(files.scp, recipe)


def batches(utts: Iterable[str], frames: Mapping[str, int], method: str) -> Iterator[list[str]]:
    """Utterances, given in order of length, in batches as the decoder ``method`` takes them: of at most
    BATCH_FRAMES padded frames, or one by one.
    """
    return batching.batches(utts, frames.__getitem__, BATCH_FRAMES if DECODERS.get(method).batched else 0)


def frames_of(files: Speech) -> tuple[dict[str, int], float]:
    """``{utterance: its frames}`` of a set, and the frames in a second."""
    rate = read_features(files.info.parent)["frame_rate"]
    per_frame = 1 if files.kind != "sound" else SAMPLE_RATE / rate
    lengths = read_table(files.lengths).items()
    return {utt: math.ceil(int(length) / per_frame) for utt, length in lengths}, rate
