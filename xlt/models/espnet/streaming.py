"""A trained ESPnet model that hears features as they come: normalisation, stem, encoder and CTC.

T frames, D dimensions, V tokens.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from espnet2.layers.global_mvn import GlobalMVN

from xlt.core.errors import DataError
from xlt.features.streaming import REMEDY
from xlt.nets.streams import Chain

if TYPE_CHECKING:
    from torch import Tensor

    from xlt.nets.streams import HeadStream


class Head:
    """The head of the model ``net``, trained in ``folder``, for streams of features; ``frame_rate``: of the
    features, Hz. DataError if it needs whole utterances.

    ``chunks_s``: in which of these it can hear speech, seconds, the usual one first; none: it has no chunks.
    """

    def __init__(self, net: Any, folder: Path, frame_rate: float):
        encoder = net.encoder
        if net.frontend is not None:
            raise DataError(
                f"{folder}: encodes speech by itself (features.on_the_fly, train.freeze, train.adapter),"
                f" which cannot stream; {REMEDY}"
            )
        if not getattr(encoder, "streams", False):
            name = type(encoder).__name__
            raise DataError(f"{folder}: its network ({name}) needs whole utterances; {REMEDY}")
        if not isinstance(net.normalize, GlobalMVN | types.NoneType):
            raise DataError(f"{folder}: normalises each utterance by its own mean; {REMEDY}")
        self.net, self.folder = net, folder
        self.rate = frame_rate / (net.preencoder.stack if net.preencoder is not None else 1)
        self.chunks_s = tuple(size / self.rate for size in encoder.chunk_sizes)

    def heard_s(self, chunk_s: float | None = None) -> float:
        """Seconds of features that a frame of its output needs from its beginning on, at most."""
        return (self.net.encoder.latency(self._frames(chunk_s)) + 1) / self.rate

    def open(self, chunk_s: float | None = None) -> HeadStream:
        """A stream: normalised features (T, D) → the encoder's output (T', H). ``chunk_s``: one of
        :attr:`chunks_s`, None: the usual one; DataError for another.
        """
        links: list[HeadStream] = [] if self.net.normalize is None else [_Normalising(self.net.normalize)]
        links += [] if self.net.preencoder is None else [self.net.preencoder.open_stream()]
        return Chain(*links, self.net.encoder.open_stream(self._frames(chunk_s)))

    def open_outputs(self, chunk_s: float | None = None) -> Outputs:
        """As :meth:`open`, from arrays and up to CTC."""
        return Outputs(self.open(chunk_s), self.net)

    def _frames(self, chunk_s: float | None) -> int | None:
        if chunk_s is None or not self.chunks_s:
            return None
        for size, seconds in zip(self.net.encoder.chunk_sizes, self.chunks_s, strict=True):
            if abs(seconds - chunk_s) < 1e-6:
                return size
        known = ", ".join(f"{seconds:g}" for seconds in self.chunks_s)
        raise DataError(
            f"{self.folder}: its network was trained on chunks of {known} s, not of {chunk_s:g} s; ask for"
            " one of these, or train it with that size, too (train.encoder_conf.chunk_s; segment_s of"
            " emformer, hop_size of contextual_block_conformer)"
        )


class Outputs:
    """A stream of features → log probabilities of CTC's tokens, and what the encoder gives."""

    def __init__(self, stream: HeadStream, net: Any):
        self._stream, self._net = stream, net
        self._device = next(net.parameters()).device

    @torch.inference_mode()
    def push(self, feats: np.ndarray, last: bool = False) -> tuple[np.ndarray, Tensor]:
        """(T, D) float32 → (T', V), natural, and (T', H); ``last``: nothing follows."""
        hidden = self._stream.push(torch.tensor(feats, device=self._device), last)
        return self._net.ctc.log_softmax(hidden[None])[0].float().cpu().numpy(), hidden


class _Normalising:
    """Mean and variance of the training, ESPnet's ``global_mvn``."""

    def __init__(self, normalise: Any):
        self._normalise = normalise

    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """(T, D) → (T, D)."""
        if not len(feats):
            return feats
        return self._normalise(feats[None].clone(), torch.tensor([len(feats)], device=feats.device))[0][0]
