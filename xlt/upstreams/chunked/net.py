"""An encoder under chunk-wise attention: whole clips, and streams with keys and values kept.

Both give the same up to rounding. N rows, T frames, D dimensions, L hidden states, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlt.core.errors import UpstreamError
from xlt.nets.chunks import ALL, Chunks, Span
from xlt.upstreams.base import Upstream, check_layers
from xlt.upstreams.chunked.fronts import Front

LONGEST = 1500  # frames of a clip up to which all of it is computed at once

type Attend = Callable[[Tensor, int], Tensor]  # queries, keys and values (N, 3 D), and heads → (N, D)


type Layer = Callable[[Tensor, Attend], Tensor]  # (N, D) → (N, D); rows see what Attend lets them see


@dataclass(frozen=True)
class Parts:
    """What an encoder is made of; ``final_norm``: behind the last layer, None where each ends in a norm."""

    front: Front
    layers: Sequence[Layer]
    final_norm: Callable[[Tensor], Tensor] | None
    dim: int

    def under(self, chunks: Chunks, of: Upstream) -> Chunked:
        """The upstream ``of``, whose parts these are, under ``chunks``."""
        return Chunked(of, self, chunks)


class Chunked(Upstream):
    """The upstream ``of`` under ``chunks``. A clip has ceil(N / hop) frames; where silence is needed behind
    it, silence is added.
    """

    packs = True

    def __init__(self, of: Upstream, parts: Parts, chunks: Chunks):
        self.parts, self.chunks = parts, chunks
        self.name, self.frame_rate, self.num_layers, self.dim = of.name, of.frame_rate, of.num_layers, of.dim
        self.best_batch_s, self._frames_of = of.best_batch_s, of._window_frames

    @staticmethod
    def find(name, path, cache):
        raise NotImplementedError("made by Upstream.chunked")

    def batch_key(self, num_samples: int) -> int:
        return num_samples

    def _window_frames(self, num_samples: int) -> int:
        return self._frames_of(num_samples)

    def encode(self, waves, layers):
        check_layers(self, layers)
        found = []
        for wave in waves:
            states = self.whole(wave, max(layers))
            found.append(torch.stack([states[n] for n in layers]).float().cpu())  # (L, T, D)
        lengths = [states.shape[1] for states in found]
        index = [torch.arange(max(lengths)).clamp(max=length - 1) for length in lengths]
        padded = [states[:, rows] for states, rows in zip(found, index, strict=True)]
        return list(torch.stack(padded, dim=1)), lengths

    def open_stream(self, chunks: Chunks | None = None) -> EncoderStream:
        """A stream under ``chunks``, else under those of the whole clips."""
        return EncoderStream(self.parts, chunks or self.chunks, self.num_layers - 1, self._frames_of)

    def whole(self, wave: np.ndarray, last: int) -> list[Tensor]:
        """Hidden states 0 … ``last`` of a clip (N,), each (T, D)."""
        frames = self._frames_of(len(wave))
        if frames > LONGEST and self.chunks.chunk:
            return list(self._in_pieces(wave, last))
        with torch.inference_mode():
            x, own, attend = begun(self.parts.front, self.chunks, wave)
            hidden = [state[:own] for state in self._layers(x, attend, last)]
        return [_extended(state, frames) for state in hidden]

    def _layers(self, x: Tensor, attend: Attend, last: int) -> list[Tensor]:
        hidden = [x]
        for layer in self.parts.layers[:last]:
            hidden.append(layer(hidden[-1], attend))
        if last == len(self.parts.layers) and self.parts.final_norm is not None:
            hidden[-1] = self.parts.final_norm(hidden[-1])
        return hidden

    def _in_pieces(self, wave: np.ndarray, last: int) -> Tensor:
        stream = EncoderStream(self.parts, self.chunks, last, self._frames_of)
        step = LONGEST * self.parts.front.hop
        found = [
            stream.push(wave[at : at + step], at + step >= len(wave)) for at in range(0, len(wave), step)
        ]
        return torch.from_numpy(np.concatenate(found, axis=1))


class EncoderStream:
    """A stream of speech → the hidden states of the frames whose chunk, with its look-ahead, is complete.

    Streams share their encoder; what one keeps is bounded: the keys and values of ``chunks.left`` frames, and
    the samples and frames that wait for their chunk.
    """

    def __init__(self, parts: Parts, chunks: Chunks, last: int, frames_of: Callable[[int], int]):
        if not chunks.chunk:
            raise UpstreamError(
                "features.chunk_s=0: a stream needs chunks; give their length in seconds, such as 0.64"
            )
        self._parts, self._chunks, self._last, self._frames_of = parts, chunks, last, frames_of
        self._state, self._hop = parts.front.open(), parts.front.hop
        self._waiting: list[np.ndarray] = []  # samples of a chunk that is not complete
        self._kept: list[Tensor | None] = [None] * len(parts.layers[:last])  # keys and values (T, 2 D)
        self._rows: Tensor | None = None  # frames before positions, from ``_from`` on
        self._from = self._done = self._samples = 0
        self._newest: np.ndarray | None = None  # (L, 1, D)
        self._ended = False

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Samples (N,), float32 at 16 kHz, behind those of the call before → (L, T, D) float32, T = 0 while
        no chunk is complete; with ``last`` all that are lacking. UpstreamError behind the last.
        """
        if self._ended:
            raise UpstreamError("stream: samples came behind its last ones; open another one")
        self._ended = last
        self._samples += len(samples)
        self._waiting.append(np.array(samples, np.float32))
        nothing = np.zeros((self._last + 1, 0, self._parts.dim), np.float32)
        if not last and self._samples < (self._done + self._chunks.chunk + self._chunks.ahead) * self._hop:
            return nothing  # the convolutions are faster on more samples at a time
        samples, self._waiting = np.concatenate(self._waiting), []
        found = []
        with torch.inference_mode():
            fresh = self._state.push(samples, last)
            if fresh is not None:
                self._rows = fresh if self._rows is None else torch.cat([self._rows, fresh])
            heard = self._from + (0 if self._rows is None else len(self._rows))
            ready = self._chunks.ready(heard, last)
            while self._done < ready:
                found.append(self._step(min(heard, self._done + self._chunks.chunk), heard))
        if found:
            self._newest = found[-1][:, -1:]
        if last and (lacking := self._frames_of(self._samples) - self._done) > 0 and self._newest is not None:
            found += [self._newest] * lacking
        return np.concatenate(found, axis=1) if found else nothing

    def _step(self, stop: int, heard: int) -> np.ndarray:
        """The chunk up to frame ``stop`` → (L, T, D)."""
        assert self._rows is not None
        front, start = self._parts.front, self._done
        ahead, back = min(heard, stop + self._chunks.ahead), max(0, start - front.back)
        rows = self._rows[back - self._from : ahead - self._from]
        x = front.place(rows, start - back, start)
        own = stop - start
        hidden = [x]
        for number, layer in enumerate(self._parts.layers[: self._last]):
            hidden.append(layer(hidden[-1], self._attend(number, own)))
        if self._last == len(self._parts.layers) and self._parts.final_norm is not None:
            hidden[-1] = self._parts.final_norm(hidden[-1])
        self._done = stop
        keep = max(0, stop - front.back)
        self._rows, self._from = self._rows[keep - self._from :], keep
        return torch.stack([state[:own] for state in hidden]).float().cpu().numpy()

    def _attend(self, number: int, own: int) -> Attend:
        """Attention of layer ``number`` to what is kept, to the ``own`` frames of the chunk and behind it."""

        def attend(qkv: Tensor, heads: int) -> Tensor:
            dim = qkv.shape[1] // 3
            past = self._kept[number]
            fresh = qkv[:, dim:]
            known = fresh if past is None else torch.cat([past, fresh])
            keep = known[: len(known) - len(fresh) + own]
            left = self._chunks.left
            if left != ALL:
                keep = keep[max(0, len(keep) - left) :]
            self._kept[number] = keep.clone()
            q = qkv[:, :dim].reshape(1, len(qkv), heads, -1).transpose(1, 2)
            k, v = (part.reshape(1, len(known), heads, -1).transpose(1, 2) for part in known.chunk(2, dim=1))
            return _joined(functional.scaled_dot_product_attention(q, k, v))

        return attend


def begun(front: Front, chunks: Chunks, wave: np.ndarray) -> tuple[Tensor, int, Attend]:
    """A clip (N,) → hidden state 0 of its rows in the order of :meth:`Chunks.layout`; how many of them are
    the clip's own frames, the first ones; and attention under the layout's mask.
    """
    rows = front.open().push(wave, last=True)
    assert rows is not None  # every clip has a frame
    seen = torch.from_numpy(chunks.layout(len(rows)).mask).to(rows.device)

    def attend(qkv: Tensor, heads: int) -> Tensor:
        q, k, v = qkv.view(1, len(qkv), 3, heads, -1).permute(2, 0, 3, 1, 4)  # each (1, H, N, D / H)
        return _joined(functional.scaled_dot_product_attention(q, k, v, seen))

    return _placed(front, rows, chunks.spans(len(rows))), len(rows), attend


def _joined(y: Tensor) -> Tensor:
    """(1, H, N, D / H) → (N, D)."""
    return y[0].transpose(0, 1).reshape(y.shape[2], -1)


def _placed(front: Front, rows: Tensor, spans: Iterable[Span]) -> Tensor:
    """Frames (T, D) of a whole clip → hidden state 0 of its rows in the order of :meth:`Chunks.layout`."""
    own, copies = [], []
    for span in spans:
        back = max(0, span.start - front.back)
        x = front.place(rows[back : span.ahead], span.start - back, span.start)
        own.append(x[: span.stop - span.start])
        copies.append(x[span.stop - span.start :])
    return torch.cat([*own, *copies])


def _extended(state: Tensor, frames: int) -> Tensor:
    """(T, D) → ``frames`` frames, the last one repeated."""
    return state[torch.arange(frames).clamp(max=len(state) - 1)] if len(state) != frames else state
