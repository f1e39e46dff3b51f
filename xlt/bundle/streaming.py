"""A loaded bundle that writes while somebody speaks: encoder, head and search of a stream.

N samples, T frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xlt.bundle.manifest import PARTNER
from xlt.core.errors import ConfigError, DataError
from xlt.decode.partner import Encoders, Pair
from xlt.decode.streaming import StreamingSearch
from xlt.features.backbone import Encoder
from xlt.features.streaming import CHUNK_S, REMEDY, Hearing, StreamingFeatures, hearing
from xlt.formats.model_folder import ONNX, read_info

if TYPE_CHECKING:
    from xlt.bundle.transcribe import Transcriber
    from xlt.decode.recognise import Hypothesis


LONGEST_S = 30.0  # of a chunk: more than Whisper hears at once


class Streams:
    """Streams through the model of ``bundle``, which many of them share; of two models, through the one that
    gives CTC. ``chunk_s``: seconds of speech that are heard at once, one of those that it was trained on;
    None: the first on which encoder and head were. A model without chunks, such as an LSTM over log-mels,
    hears frame by frame. ``dtype``: what its encoder computes in, None: as in the training.

    ``whole_clips``: whether the model, or a part of it, was trained on whole clips: then it hears chunks of
    any length, and what it writes has more errors than the text of the whole.

    DataError, with the reason and what to do, if the bundle needs whole utterances or was not trained on such
    chunks; ConfigError if its decoder needs whole utterances, and for a chunk that is no number of frames.
    """

    def __init__(self, bundle: Transcriber, chunk_s: float | None = None, dtype: str | None = None):
        if chunk_s is not None and not 0 < chunk_s <= LONGEST_S:
            raise ConfigError(
                f"chunk_s={chunk_s:g}: expected seconds up to {LONGEST_S:g}; give 0.64, or none"
            )
        folder, model, encode = _part(bundle)
        if not hasattr(model, "head"):
            family = read_info(folder)["family"]
            raise DataError(
                f"{folder}: its model (train.family={family}) needs whole utterances; {_remedy(family)}"
            )
        features = read_info(folder)["features"]
        self._head = model.head(float(features["frame_rate"]))
        hears = _hears(model, encode, dtype)
        self._features = StreamingFeatures(hears, features, folder)
        self.whole_clips = self._features.whole_clips or self._head.whole_clips
        usual = _usual(self._features.chunks_s, self._head.chunks_s)
        if usual is None and self.whole_clips:
            usual = CHUNK_S
        self.chunk_s = usual if chunk_s is None else chunk_s
        if chunk_s is not None and usual is None:
            raise DataError(
                f"{folder}: hears frame by frame and has no chunks of {chunk_s:g} s or another length; leave"
                " chunk_s out"
            )
        self._chunks = self._features.chunks(self.chunk_s)
        self._bundle = bundle
        self.open()  # what cannot be is refused before anybody speaks

    @property
    def latency_s(self) -> float:
        """Seconds from a sound to its letter that no processor saves, at most: its frame waits for its chunk
        and the look-ahead of encoder and head.
        """
        rate = self._features.frame_rate
        chunk, ahead = self._chunks.chunk, self._chunks.ahead
        heard = round(self._head.heard_s(self.chunk_s) * rate)
        return (math.ceil(heard / chunk) * chunk + ahead) / rate

    def open(self, hotwords: Mapping[str, float] | None = None, pause_s: float | None = None) -> Stream:
        """A stream from its beginning. ``hotwords``: as :meth:`Transcriber.hotwords` gives them; ``pause_s``:
        see :class:`~xlt.decode.streaming.StreamingSearch`.
        """
        bundle = self._bundle
        search = StreamingSearch(
            bundle.recogniser, hotwords=hotwords, calibration=bundle.calibration, pause_s=pause_s
        )
        return Stream(self._features.open(self.chunk_s), self._head.open_outputs(self.chunk_s), search)


def _part(bundle: Transcriber) -> tuple[Path, Any, Any]:
    """The model that gives CTC: its folder, itself, and its encoder."""
    model, encode = bundle.recogniser.model.model, bundle.encode
    if not isinstance(model, Pair) or not isinstance(encode, Encoders):
        return bundle.folder, model, encode
    part, number = model.ctc
    return bundle.folder / PARTNER if number else bundle.folder, part, encode[number]


def _remedy(family: str) -> str:
    return "use the bundle that it was exported from" if family == ONNX else REMEDY


def _hears(model: Any, encode: Any, dtype: str | None) -> Hearing:
    try:
        return hearing(encode, dtype) if isinstance(encode, Encoder) else model.hearing(dtype)
    except ConfigError as err:
        if dtype is None:
            raise
        raise ConfigError(
            f"{dtype}: {str(err).partition(': ')[2].rpartition('; ')[0]}; leave it out"
        ) from None


def _usual(encoder: Sequence[float], head: Sequence[float]) -> float | None:
    """The first of the chunks that both were trained on; of those of one, where the other has none, or where
    none fits, which is refused then.

    >>> _usual([0.64, 0.32], [0.32]), _usual([], [0.32, 0.16]), _usual([0.64], [0.32]), _usual([], [])
    (0.32, 0.32, 0.64, None)
    """
    both = [size for size in encoder if any(abs(size - other) < 1e-6 for other in head)]
    return next(iter((*both, *encoder, *head)), None)


class Stream:
    """Speech of one stream → its text."""

    def __init__(self, features: Any, head: Any, search: Any):
        self._features, self._head, self._search = features, head, search
        self._ended = False

    @property
    def partial(self) -> str:
        """The text so far."""
        return self._search.partial

    @property
    def stable(self) -> str:
        """The beginning of it that no further sound changes."""
        return self._search.stable

    def push(self, samples: np.ndarray, last: bool = False) -> list[Hypothesis]:
        """The next (N,), float32 at 16 kHz; ``last``: nothing follows, so that all that is left is heard. The
        utterances that end in them, which only a stream with ``pause_s`` has.
        """
        self._ended = self._ended or last
        feats = self._features.push(samples, last)
        return self._search.push(*self._head.push(feats, last))

    def end(self) -> Hypothesis:
        """The text of all, or of all behind the last utterance, where the stream ends; words have times from
        its beginning.
        """
        if not self._ended:
            self.push(np.zeros(0, np.float32), last=True)
        return self._search.end()
