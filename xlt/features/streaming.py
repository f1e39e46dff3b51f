"""Features of speech that comes bit by bit, chunk by chunk as those of the training.

N samples, L layers, T frames, D dimensions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.features.backbone import Encoder
from xlt.features.extract import layer_numbers, load
from xlt.nets.chunks import Chunks

if TYPE_CHECKING:
    import numpy as np

    from xlt.upstreams.base import Stream, Upstream

REMEDY = "train a model that streams with preset=streaming"
# of a model that was trained on whole clips: Romanian CER 8.4 instead of 12.0 without the look-ahead
CHUNK_S, LEFT_S, AHEAD_S = 0.64, 5.0, 0.32


@dataclass(frozen=True)
class Hearing:
    """How a model hears streams. ``open`` begins one, samples → hidden states (L, T, D), UpstreamError if it
    cannot; ``features``: of hidden states, (T, D'); ``causal``: chunks make no difference to them.
    """

    open: Callable[[Chunks], Stream]
    features: Callable[[np.ndarray], np.ndarray]
    causal: bool = False


def hearing(encode: Encoder, dtype: str | None = None) -> Hearing:
    """Of the encoder of a trained model, which it shares; in another ``dtype``, of a copy of it. ConfigError
    for one that this processor does not have.
    """
    upstream = encode.upstream
    if dtype not in (None, encode.setup.dtype):
        if dtype == "int8" and not upstream.has_int8:
            raise ConfigError(f"features.dtype=int8: {upstream.name} does not have it; use float32")
        upstream = load(dataclasses.replace(encode.setup, dtype=dtype))
    return Hearing(upstream.open_stream, _features(upstream, encode), upstream.causal)


def _features(upstream: Upstream, encode: Encoder) -> Callable[[np.ndarray], np.ndarray]:
    mix = encode.mix
    if mix is None:
        return side_by_side(layer_numbers(upstream, encode.setup.layers))

    def mixed(hidden: np.ndarray) -> np.ndarray:
        import torch

        return mix.apply([torch.from_numpy(hidden[n])[None] for n in mix.layers])[0].numpy()

    return mixed


def side_by_side(layers: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    """Hidden states (L, T, D) → ``layers`` of them, (T, n D)."""

    def joined(hidden: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.concatenate(list(hidden[layers]), axis=1)

    return joined


class StreamingFeatures:
    """What the model in ``folder`` reads of a stream, which it hears by ``hears``; ``features``: as in
    ``xlt.json``.

    ``chunks_s``: lengths of chunks that it was trained on, seconds, the usual one first; none where chunks
    make no difference to features, or it was trained on whole clips. In the latter case it hears chunks of
    any length all the same (``whole_clips``), and more errors are made.
    """

    def __init__(self, hears: Hearing, features: dict[str, Any], folder: Path):
        self.folder, self._hears = folder, hears
        self.frame_rate = float(features["frame_rate"])
        given = features.get("chunk_s", 0.0)
        self.chunks_s = tuple(float(s) for s in (given if isinstance(given, list) else [given]) if s)
        self._left_s, self._ahead_s = (float(features.get(key, 0.0)) for key in ("left_s", "look_ahead_s"))
        if hears.causal:
            self.chunks_s = ()
        self.whole_clips = not (hears.causal or self.chunks_s)

    def chunks(self, chunk_s: float | None = None) -> Chunks:
        """In frames; None: the usual ones. DataError for a length that was not trained, ConfigError for one
        that is no number of frames.
        """
        if self._hears.causal:
            return Chunks(1)
        if self.whole_clips:
            return Chunks.of_seconds(chunk_s or CHUNK_S, LEFT_S, AHEAD_S, self.frame_rate)
        size = self.chunks_s[0] if chunk_s is None else chunk_s
        if not any(abs(size - known) < 1e-6 for known in self.chunks_s):
            known = ", ".join(f"{seconds:g}" for seconds in self.chunks_s)
            raise DataError(
                f"{self.folder}: was trained on chunks of {known} s, not of {size:g} s; ask for one of these,"
                " or train it with that length, too (features.chunk_s)"
            )
        return Chunks.of_seconds(size, self._left_s, self._ahead_s, self.frame_rate)

    def open(self, chunk_s: float | None = None) -> FeatureStream:
        """A stream from its beginning; DataError as :meth:`chunks`, or where the encoder cannot stream."""
        try:
            stream = self._hears.open(self.chunks(chunk_s))
        except UpstreamError as err:
            reason = str(err).removeprefix("features.chunk_s: ").rpartition("; ")[0]
            raise DataError(
                f"{self.folder}: {reason}; {REMEDY} and an encoder that hears chunks, such as whisper_base or"
                " xls_r_300m"
            ) from None
        return FeatureStream(stream, self._hears)


class FeatureStream:
    """Samples of one stream → features of the chunks that are complete. They are as the encoder gives them,
    not rounded as features are that were stored.
    """

    def __init__(self, stream: Stream, hears: Hearing):
        self._stream, self._hears = stream, hears

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """(N,) float32 at 16 kHz → (T, D) float32, T may be 0; ``last``: nothing follows."""
        return self._hears.features(self._stream.push(samples, last))
