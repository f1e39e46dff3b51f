"""The encoder that BEST-RQ pre-trains: log-mels, four frames stacked, a transformer with its norms first.

Stacking and a convolution that looks back only keep it causal but for attention, so that with chunk-wise
attention an encoder hears no more of the future than its chunk. T mel frames of a clip (100 a second), R rows
of the encoder (25 a second), D dimensions.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.core.errors import UpstreamError
from xlt.nets.chunks import Chunks
from xlt.upstreams.bestrq_sizes import CONFIG, HOP, MODEL_TYPE, STACK, WEIGHTS, Sizes, read_sizes
from xlt.upstreams.chunked.stacked import StackedFront, causal
from xlt.upstreams.fbank import MELS, MelStream, kaldi_mels
from xlt.upstreams.tunable import Net, Pieces

_BACK = 2  # rows behind each that the convolution sees


class Front(nn.Module):
    """Samples (N,) → hidden state 0 (R, D)."""

    max_samples = None
    hop = HOP

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(MELS))
        self.register_buffer("std", torch.ones(MELS))
        self.project = nn.Linear(STACK * MELS, dim)
        self.conv = nn.Conv1d(dim, dim, _BACK + 1)

    def mels(self, wave: Tensor) -> Tensor:
        """Samples (N,) → log-mels (T, 80), each band with mean 0 and deviation 1 over the training speech."""
        return (kaldi_mels(wave) - self.mean) / self.std

    def embed(self, mels: Tensor) -> Tensor:
        """Log-mels (T, 80), also masked ones → hidden state 0 (R, D)."""
        x = functional.gelu(self.project(stacked(mels)))
        x = x + self.conv(functional.pad(x.T[None], (_BACK, 0)))[0].T
        return x + _positions(0, len(x), x.shape[1], x.device)

    def forward(self, wave: Tensor) -> Tensor:
        with torch.no_grad():
            mels = self.mels(wave)
        return self.embed(mels)

    def chunked(self) -> StackedFront:
        """The same as speech comes."""
        device, dim = self.mean.device, self.project.out_features

        def embed(mels: Tensor) -> Tensor:
            return functional.gelu(self.project(stacked((mels - self.mean) / self.std)))

        def positions(first: int, count: int) -> Tensor:
            return _positions(first, count, dim, device)

        return StackedFront(MelStream, STACK, embed, causal(self.conv), _BACK, positions, HOP, str(device))


def stacked(mels: Tensor) -> Tensor:
    """(T, 80) → (R, 320); the last row is filled up with zeros.

    >>> stacked(torch.ones(5, 80)).sum(dim=1).tolist()
    [320.0, 80.0]
    """
    return functional.pad(mels, (0, 0, 0, -len(mels) % STACK)).reshape(-1, STACK * mels.shape[1])


def _positions(first: int, count: int, dim: int, device: torch.device) -> Tensor:
    """Sinusoids (R, D) from the row ``first`` on (Vaswani et al. 2017, section 3.5)."""
    rate = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10000.0) / dim))
    angle = torch.arange(first, first + count, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).reshape(count, -1)[:, :dim]


def pieces(sizes: Sizes) -> Pieces:
    """The parts of an encoder with random weights."""
    dim, ffn = sizes.dim, sizes.ffn
    size = sizes.chunk_frames
    chunks = Chunks(size, sizes.left_chunks * size) if size else None
    layers: list[dict[str, nn.Module]] = [
        {
            **{name: nn.Linear(dim, dim) for name in ("q", "k", "v", "out")},
            "norm1": nn.LayerNorm(dim),
            "norm2": nn.LayerNorm(dim),
            "fc1": nn.Linear(dim, ffn),
            "fc2": nn.Linear(ffn, dim),
        }
        for _ in range(sizes.layers)
    ]
    return Pieces(Front(dim), layers, sizes.heads, True, nn.LayerNorm(dim), chunks)


def write(folder: Path, sizes: Sizes, net: Net) -> None:
    """Write config.json and model.safetensors: what ``features.upstream=bestrq features.path=FOLDER``
    takes.
    """
    from safetensors.torch import save_file

    own = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    save_file(own, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # safetensors makes it readable by its owner only
    config = {"model_type": MODEL_TYPE, **dataclasses.asdict(sizes)}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> Pieces:
    """The parts of the encoder in ``folder`` with its weights; UpstreamError if they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    sizes = read_sizes(folder / CONFIG)
    found = pieces(sizes)
    net = Net(found, sizes.layers, 0.0)  # of the same modules
    try:
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, OSError, RuntimeError) as err:
        reason = " ".join(str(err).split())[:160]
        raise UpstreamError(
            f"{folder / WEIGHTS}: cannot be loaded as the encoder that {CONFIG} describes ({reason}); copy"
            " the whole folder again"
        ) from None
    return found
