"""A frontend over any upstream of xlt, for those that ESPnet has no frontend of (Whisper's encoder,
log-mels).

B batch, N samples, T frames, D feature dimensions, L layers.
"""

from __future__ import annotations

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend

from xlt.features.extract import Setup, encode_waves, layer_numbers, load
from xlt.models.espnet.frontends import find_weights
from xlt.nets.featurizer import Featurizer
from xlt.upstreams.base import check_layers


class FrozenUpstream(AbsFrontend):
    """Encodes as the extraction does, in windows and paddings too. The upstream is no registered part of the
    model.

    So checkpoints do not carry it, no optimiser sees it, and ``model.train()`` does not touch it; arguments
    as in :class:`~xlt.models.espnet.frontends.s3prl.FrozenS3prl`.
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
        stats_file: str | None = None,
    ):
        super().__init__()
        source = find_weights(upstream, path, cache, identity)
        with torch.random.fork_rng():
            self.upstream = load(Setup(source, layers, dtype, batch_s))
        numbers = (
            list(range(self.upstream.num_layers)) if layers == "mix" else layer_numbers(self.upstream, layers)
        )
        check_layers(self.upstream, numbers)
        self.batch_s = batch_s
        self.featurizer = Featurizer(numbers, layers == "mix", norm, stats_file)
        self.dim = self.upstream.dim * (1 if layers == "mix" else len(numbers))

    def output_size(self) -> int:
        return self.dim

    def num_frames(self, num_samples: int) -> int:
        return self.upstream.num_frames(num_samples)

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, N), (B,) → (B, T, D), (B,)."""
        states, lengths = self.hidden(input, input_lengths)
        return self.featurizer(states), lengths

    @torch.no_grad()
    def hidden(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """(B, N), (B,) → the featurizer's layers, each (B, T, D), and their frames (B,)."""
        waves = [row[:n].cpu().numpy() for row, n in zip(input, input_lengths.tolist(), strict=True)]
        numbers = self.featurizer.layers
        feats = [
            torch.from_numpy(f) for f in encode_waves(self.upstream, waves, numbers, self.batch_s)
        ]  # (T, L·D)
        lengths = torch.tensor([len(f) for f in feats], device=input.device)
        padded = torch.nn.utils.rnn.pad_sequence(feats, batch_first=True).to(input.device)  # (B, T, L·D)
        return list(padded.chunk(len(numbers), dim=2)), lengths
