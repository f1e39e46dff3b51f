"""Every upstream that s3prl knows, by its name, and Hugging Face wav2vec2 and HuBERT directories through s3prl."""

from __future__ import annotations

import json
import pickle
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
        self.raw_frames = None
        self._try_out()

    def _try_out(self) -> None:
        """Learn layers and dimension, and whether a batch of unlike clips gives what each gives alone."""
        import numpy as np

        rng = np.random.default_rng(0)
        waves = [rng.normal(0, 0.1, size).astype(np.float32) for size in (2 * MIN_SAMPLES * 5, 6100)]
        dtype, self.dtype = self.dtype, None  # in float32: rounding must not decide
        alone = [[h[0] for h in self._hidden([wave])] for wave in waves]
        self.num_layers, self.dim = len(alone[0]), alone[0][-1].shape[1]
        for formula in (lambda n: (n - 400) // 320 + 1, lambda n: (n - 400) // 160 + 1):
            if all(len(states[0]) == formula(len(w)) for w, states in zip(waves, alone, strict=True)):
                together = self._hidden(waves)
                close = all((h[row, :len(a)] - a).abs().max() <= TOLERANCE * max(1.0, a.abs().max())
                            for layer, h in enumerate(together) for row, a in enumerate(s[layer] for s in alone))
                self.raw_frames = formula if close else None
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


def _expert(source: Source):
    """s3prl's model; only the one module that defines it is imported (all of them take 12 s)."""
    import importlib

    from transformers.utils import logging as transformers_logging

    from xlt.features.upstreams.s3prl_weights import HF_FAMILIES, family, hub_functions, no_downloads

    path = Path(source.path) if source.path else None
    if path is not None and path.is_dir():
        kind = json.loads((path / "config.json").read_text(encoding="utf-8"))["model_type"]
        function, arguments = HF_FAMILIES[kind], {"ckpt": str(path)}
    elif path is not None:
        function, arguments = family(source.upstream) + "_custom", {"ckpt": str(path)}
    else:
        function, arguments = source.upstream, {}
    transformers_logging.disable_progress_bar()
    module, _, name = hub_functions()[function].partition(":")
    try:
        with no_downloads():
            expert = getattr(importlib.import_module(module), name)(**arguments)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AssertionError, ImportError,
            pickle.UnpicklingError) as err:
        where = f" from {', '.join(source.files)}" if source.files else ""
        reason = (str(err).strip().splitlines() or ["no reason given"])[0]
        raise UpstreamError(f"{source.upstream}: s3prl cannot load it{where} ({type(err).__name__}: {reason}); if the "
                            "weights are a torn download, remove them and fetch them again") from err
    config = getattr(getattr(expert, "model", None), "config", None)
    if config is not None:
        # transformers 5 takes the last hidden state of stable-layer-norm models before the final norm; s3prl's own
        # models and transformers 4 take it behind the norm
        config.tie_last_hidden_states = True
    return expert
