"""The work of stage 7 in one process: utterances of a set → hypotheses."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt import lm
from xlt.audio.files import read_wav
from xlt.core.context import Context
from xlt.core.executor import Work
from xlt.core.registry import DECODERS
from xlt.features.speech import Speech
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_scp
from xlt.nets import batching

if TYPE_CHECKING:
    import numpy as np

    from xlt.decode.recognise import Hypothesis

BATCH_FRAMES = 12000


class Model(NamedTuple):
    """What a process decodes with: the model in ``folder`` and the settings of ``ctx``."""

    ctx: Context
    folder: Path


class Utterances(NamedTuple):
    """A batch of a set; without ids it only asks whether the model tells languages."""

    files: Speech
    ids: list[str]


class Answer(NamedTuple):
    """Of each utterance its hypothesis; ``tells_languages``: whether the model can."""

    hypotheses: list[Hypothesis]
    tells_languages: bool


class Recognise(Work):
    """Messages :class:`Utterances` → :class:`Answer`; the model is loaded with the first one."""

    label = "decode"
    setup: Model

    def __init__(self, setup: Model, number: int):
        super().__init__(setup, number)
        self.readers: dict[Path, FeatureReader | Waves] = {}

    @functools.cached_property
    def recogniser(self):
        from xlt.decode.recognise import Recogniser

        ctx, folder = self.setup
        return Recogniser(folder, ctx.cfg.decode, functools.partial(lm.load, ctx))

    def prepare(self, message: Utterances) -> list[np.ndarray]:
        reader = self.readers.get(message.files.scp)
        if reader is None:
            reader = open_speech(message.files, self.setup.ctx.recipe)
            self.readers[message.files.scp] = reader
        return [reader[utt] for utt in message.ids]

    def run(self, message: Utterances, prepared: list[np.ndarray]) -> Answer:
        found = self.recogniser(prepared) if prepared else []
        return Answer(found, bool(self.recogniser.tokenizer.tags))

    @staticmethod
    def describe(message: Utterances) -> str:
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
