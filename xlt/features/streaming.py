"""Features of speech that comes bit by bit, chunk by chunk as those of the training.

N samples, L layers, T frames, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import DataError, UpstreamError
from xlt.features.backbone import Encoder
from xlt.features.extract import layer_numbers
from xlt.nets.chunks import Chunks

if TYPE_CHECKING:
    import numpy as np

REMEDY = "train a model that streams with preset=streaming"


class StreamingFeatures:
    """What the model in ``folder`` reads of a stream. ``encode``: as :func:`xlt.features.load_trained` gave
    it; ``features``: as in ``xlt.json``. DataError if it was trained on features of whole clips.

    ``chunks_s``: lengths of chunks that it was trained on, seconds, the usual one first; none where chunks
    make no difference to features.
    """

    def __init__(self, encode: Callable, features: dict[str, Any], folder: Path):
        if not isinstance(encode, Encoder):
            raise DataError(
                f"{folder}: its model encodes speech by itself, or decodes with a second one, and cannot"
                f" stream; {REMEDY}"
            )
        self.folder, self._encode = folder, encode
        self.frame_rate = float(features["frame_rate"])
        given = features.get("chunk_s", 0.0)
        self.chunks_s = tuple(float(s) for s in (given if isinstance(given, list) else [given]) if s)
        self._left_s, self._ahead_s = (float(features.get(key, 0.0)) for key in ("left_s", "look_ahead_s"))
        if encode.upstream.causal:
            self.chunks_s = ()
        elif not self.chunks_s:
            raise DataError(
                f"{folder}: was trained on features of whole clips (features.chunk_s=0), and those of a"
                f" stream are others; {REMEDY}"
            )

    def chunks(self, chunk_s: float | None = None) -> Chunks:
        """In frames; None: the usual ones. DataError for a length that was not trained."""
        if not self.chunks_s:
            return Chunks(1)
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
            upstream: Any = self._encode.upstream
            stream = upstream.open_stream(self.chunks(chunk_s))
        except UpstreamError as err:
            raise DataError(f"{self.folder}: {err}") from None
        return FeatureStream(stream, self._encode)


class FeatureStream:
    """Samples of one stream → features of the chunks that are complete. They are as the encoder gives them,
    not rounded as features are that were stored.
    """

    def __init__(self, stream: Any, encode: Encoder):
        self._stream, self._mix = stream, encode.mix
        self._layers = [] if encode.mix else layer_numbers(encode.upstream, encode.setup.layers)

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """(N,) float32 at 16 kHz → (T, D) float32, T may be 0; ``last``: nothing follows."""
        import numpy as np
        import torch

        hidden = self._stream.push(samples, last)  # (L, T, D)
        if self._mix is None:
            return np.concatenate(list(hidden[self._layers]), axis=1)
        states = [torch.from_numpy(hidden[n])[None] for n in self._mix.layers]
        return self._mix.apply(states)[0].numpy()
