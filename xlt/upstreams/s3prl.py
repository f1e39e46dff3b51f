"""Upstreams of s3prl by its names, and Hugging Face wav2vec2 and HuBERT directories, through s3prl."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, UpstreamError
from xlt.upstreams import hf_config
from xlt.upstreams.base import MIN_SAMPLES, Source, Upstream, check_layers, unpacked

if TYPE_CHECKING:
    from xlt.upstreams.tunable import Pieces

BUCKET = SAMPLE_RATE  # clips of one batch differ by less than a second
TOLERANCE = 1e-4
# of packed clips: larger batches leave the processor's caches (80 s: a fifth slower), smaller ones gain
# nothing
BATCH_S = 15.0


class S3prlUpstream(Upstream):
    """Hidden states as s3prl gives them: 0 before the first layer, ceil(N / stride) frames, the last one
    repeated.

    On a processor, wav2vec 2.0 and HuBERT are computed by :class:`~xlt.upstreams.fast.packed.Packed`, if what
    it gives when the model is loaded stays within TOLERANCE of what s3prl gives; then nothing is padded. Else
    s3prl computes, and whether clips of unlike length may share a batch is tried out too: they may if the
    outputs stay within TOLERANCE of those of each clip alone; else only clips of exactly one length are
    batched.
    """

    bf16_pays = True
    padding = "s3prl: what each clip gives alone"
    has_int8 = True
    frontend = "xlt_s3prl"
    packages = ("torch", "transformers", "espnet-s3prl")

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        from xlt.upstreams import s3prl_weights

        return s3prl_weights.find(name, path)

    @classmethod
    def can_tune(cls, name: str, path: str | None = None) -> bool:
        from xlt.upstreams import s3prl_weights

        return s3prl_weights.can_tune(name)

    @classmethod
    def pieces(cls, source: Source) -> Pieces:
        import torch

        from xlt.upstreams.tunable import wav2vec2_pieces

        expert = load_expert(source).eval()
        return compared(
            wav2vec2_pieces(expert, source.upstream),
            lambda wave: expert([torch.from_numpy(wave)])["hidden_states"],
            source.upstream,
        )

    @classmethod
    def bare_pieces(cls, name: str, folder: Path) -> Pieces:
        from transformers import HubertModel, Wav2Vec2Model

        from xlt.upstreams.tunable import wav2vec2_pieces

        kinds: dict[str, Any] = {"wav2vec2": Wav2Vec2Model, "hubert": HubertModel}
        kind = kinds.get(hf_config.read_json(folder / hf_config.CONFIG).get("model_type", ""))
        if kind is None:
            raise UpstreamError(f"{folder / hf_config.CONFIG}: not of {' or '.join(kinds)}; copy it again")
        model = kind(hf_config.typed_config(folder / hf_config.CONFIG, kind.config_class)).eval()
        return wav2vec2_pieces(SimpleNamespace(model=model, extracter=hf_config.extractor(folder)), name)

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        sizes = {"2b": (49, 1920), "1b": (49, 1280), "large|300m|xlsr": (25, 1024)}
        return next((size for part, size in sizes.items() if re.search(part, name)), (13, 768))

    def __init__(self, source: Source, dtype: str, device: str):
        import torch

        self.name, self.device = source.upstream, device
        self.dtype = dtype
        self.packed = None
        self.expert = load_expert(source).eval().requires_grad_(False).to(device=device, dtype=torch.float32)
        rates = self.expert.get_downsample_rates("hidden_states")
        rates = set(rates) if isinstance(rates, (list, tuple)) else {rates}
        if len(rates) != 1:
            raise UpstreamError(
                f"{self.name}: its layers have different frame rates ({sorted(rates)} samples a "
                "frame); choose another upstream"
            )
        self.stride = rates.pop()
        self.frame_rate = SAMPLE_RATE / self.stride
        self.raw_frames: Callable[[int], int] | None = None
        if device == "cpu":
            self._pack()
        if self.packed is None:
            if dtype == "int8":
                raise ConfigError(
                    f"features.dtype=int8: {self.name} is not a wav2vec 2.0 or HuBERT on an x86 processor;"
                    " use float32"
                )
            self.num_layers, self.dim, self.raw_frames = try_out(
                lambda waves: self._hidden(waves, narrow=False)
            )

    def _pack(self) -> None:
        """Put :class:`Packed` in the place of s3prl's model if it gives the same, and let go of that
        model.
        """
        found = pack(self.expert, self.dtype, lambda wave: self._hidden([wave], narrow=False))
        if found is not None:
            self.packed, self.num_layers, self.dim = found
            self.packs, self.best_batch_s, self.expert = True, BATCH_S, None

    def batch_key(self, num_samples: int) -> int:
        if self.packed is not None:
            return max(num_samples, MIN_SAMPLES)
        return num_samples if self.raw_frames is None else -(-num_samples // BUCKET) * BUCKET

    def padded_samples(self, lengths: list[int]) -> int:
        if self.packed is not None:
            return super().padded_samples(lengths)
        return len(lengths) * max(MIN_SAMPLES, *lengths)

    def encode(self, waves, layers):
        import numpy as np
        import torch

        check_layers(self, layers)
        padded = [np.pad(w, (0, max(0, MIN_SAMPLES - len(w)))) for w in waves]
        lengths = [-(-max(1, len(w)) // self.stride) for w in waves]
        if self.packed is not None:
            hidden, spans = self.packed.encode(padded, max(layers))
            return [unpacked(hidden[n], spans, lengths) for n in layers], lengths
        hidden = self._hidden(padded, narrow=self.dtype == "bfloat16")
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

    def streaming(self):
        from xlt.upstreams.tunable import wav2vec2_pieces

        if self.packed is not None:
            return self.packed.streaming()
        return wav2vec2_pieces(self.expert, self.name).streaming()

    def _hidden(self, waves: list, narrow: bool) -> list:
        """Hidden states as s3prl's model gives them, each (B, T, D) float32; ``narrow``: in bfloat16."""
        import torch

        tensors = [torch.from_numpy(w).to(self.device) for w in waves]
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=narrow):
            return [h.float() for h in self.expert(tensors)["hidden_states"]]


def trial_waves() -> list:
    """Two waves of unlike length that every upstream takes, noise."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in (2 * MIN_SAMPLES * 5, 6100)]


def pack(expert, dtype: str, hidden: Callable[[Any], list]) -> tuple[Any, int, int] | None:
    """:class:`~xlt.upstreams.fast.packed.Packed` in the place of ``expert``, its hidden states and their
    dimension, if it gives what ``hidden`` gives of a wave (N,), a list of (1, T, D); else None.
    """
    from xlt.upstreams.fast import dense, packed

    parts = packed.Parts.find(expert) if dense.usable() else None
    if parts is None:
        dense.check_groups(expert, dtype)
        return None
    model = packed.Packed(parts, "float32").eval()
    for wave in trial_waves():
        theirs = hidden(wave)
        ours, _ = model.encode([wave], len(theirs) - 1)
        if not all(same(a, b[0]) for a, b in zip(ours, theirs, strict=True)):
            dense.check_groups(expert, dtype)
            return None
    model = model if dtype == "float32" else packed.Packed(parts, dtype).eval()
    return model, len(theirs), theirs[-1].shape[2]


def compared(pieces: Pieces, hidden: Callable[[Any], list], name: str) -> Pieces:
    """``pieces``, if the network of them gives what ``hidden`` gives of a wave (N,); else UpstreamError."""
    import torch

    from xlt.upstreams.tunable import Net, cannot_be_trained

    net = Net(pieces, len(pieces.layers), 0.0).eval()
    with torch.no_grad():
        for wave in trial_waves():
            ours, theirs = net([torch.from_numpy(wave)])[0], hidden(wave)
            if len(ours) != len(theirs) or not all(same(a, b[0]) for a, b in zip(ours, theirs, strict=True)):
                raise cannot_be_trained(name)
    return pieces


def same(ours, theirs) -> bool:
    """Whether two outputs (T, D) are equal up to rounding."""
    return ours.shape == theirs.shape and bool(
        (ours - theirs).abs().max() <= TOLERANCE * max(1.0, theirs.abs().max())
    )


def try_out(hidden: Callable[[list], list]) -> tuple[int, int, Callable[[int], int] | None]:
    """Number of hidden states, their dimension, and whether a batch of unlike clips gives what each gives
    alone.

    ``hidden``: waves (N,) → hidden states, each (B, T, D). The third value tells, if a batch does, how many
    frames the model itself makes of N samples (s3prl repeats the last one up to ceil(N / stride)); None if it
    does not.
    """
    waves = trial_waves()
    alone = [[h[0] for h in hidden([wave])] for wave in waves]
    for formula in (lambda n: (n - 400) // 320 + 1, lambda n: (n - 400) // 160 + 1):
        if all(len(states[0]) == formula(len(w)) for w, states in zip(waves, alone, strict=True)):
            together = hidden(waves)
            close = all(
                same(h[row, : len(a)], a)
                for layer, h in enumerate(together)
                for row, a in enumerate(s[layer] for s in alone)
            )
            return len(alone[0]), alone[0][-1].shape[1], formula if close else None
    return len(alone[0]), alone[0][-1].shape[1], None


def load_expert(source: Source):
    """s3prl's model; only the one module that defines it is imported (all of them take 12 s)."""
    import importlib

    from transformers.utils import logging as transformers_logging

    from xlt.upstreams.s3prl_weights import hub_call, hub_functions, loading

    function, ckpt = hub_call(source)
    transformers_logging.disable_progress_bar()
    module, _, name = hub_functions()[function].partition(":")
    with loading(source):
        expert = getattr(importlib.import_module(module), name)(**({"ckpt": ckpt} if ckpt else {}))
    fix_last_state(expert)
    return expert


def fix_last_state(expert) -> None:
    """Make the last hidden state the one behind the final norm, as s3prl's own models and transformers 4 have
    it.

    transformers 5 takes it before that norm in stable-layer-norm models such as XLS-R.
    """
    config = getattr(getattr(expert, "model", None), "config", None)
    if config is not None:
        config.tie_last_hidden_states = True
