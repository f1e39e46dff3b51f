"""Every upstream that s3prl knows, by its name, and Hugging Face wav2vec2 and HuBERT directories through s3prl."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xlt.errors import UpstreamError
from xlt.features.upstreams.base import SAMPLE_RATE, Source, Upstream, check_layers

MIN_SAMPLES = 800  # s3prl's own minimum, 0.05 s; shorter clips are padded to it
BUCKET = SAMPLE_RATE  # clips of one batch differ by less than a second
TOLERANCE = 1e-4


class S3prlUpstream(Upstream):
    """Hidden states as s3prl gives them: 0 before the first layer, ceil(N / stride) frames, the last one repeated.

    Whether clips of unlike length may share a batch is tried out when the model is loaded: they may if the outputs
    stay within TOLERANCE of those of each clip alone; else only clips of exactly one length are batched.
    """

    bf16_pays = True
    packages = ("torch", "transformers", "espnet-s3prl")

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        from xlt.features.upstreams import s3prl_weights

        return s3prl_weights.find(name, path)

    def __init__(self, source: Source, dtype: str, device: str):
        import torch

        self.name, self.device = source.upstream, device
        self.dtype = getattr(torch, dtype)
        self.expert = _expert(source).eval().requires_grad_(False).to(device=device, dtype=torch.float32)
        rates = self.expert.get_downsample_rates("hidden_states")
        rates = set(rates) if isinstance(rates, (list, tuple)) else {rates}
        if len(rates) != 1:
            raise UpstreamError(f"{self.name}: its layers have different frame rates ({sorted(rates)} samples a "
                                "frame); choose another upstream")
        self.stride = rates.pop()
        self.frame_rate = SAMPLE_RATE / self.stride
        self.raw_frames: Callable[[int], int] | None = None
        self._try_out()

    def _try_out(self) -> None:
        dtype, self.dtype = self.dtype, None  # in float32: rounding must not decide
        self.num_layers, self.dim, self.raw_frames = try_out(self._hidden)
        self.dtype = dtype

    def batch_key(self, num_samples: int) -> int:
        return num_samples if self.raw_frames is None else -(-num_samples // BUCKET) * BUCKET

    def encode(self, waves, layers):
        import numpy as np
        import torch

        check_layers(self, layers)
        padded = [np.pad(w, (0, max(0, MIN_SAMPLES - len(w)))) for w in waves]
        hidden = self._hidden(padded)
        lengths = [-(-max(1, len(w)) // self.stride) for w in waves]
        outputs = []
        for number in layers:
            h = hidden[number]  # (B, T, D)
            rows = []
            for row, (wave, length) in enumerate(zip(padded, lengths, strict=True)):
                whole = h.shape[1] if self.raw_frames is None else min(h.shape[1], self.raw_frames(len(wave)))
                index = torch.arange(max(lengths)).clamp(max=min(whole, length) - 1)
                rows.append(h[row].cpu()[index])
            outputs.append(torch.stack(rows))
        return outputs, lengths

    def _hidden(self, waves: list) -> list:
        """Hidden states as the model gives them, each (B, T, D) float32."""
        import torch

        tensors = [torch.from_numpy(w).to(self.device) for w in waves]
        narrow = self.dtype is torch.bfloat16
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=narrow):
            return [h.float() for h in self.expert(tensors)["hidden_states"]]


def try_out(hidden: Callable[[list], list]) -> tuple[int, int, Callable[[int], int] | None]:
    """Number of hidden states, their dimension, and whether a batch of unlike clips gives what each gives alone.

    ``hidden``: waves (N,) → hidden states, each (B, T, D). The third value tells, if a batch does, how many frames the
    model itself makes of N samples (s3prl repeats the last one up to ceil(N / stride)); None if it does not.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    waves = [rng.normal(0, 0.1, size).astype(np.float32) for size in (2 * MIN_SAMPLES * 5, 6100)]
    alone = [[h[0] for h in hidden([wave])] for wave in waves]
    for formula in (lambda n: (n - 400) // 320 + 1, lambda n: (n - 400) // 160 + 1):
        if all(len(states[0]) == formula(len(w)) for w, states in zip(waves, alone, strict=True)):
            together = hidden(waves)
            close = all((h[row, :len(a)] - a).abs().max() <= TOLERANCE * max(1.0, a.abs().max())
                        for layer, h in enumerate(together) for row, a in enumerate(s[layer] for s in alone))
            return len(alone[0]), alone[0][-1].shape[1], formula if close else None
    return len(alone[0]), alone[0][-1].shape[1], None


def _expert(source: Source):
    """s3prl's model; only the one module that defines it is imported (all of them take 12 s)."""
    import importlib

    from transformers.utils import logging as transformers_logging

    from xlt.features.upstreams.s3prl_weights import hub_call, hub_functions, loading

    function, ckpt = hub_call(source)
    transformers_logging.disable_progress_bar()
    module, _, name = hub_functions()[function].partition(":")
    with loading(source):
        expert = getattr(importlib.import_module(module), name)(**({"ckpt": ckpt} if ckpt else {}))
    fix_last_state(expert)
    return expert


def fix_last_state(expert) -> None:
    """Make the last hidden state the one behind the final norm, as s3prl's own models and transformers 4 have it.

    transformers 5 takes it before that norm in stable-layer-norm models such as XLS-R.
    """
    config = getattr(getattr(expert, "model", None), "config", None)
    if config is not None:
        config.tie_last_hidden_states = True
