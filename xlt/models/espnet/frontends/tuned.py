"""A frontend whose upstream is trained, or has adapters that are: Whisper's encoder, wav2vec 2.0, HuBERT.

B batch, N samples, T frames, D feature dimensions, R rows (frames of all windows, one behind the other).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import nn

from xlt.core.errors import UpstreamError
from xlt.core.registry import ADAPTERS
from xlt.core.stored import from_json
from xlt.models.espnet.frontends import find_weights, numbers_of
from xlt.models.espnet.tuning import Tuning
from xlt.nets.featurizer import Featurizer
from xlt.upstreams import upstream_class
from xlt.upstreams.fast.dense import check_groups
from xlt.upstreams.tunable import Net


class TunedUpstream(AbsFrontend):
    """Before training it gives the features of the frozen upstream, in windows and paddings too.

    An upstream that is trained is part of the model and of its checkpoints. With adapters it is not: they
    alone are, and ``identity`` tells on loading whether the frozen weights are those of the training.
    ``updates`` counts the batches seen in training and is part of the checkpoint; up to ``freeze_updates``
    the upstream has no gradients. ``architecture``: a folder with config.json, for a model that brings the
    tuned weights itself. Other arguments as in :class:`~xlt.models.espnet.frontends.s3prl.FrozenS3prl`.
    """

    def __init__(
        self,
        upstream: str,
        path: str | None,
        cache: str | None,
        identity: dict | None,
        layers: str | int | list,
        norm: str,
        dtype: str,
        batch_s: float,
        tuning: dict,
        architecture: str | None = None,
        stats_file: str | None = None,
    ):
        super().__init__()
        self.name, self.dtype = upstream, getattr(torch, dtype)
        self.tuning = from_json(Tuning, "train", tuning, "config.yaml")
        with torch.random.fork_rng():
            pieces = (
                upstream_class(upstream).bare_pieces(upstream, Path(architecture))
                if architecture
                else upstream_class(upstream).pieces(find_weights(upstream, path, cache, identity))
            )
        check_groups(pieces.front, dtype)
        count = len(pieces.layers) + 1
        numbers = list(range(count)) if layers == "mix" else numbers_of(layers, count, upstream)
        net = Net(pieces, max(numbers), self.tuning.upstream_dropout)
        net.requires_grad_(self.tuning.freeze != "upstream")
        net.front.requires_grad_(self.tuning.freeze == "none")
        self.adapters = None
        if self.tuning.freeze == "upstream":
            kind = ADAPTERS.get(self.tuning.adapter)
            self.adapters = nn.ModuleList(kind(net.dim, self.tuning.adapter_dim) for _ in net.layers)
            self._net: tuple[Net, ...] = (net,)  # torch registers no tuple
        else:
            self.net = net
            self._net = ()
        self.featurizer = Featurizer(numbers, layers == "mix", norm, stats_file)
        dim: Any = net.dim
        self.dim: int = dim * (1 if layers == "mix" else len(numbers))
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @property
    def upstream(self) -> Net:
        return self._net[0] if self._net else self.net

    def _apply(self, fn, recurse: bool = True):
        for net in self._net:
            net._apply(fn)
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True):
        for net in self._net:
            net.train(mode)
        return super().train(mode)

    def output_size(self) -> int:
        return self.dim

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, N), (B,) → (B, T, D), (B,)."""
        tunes = torch.is_grad_enabled() and int(self.updates) >= self.tuning.freeze_updates
        if self.training and torch.is_grad_enabled():
            self.updates += 1
        with torch.set_grad_enabled(tunes):
            states, lengths = self.hidden(input, input_lengths)
        return self.featurizer(states), lengths

    def hidden(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """(B, N), (B,) → the featurizer's layers, each (B, T, D), and their frames (B,)."""
        front: Any = self.upstream.front
        step, windows, owners = front.max_samples, [], []
        for row, size in enumerate(input_lengths.tolist()):
            for start in range(0, max(1, size), step or max(1, size)):
                windows.append(input[row, start : min(size, start + step) if step else size])
                owners.append(row)
        with torch.autocast(input.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            hidden, spans = self.upstream(windows, self.adapters, self.tuning.checkpointing)
        pieces: list[list[torch.Tensor]] = [[] for _ in range(len(input))]
        for row, wave, (begin, end) in zip(owners, windows, spans, strict=True):
            frames = -(
                -max(1, len(wave)) // self.upstream.front.hop
            )  # s3prl repeats the last one where the convolutions give fewer
            pieces[row].append(torch.arange(frames).clamp(max=end - begin - 1) + begin)
        index = [torch.cat(p) for p in pieces]
        lengths = torch.tensor([len(i) for i in index], device=input.device)
        rows = nn.utils.rnn.pad_sequence(index, batch_first=True).to(input.device)  # (B, T)
        states = [hidden[n].float()[rows] for n in self.featurizer.layers]
        if not torch.isfinite(hidden[-1]).all():
            raise UpstreamError(
                f"{self.name}: the features of a training batch are not finite numbers; lower"
                " train.upstream_lr, use features.dtype=float32, or the weights are damaged"
            )
        return states, lengths

    def parameter_groups(self) -> list[dict]:
        """What is trained of the upstream, with a learning rate a layer; the convolutions come behind the
        lowest layer.
        """
        rate, decay, net = self.tuning.upstream_lr, self.tuning.layer_decay, self.upstream
        parts: list[list[nn.Module | None]] = [[net.front]]
        for layer in net.layers if self.adapters is None else self.adapters:
            parts.append([layer])
        parts[-1].append(net.final_norm)
        groups = [
            {
                "params": [p for m in modules if m is not None for p in m.parameters() if p.requires_grad],
                "lr": rate * decay ** (net.last - number),
            }
            for number, modules in enumerate(parts)
        ]
        return [group for group in groups if group["params"]]
