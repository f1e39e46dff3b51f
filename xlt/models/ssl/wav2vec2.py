"""wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477) with transformers' class, ending as its folder.

Convolutions make frames of samples; spans of them are masked, and the transformer must tell the quantised
version of each masked frame from those of other masked frames of the clip (equation 3). The quantiser learns
as well, which is where this can go wrong: if it gives all frames one code, there is nothing to tell apart. A
loss for diversity (equation 4), a temperature that falls slowly and a warm-up are what prevents it.

B clips of a batch, N samples, T frames, M masked frames of a clip, K negatives, D dimensions, G groups of V
codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlt.core.errors import ConfigError
from xlt.models.ssl.masks import negatives, spans
from xlt.models.ssl.method import Step, Totals, sized

_FALLEN = 0.7  # share of the training at which the temperature is at its lowest, as in the paper
_SAME = 1 - 1e-5  # cosine of two frames with the same codes


@dataclass(frozen=True)
class Options:
    """``conv_dim``: channels of the seven convolutions, most of the work; ``codes``: of each of
    ``groups``.
    """

    layers: int = 6
    dim: int = 192
    heads: int = 4
    ffn: int = 768
    conv_dim: int = 128
    conv_pos: int = 64
    groups: int = 2
    codes: int = 100
    code_dim: int = 128
    negatives: int = 100
    mask_share: float = 0.65
    mask_frames: int = 10
    diversity: float = 0.1
    temperature: float = 2.0
    lowest_temperature: float = 0.5
    dropout: float = 0.05


class Wav2Vec2Method:
    """See :class:`xlt.models.ssl.method.Method`."""

    upstream = "hf"
    measure = "contrastive accuracy"
    baseline = "by chance"
    collapses, reads_texts = True, False

    def __init__(self, sizes: dict[str, Any], seed: int, device: str, source: object = None):
        from transformers import Wav2Vec2Config, Wav2Vec2ForPreTraining

        self.options = options = sized(Options, sizes)
        for name, part in (("dim", options.heads), ("dim", 16), ("code_dim", options.groups)):
            if (value := getattr(options, name)) % part:
                raise ConfigError(f"pretrain.model: {name}: {value} is no multiple of {part}; change it")
        self.config = Wav2Vec2Config(
            hidden_size=options.dim,
            num_hidden_layers=options.layers,
            num_attention_heads=options.heads,
            intermediate_size=options.ffn,
            conv_dim=[options.conv_dim] * 7,
            conv_bias=True,
            feat_extract_norm="layer",
            do_stable_layer_norm=True,
            num_conv_pos_embeddings=options.conv_pos,
            num_conv_pos_embedding_groups=options.dim // 16,
            num_codevector_groups=options.groups,
            num_codevectors_per_group=options.codes,
            codevector_dim=options.code_dim,
            proj_codevector_dim=options.code_dim,
            num_negatives=options.negatives,
            diversity_loss_weight=options.diversity,
            mask_time_prob=options.mask_share,
            mask_time_length=options.mask_frames,
            layerdrop=0.0,
            hidden_dropout=options.dropout,
            attention_dropout=options.dropout,
            activation_dropout=0.0,
            feat_proj_dropout=options.dropout,
            feat_quantizer_dropout=0.0,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = Wav2Vec2ForPreTraining(self.config).to(device)
        self.device = device
        self._logits = torch.empty(0)
        self.module.quantizer.weight_proj.register_forward_hook(self._keep_logits)

    def _keep_logits(self, module: Any, inputs: Any, output: Tensor) -> None:
        self._logits = output.detach()  # (B, T, G * V)

    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Nothing: each clip is normalised by itself."""

    def step(
        self, waves: list[Tensor], rng: np.random.Generator, done: float, texts: Sequence[str] = ()
    ) -> Step:
        module, options = self.module, self.options
        module.set_gumbel_temperature(temperature(options, done))
        batch = _cropped(waves, rng)  # (B, N)
        frames = int(module._get_feat_extract_output_lengths(batch.shape[1]))
        masks = np.stack([spans(frames, options.mask_share, options.mask_frames, rng) for _ in waves])
        chosen = torch.from_numpy(masks).to(self.device)  # (B, T)
        out = module(batch, mask_time_indices=chosen)
        total, masked, right = torch.zeros((), device=self.device), int(masks.sum()), 0
        for row, mask in enumerate(chosen):
            states, targets = out.projected_states[row][mask], out.projected_quantized_states[row][mask]
            others = torch.from_numpy(negatives(len(states), options.negatives, rng)).to(self.device)
            logits = contrastive_logits(states, targets, others, self.config.contrastive_logits_temperature)
            wanted = torch.zeros(len(logits), dtype=torch.long, device=self.device)
            total = total + functional.cross_entropy(logits, wanted, reduction="sum")
            right += int((logits.argmax(dim=1) == 0).sum())
        size = options.groups * options.codes
        unused = (size - out.codevector_perplexity) / size
        return Step(total / masked + options.diversity * unused, masked, right, self._counts())

    def _counts(self) -> np.ndarray:
        """How often each code is the likeliest of a frame: (G, V)."""
        options = self.options
        best = self._logits.reshape(-1, options.groups, options.codes).argmax(dim=2)  # (B * T, G)
        counts = [torch.bincount(group, minlength=options.codes) for group in best.T]
        return torch.stack(counts).cpu().numpy()

    def chance(self, totals: Totals) -> float:
        """Who hears nothing guesses one of the K + 1."""
        return 1 / (self.options.negatives + 1)

    def save(self, out: Path) -> None:
        from transformers import Wav2Vec2FeatureExtractor
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        self.module.save_pretrained(out)
        (out / "model.safetensors").chmod(0o644)
        Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(out)


def temperature(options: Options, done: float) -> float:
    """Of the Gumbel softmax: falls by the same factor in each step.

    >>> [round(temperature(Options(), done), 2) for done in (0.0, 0.35, 0.7, 1.0)]
    [2.0, 1.0, 0.5, 0.5]
    """
    first, last = options.temperature, options.lowest_temperature
    return float(max(last, first * (last / first) ** (done / _FALLEN)))


def contrastive_logits(states: Tensor, targets: Tensor, others: Tensor, kappa: float) -> Tensor:
    """Cosine similarities of states (M, D) with their targets (M, D), the first column, and with those of
    ``others`` (M, K), divided by ``kappa``: (M, K + 1). A negative that is the target itself does not count.

    As transformers computes them, but of masked frames alone and by one product a clip.
    """
    a, b = functional.normalize(states, dim=1), functional.normalize(targets, dim=1)
    alike = (a @ b.T) / kappa  # (M, M)
    same = (b @ b.T).detach() >= _SAME
    logits = alike.gather(1, others).masked_fill(same.gather(1, others), float("-inf"))
    return torch.cat([alike.diagonal()[:, None], logits], dim=1)


def _cropped(waves: list[Tensor], rng: np.random.Generator) -> Tensor:
    """Clips with mean 0 and deviation 1, cut to the length of the shortest at a place drawn by chance: (B,
    N).
    """
    shortest = min(map(len, waves))
    rows = []
    for wave in waves:
        start = int(rng.integers(0, len(wave) - shortest + 1))
        wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + 1e-7)
        rows.append(wave[start : start + shortest])
    return torch.stack(rows)
