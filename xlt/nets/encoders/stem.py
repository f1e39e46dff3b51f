"""What stands between normalised features and any encoder: frame stacking, SpecAugment, a projection.

B batch, T frames, D feature dimensions, S frames stacked, H projection.
"""

from __future__ import annotations

import torch
from espnet2.asr.preencoder.abs_preencoder import AbsPreEncoder


class Stem(AbsPreEncoder):
    """Stack ``stack`` frames, mask (training only), project to ``projection`` with layer norm (0 = neither).

    Masks follow SpecAugment (Park et al. 2019, arXiv:1904.08779) and are drawn after mean and variance
    normalisation, so that a masked value is the mean: ESPnet's own order masks first, which makes the masks
    large outliers for self-supervised features. ``time_mask`` counts stacked frames, ``feature_mask`` is a
    share of the dimensions; each of the ``num_masks`` masks of a kind has a width drawn uniformly up to that,
    and at most a fifth of the utterance.
    """

    def __init__(
        self,
        input_size: int,
        stack: int = 1,
        projection: int = 0,
        time_mask: int = 0,
        feature_mask: float = 0.0,
        num_masks: int = 0,
    ):
        super().__init__()
        self.stack, self.time_mask, self.feature_mask, self.num_masks = (
            stack,
            time_mask,
            feature_mask,
            num_masks,
        )
        self.dim = projection or input_size * stack
        self.project = (
            torch.nn.Sequential(
                torch.nn.Linear(input_size * stack, projection), torch.nn.LayerNorm(projection)
            )
            if projection
            else torch.nn.Identity()
        )

    def output_size(self) -> int:
        return self.dim

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, T, D), (B,) → (B, ceil(T/S), H), (B,). Frames behind an utterance's end are zeroed first."""
        frames = input.shape[1]
        inside = torch.arange(frames, device=input.device)[None, :] < input_lengths[:, None]  # (B, T)
        x = input * inside[..., None]
        if self.stack > 1:
            x = torch.nn.functional.pad(x, (0, 0, 0, -frames % self.stack))
            x = x.reshape(x.shape[0], x.shape[1] // self.stack, -1)  # (B, ceil(T/S), S·D)
        lengths = (input_lengths + self.stack - 1) // self.stack  # rounded up; ONNX divides towards 0
        if self.training and self.num_masks:
            x = self._mask(x, lengths)
        return self.project(x), lengths

    def open_stream(self) -> StemStream:
        """What :meth:`forward` gives in evaluation, as a :class:`xlt.nets.streams.HeadStream`."""
        return StemStream(self)

    def _mask(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        batch, frames, dim = x.shape
        limit = torch.minimum(lengths / 5, torch.full_like(lengths, self.time_mask, dtype=torch.float))
        keep = ~(_spans(lengths.float(), limit, self.num_masks, frames)[..., None])
        whole = torch.full((batch,), float(dim), device=x.device)
        keep = keep & ~_spans(whole, whole * self.feature_mask, self.num_masks, dim)[:, None, :]
        return x * keep


class StemStream:
    """See :meth:`Stem.open_stream`. It keeps the frames of a stack that is not full."""

    def __init__(self, stem: Stem):
        self.stem = stem
        self.left: torch.Tensor | None = None  # (fewer than S, D)

    @torch.inference_mode()
    def push(self, feats: torch.Tensor, last: bool = False) -> torch.Tensor:
        """(T, D) → (T', H): the stacks that are full; ``last``: the rest with zeros behind it."""
        x = feats if self.left is None else torch.cat([self.left, feats])
        if last:
            x = torch.nn.functional.pad(x, (0, 0, 0, -len(x) % self.stem.stack))
        whole = len(x) - len(x) % self.stem.stack
        self.left = x[whole:]
        return self.stem.project(x[:whole].reshape(whole // self.stem.stack, self.stem.stack * x.shape[1]))


def _spans(length: torch.Tensor, widest: torch.Tensor, count: int, size: int) -> torch.Tensor:
    """(B,) lengths and greatest widths → (B, size) true inside one of ``count`` random spans of each row."""
    device = length.device
    width = torch.rand(count, len(length), device=device) * widest
    start = torch.rand(count, len(length), device=device) * (length - width).clamp(min=0)
    place = torch.arange(size, device=device)
    return ((place >= start[..., None]) & (place < (start + width)[..., None])).any(dim=0)
