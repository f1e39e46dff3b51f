"""A trained Whisper that hears speech as it comes: its encoder under chunks, and its CTC head.

It was trained on whole clips, and so makes more errors in chunks than its final texts have. T frames, D
dimensions, H cells, V tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from xlt.core.errors import ConfigError
from xlt.features.streaming import Hearing, side_by_side
from xlt.nets.lc_stream import LcStream, halves
from xlt.upstreams.chunked.net import EncoderStream
from xlt.upstreams.fast import dense
from xlt.upstreams.fast.packed import PackedWhisper
from xlt.upstreams.mels import HOP
from xlt.upstreams.tunable import whisper_pieces

if TYPE_CHECKING:
    from xlt.models.whisper.net import CtcHead, Net
    from xlt.nets.chunks import Chunks
    from xlt.upstreams.base import Stream


class Head:
    """The CTC head for streams of the encoder's outputs; see :class:`xlt.models.espnet.streaming.Head`."""

    chunks_s: tuple[float, ...] = ()
    whole_clips = True

    def __init__(self, head: CtcHead, frame_rate: float):
        self.head, self.rate = head, frame_rate
        self.ahead, self.back = halves(head.lstm)

    def heard_s(self, chunk_s: float | None = None) -> float:
        """Seconds of features that a frame of its output needs from its beginning on, at most."""
        assert chunk_s is not None  # there is no usual one
        return chunk_s

    def open_outputs(self, chunk_s: float | None = None) -> Outputs:
        """A stream in chunks of ``chunk_s`` seconds, which are frames of the encoder."""
        assert chunk_s is not None
        return Outputs(self, max(1, round(chunk_s * self.rate)))


class Outputs:
    """A stream of the encoder's outputs → log probabilities of CTC's tokens."""

    def __init__(self, by: Head, chunk: int):
        self._head, self._lstm = by.head, LcStream([by.ahead], [by.back], chunk)
        self._device = by.head.output.weight.device

    @torch.inference_mode()
    def push(self, feats: np.ndarray, last: bool = False) -> tuple[np.ndarray, None]:
        """(T, D) float32 → (T', V), natural; ``last``: nothing follows."""
        head = self._head
        x = functional.relu(head.project(head.norm(torch.tensor(feats, device=self._device))))
        return head.output(self._lstm.push(x, last)).log_softmax(-1).cpu().numpy(), None


def hearing(net: Net, dtype: str | None = None) -> Hearing:
    """The encoder of ``net`` for streams, computing in ``dtype``, float32 if None. ConfigError for a dtype
    that this processor does not have.
    """
    encoder: Any = net.whisper.model.encoder
    if net.device.type == "cpu" and dense.usable():
        parts = PackedWhisper(encoder, dtype or "float32").streaming(net.log_mel.mel_filters)
    elif dtype in (None, "float32"):
        parts = whisper_pieces(encoder).streaming()
    else:
        raise ConfigError(f"dtype={dtype}: Whisper has it on x86 processors only; use float32")
    last = len(parts.layers)

    def opened(chunks: Chunks) -> Stream:
        return EncoderStream(parts, chunks, last, lambda samples: -(-samples // HOP))

    return Hearing(opened, side_by_side([last]))
