"""BEST-RQ (Chiu et al. 2022, arXiv 2202.01855): the code of a masked frame is to be told from what is around
it.

The codes are those of a quantiser that never learns: four stacked log-mel frames times a random matrix, and
the nearest of random vectors, both of length 1 (section 3.1). So they cannot collapse; that the log-mels have
mean 0 and deviation 1 is what keeps them in use. R rows (25 a second), C codes, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.core.errors import ConfigError
from xlt.models.ssl.masks import spans
from xlt.models.ssl.method import Step, Totals, sized
from xlt.upstreams import bestrq_net
from xlt.upstreams.bestrq_sizes import STACK, Sizes
from xlt.upstreams.fast.packed import row_spans
from xlt.upstreams.fbank import MELS
from xlt.upstreams.tunable import Net


@dataclass(frozen=True)
class Options(Sizes):
    """``codes`` of ``code_dim`` dimensions; spans of ``mask_ms`` begin so often that, but for overlaps,
    ``mask_share`` of the frames is masked.
    """

    codes: int = 1024
    code_dim: int = 16
    mask_share: float = 0.4
    mask_ms: int = 400
    dropout: float = 0.1


class Quantiser(nn.Module):
    """Stacked log-mels (R, 320) → codes (R,); frozen."""

    def __init__(self, codes: int, dim: int, rng: torch.Generator):
        super().__init__()
        projection = torch.empty(STACK * MELS, dim)
        nn.init.xavier_uniform_(projection, generator=rng)
        book = functional.normalize(torch.randn(codes, dim, generator=rng), dim=1)
        self.register_buffer("projection", projection)
        self.register_buffer("book", book)

    def forward(self, rows: Tensor) -> Tensor:
        """The nearest of vectors of length 1 is the one with the largest product."""
        return (functional.normalize(rows @ self.projection, dim=1) @ self.book.T).argmax(dim=1)


class _Module(nn.Module):
    def __init__(self, options: Options, quantiser: Quantiser):
        super().__init__()
        self.net = Net(bestrq_net.pieces(options), options.layers, options.dropout)
        self.quantiser = quantiser
        self.head = nn.Linear(options.dim, options.codes)


class BestRqMethod:
    """See :class:`xlt.models.ssl.method.Method`."""

    upstream = "bestrq"
    measure = "codes of masked frames found"
    baseline = "by chance"
    collapses = reads_texts = False

    def __init__(self, sizes: dict[str, Any], seed: int, device: str, source: object = None):
        self.options = options = sized(Options, sizes)
        if options.dim % options.heads:
            raise ConfigError(
                f"pretrain.model: dim: {options.dim} is no multiple of heads ({options.heads}); change one"
            )
        rng = torch.Generator().manual_seed(seed)
        quantiser = Quantiser(options.codes, options.code_dim, rng)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = _Module(options, quantiser).to(device)
        self.device = device

    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Mean and deviation of each mel band."""
        front: Any = self.module.net.front
        mels = torch.cat([front.mels(wave) for wave in waves])  # (T, 80)
        front.mean.copy_(mels.mean(dim=0))
        front.std.copy_(mels.std(dim=0).clamp(min=1e-3))

    def step(
        self, waves: list[Tensor], rng: np.random.Generator, done: float, texts: Sequence[str] = ()
    ) -> Step:
        module, front = self.module, self.module.net.front
        fronts, targets, chosen = [], [], []
        for wave in waves:
            mels = front.mels(wave).to(self.device)  # (T, 80)
            mask = spans(len(mels), self.options.mask_share, self.options.mask_ms // 10, rng)
            rows = bestrq_net.stacked(mels)
            targets.append(module.quantiser(rows))
            noise = torch.from_numpy(rng.normal(0, 0.1, (int(mask.sum()), MELS)).astype(np.float32))
            hidden = mels.clone()
            hidden[torch.from_numpy(mask)] = noise.to(self.device)
            fronts.append(front.embed(hidden))
            padded = np.pad(mask, (0, -len(mask) % STACK)).reshape(-1, STACK)  # (R, 4)
            chosen.append(torch.from_numpy(padded.mean(axis=1) > 0.5))
        found, mask = torch.cat(targets), torch.cat(chosen).to(self.device)
        states = self._encode(fronts)[mask]
        logits = module.head(states)
        loss = functional.cross_entropy(logits, found[mask])
        right = int((logits.argmax(dim=1) == found[mask]).sum())
        codes = torch.bincount(found, minlength=self.options.codes)[None].cpu().numpy()
        return Step(loss, int(mask.sum()), right, codes)

    def _encode(self, fronts: list[Tensor]) -> Tensor:
        net, around = self.module.net, row_spans(fronts)
        x = functional.dropout(torch.cat(fronts), self.options.dropout, net.training)
        for layer in net.layers:
            x = layer(x, around, None)
        return net.final_norm(x)

    def chance(self, totals: Totals) -> float:
        """Who hears nothing says the most frequent code."""
        codes = np.zeros(1) if totals.codes is None else totals.codes
        return float(codes.max() / max(1, codes.sum()))

    def save(self, out: Path) -> None:
        bestrq_net.write(out, self.options, self.module.net)
