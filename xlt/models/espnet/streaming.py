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

from xlt.core.errors import ConfigError, DataError
from xlt.features.streaming import CHUNK_S, REMEDY, Hearing
from xlt.models.espnet.frontends.tuned import TunedUpstream
from xlt.models.espnet.frontends.upstream import FrozenUpstream
from xlt.nets.encoders.blstm import BlstmEncoder
from xlt.nets.lc_stream import LcStream
from xlt.nets.streams import Chain
from xlt.upstreams.chunked.net import EncoderStream

if TYPE_CHECKING:
    from torch import Tensor

    from xlt.nets.chunks import Chunks
    from xlt.nets.streams import HeadStream
    from xlt.upstreams.base import Stream


class Head:
    """The head of the model ``net``, trained in ``folder``, for streams of features; ``frame_rate``: of the
    features, Hz. DataError if it needs whole utterances.

    ``chunks_s``: in which of these it can hear speech, seconds, the usual one first; none: it has no chunks.
    A network of ``train.encoder=blstm`` was trained on whole utterances (``whole_clips``) and is heard as
    ``lc_blstm`` of the same weights: in chunks of any length, with more errors.
    """

    def __init__(self, net: Any, folder: Path, frame_rate: float):
        encoder = net.encoder
        self.whole_clips = type(encoder) is BlstmEncoder
        if not (self.whole_clips or getattr(encoder, "streams", False)):
            name = type(encoder).__name__
            raise DataError(f"{folder}: its network ({name}) needs whole utterances; {REMEDY}")
        if not isinstance(net.normalize, GlobalMVN | types.NoneType):
            raise DataError(f"{folder}: normalises each utterance by its own mean; {REMEDY}")
        self.net, self.folder = net, folder
        self.rate = frame_rate / (net.preencoder.stack if net.preencoder is not None else 1)
        self.chunks_s = () if self.whole_clips else tuple(size / self.rate for size in encoder.chunk_sizes)

    def heard_s(self, chunk_s: float | None = None) -> float:
        """Seconds of features that a frame of its output needs from its beginning on, at most."""
        if self.whole_clips:
            return self._borrowed(chunk_s) / self.rate
        return (self.net.encoder.latency(self._frames(chunk_s)) + 1) / self.rate

    def open(self, chunk_s: float | None = None) -> HeadStream:
        """A stream: normalised features (T, D) → the encoder's output (T', H). ``chunk_s``: one of
        :attr:`chunks_s`, None: the usual one; DataError for another.
        """
        links: list[HeadStream] = [] if self.net.normalize is None else [_Normalising(self.net.normalize)]
        links += [] if self.net.preencoder is None else [self.net.preencoder.open_stream()]
        encoder = self.net.encoder
        if self.whole_clips:
            return Chain(*links, LcStream(encoder.ahead, encoder.back, self._borrowed(chunk_s)))
        return Chain(*links, encoder.open_stream(self._frames(chunk_s)))

    def open_outputs(self, chunk_s: float | None = None) -> Outputs:
        """As :meth:`open`, from arrays and up to CTC."""
        return Outputs(self.open(chunk_s), self.net)

    def _borrowed(self, chunk_s: float | None) -> int:
        """Frames of a chunk of a network that was trained without."""
        return max(1, round((chunk_s or CHUNK_S) * self.rate))

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


def hearing(frontend: Any, folder: Path, dtype: str | None = None) -> Hearing:
    """The encoder that the model in ``folder`` brings itself, for streams. DataError if it cannot stream,
    ConfigError for another ``dtype`` than its own.
    """
    own = str(getattr(frontend, "dtype", "float32")).removeprefix("torch.")
    if dtype not in (None, own):
        raise ConfigError(
            f"dtype={dtype}: {folder} was trained together with its encoder, which computes in {own}; leave"
            " it out"
        )
    featurizer = frontend.featurizer

    @torch.inference_mode()
    def features(hidden: np.ndarray) -> np.ndarray:
        states = [torch.from_numpy(hidden[n])[None].to(featurizer.mean.device) for n in featurizer.layers]
        return featurizer(states)[0].cpu().numpy()

    if isinstance(frontend, FrozenUpstream):
        return Hearing(frontend.upstream.open_stream, features, frontend.upstream.causal)
    if not isinstance(frontend, TunedUpstream):
        raise DataError(f"{folder}: its encoder ({frontend.name} of s3prl) hears whole clips only; {REMEDY}")
    net = frontend.upstream
    hop = net.front.hop

    def opened(chunks: Chunks) -> Stream:
        parts = net.streaming(frontend.adapters)
        return EncoderStream(parts, chunks, net.last, lambda samples: -(-max(1, samples) // hop))

    return Hearing(opened, features)


class _Normalising:
    """Mean and variance of the training, ESPnet's ``global_mvn``."""

    def __init__(self, normalise: Any):
        self._normalise = normalise

    def push(self, feats: Tensor, last: bool = False) -> Tensor:
        """(T, D) → (T, D)."""
        if not len(feats):
            return feats
        return self._normalise(feats[None].clone(), torch.tensor([len(feats)], device=feats.device))[0][0]
