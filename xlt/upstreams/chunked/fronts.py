"""What stands before an encoder's layers, computed as speech comes: log-mels, convolutions, positions.

Each convolution keeps the samples and frames that it needs of what came before, so that a clip in pieces
gives what it gives at once. N samples, T frames, C channels, D dimensions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlt.upstreams.chunked.levels import BLOCK, RunningFloor, RunningNorm
from xlt.upstreams.mels import HOP

type Rows = Callable[[Tensor], Tensor]  # (T, C) → (T', C')

WHOLE_CLIPS = (
    "the convolutions of this encoder are normalised over the whole clip (feat_extract_norm=group, as"
    " wav2vec2-base and hubert-base have them)"
)
_MEL_HOP, _MEL_WINDOW = 160, 400  # Whisper's, samples


class State(ABC):
    """A stream's place in a front."""

    @abstractmethod
    def push(self, samples: np.ndarray, last: bool) -> Tensor | None:
        """Samples (N,) behind those of the call before → the frames (T, D) that they complete, None if there
        are none; with ``last`` all that are lacking, as if silence followed.
        """


class Front(ABC):
    """Samples → frames (T, D) by :class:`State`, and their positions by :meth:`place`."""

    hop: int  # samples a frame
    back = 0  # frames before a chunk that its positions are computed from

    @abstractmethod
    def open(self) -> State:
        """A new stream."""

    def place(self, rows: Tensor, skip: int, first: int) -> Tensor:
        """Frames (B + T, D) of a chunk, its look-ahead, and ``skip`` = B of those before it → hidden state 0
        (T, D); the chunk begins with frame ``first`` of the stream.
        """
        return rows[skip:]


class MelFront(Front):
    """Whisper's: log-mels over a running floor, two convolutions, positions that begin again after 30 s.

    ``convs``: both, unpadded, each with its GELU; ``positions`` (P, D); ``filters`` (201, mel bands).
    """

    hop = HOP

    def __init__(self, convs: Sequence[Rows], positions: Tensor, filters: np.ndarray):
        self.convs, self.positions = convs, positions
        self.filters = torch.from_numpy(np.asarray(filters, np.float32)).to(positions.device)
        self.window = torch.hann_window(_MEL_WINDOW, device=positions.device)

    def open(self) -> State:
        return _MelState(self)

    def place(self, rows: Tensor, skip: int, first: int) -> Tensor:
        index = torch.arange(first, first + len(rows) - skip) % len(self.positions)
        return rows[skip:] + self.positions[index]

    def mels(self, wave: Tensor) -> Tensor:
        """Samples (N,), the first window's first ones → logarithms of mel powers (T, bands)."""
        with torch.autocast(wave.device.type, enabled=False):
            windows = wave.unfold(0, _MEL_WINDOW, _MEL_HOP) * self.window
            return (torch.fft.rfft(windows).abs() ** 2 @ self.filters).clamp(min=1e-10).log10()


class _MelState(State):
    """Frame t needs the log-mels 2 t - 2 … 2 t + 2, log-mel m the samples from 160 m - 200 to 160 m + 200."""

    def __init__(self, front: MelFront):
        self.front, self.floor = front, RunningFloor()
        self.wave = front.window.new_zeros(0)  # from the first sample of the next log-mel
        self.mels = front.window.new_zeros(2, front.filters.shape[1])  # from 2 t - 2 on; 0 before the first
        self.begun, self.heard, self.frames = False, 0, 0

    def push(self, samples: np.ndarray, last: bool) -> Tensor | None:
        self.heard += len(samples)
        self.wave = torch.cat([self.wave, torch.from_numpy(samples).to(self.wave)])
        reach = _MEL_WINDOW // 2
        if last:
            lacking = -(-max(1, self.heard) // HOP) * HOP + reach - self.heard
            self.wave = functional.pad(self.wave, (0, lacking))
        if not self.begun:
            if len(self.wave) <= reach:
                return None
            self.wave = torch.cat(
                [self.wave[1 : reach + 1].flip(0), self.wave]
            )  # mirrored, as Whisper has it
            self.begun = True
        if len(self.wave) >= _MEL_WINDOW:
            fresh = self.floor(self.front.mels(self.wave))
            self.mels = torch.cat([self.mels, fresh])
            self.wave = self.wave[len(fresh) * _MEL_HOP :]
        return self._frames(max(0, (len(self.mels) - 3) // 2))

    def _frames(self, count: int) -> Tensor | None:
        """The next ``count`` frames of the log-mels that are there."""
        convs = self.front.convs
        if count == 0:
            return None
        x = convs[0](self.mels[: 2 * count + 3].to(self.front.positions.dtype))  # (2 T + 1, D)
        if self.frames == 0:
            x = torch.cat([torch.zeros_like(x[:1]), x[1:]])  # the padding of the second convolution
        self.mels, self.frames = self.mels[2 * count :], self.frames + count
        return convs[1](x)


class WaveFront(Front):
    """wav2vec 2.0's and HuBERT's: convolutions, projection, and a convolution for positions that sees no more
    of the future than attention does.

    ``convs``: (kernel, stride, rows → rows with norm and GELU) each; ``wave_norm``: see
    :class:`~xlt.upstreams.chunked.levels.RunningNorm`, None = none; ``project``: norm and projection;
    ``position``: (T, D) → (T, D), zeros beyond both ends, ``kernel`` frames wide; ``last_norm``: behind it.
    """

    def __init__(
        self,
        convs: Sequence[tuple[int, int, Rows]],
        wave_norm: float | None,
        project: Rows,
        position: tuple[int, Rows],
        last_norm: Rows | None,
        device: str = "cpu",
    ):
        self.convs, self.wave_norm, self.project = convs, wave_norm, project
        kernel, self.position = position
        self.last_norm, self.device, self.back = last_norm, device, kernel // 2
        self.field, self.hop = 1, 1
        for width, stride, _ in convs:
            self.field, self.hop = self.field + (width - 1) * self.hop, self.hop * stride

    def open(self) -> State:
        return _WaveState(self)

    def place(self, rows: Tensor, skip: int, first: int) -> Tensor:
        x = rows[skip:] + functional.gelu(self.position(rows)[skip:])
        return x if self.last_norm is None else self.last_norm(x)


class _WaveState(State):
    def __init__(self, front: WaveFront):
        self.front = front
        self.norm = None if front.wave_norm is None else RunningNorm(front.wave_norm)
        self.raw = np.zeros(0, np.float32)  # waits for its block of the norm
        self.wave = np.zeros(0, np.float32)  # from the first sample of the next frame
        self.heard = 0

    def push(self, samples: np.ndarray, last: bool) -> Tensor | None:
        front = self.front
        self.heard += len(samples)
        self.raw = np.concatenate([self.raw, samples])
        if last:
            end = -(-max(1, self.heard) // front.hop) * front.hop + front.field - front.hop
            self.raw = np.pad(self.raw, (0, end - self.heard))
        whole = len(self.raw) if last else len(self.raw) // BLOCK * BLOCK
        fresh, self.raw = self.raw[:whole], self.raw[whole:]
        self.wave = np.concatenate([self.wave, fresh if self.norm is None else self.norm(fresh)])
        count = max(0, (len(self.wave) - front.field) // front.hop + 1)
        if count == 0:
            return None
        x = torch.from_numpy(self.wave[: (count - 1) * front.hop + front.field])[:, None].to(front.device)
        self.wave = self.wave[count * front.hop :]
        for _, _, conv in front.convs:
            x = conv(x)
        return front.project(x)
