"""ESPnet's own s3prl frontend with the frozen upstream's known traps closed.

B batch, N samples, T frames, D feature dimensions.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import torch
from espnet2.asr.frontend.s3prl import S3prlFrontend

from xlt.core.errors import UpstreamError
from xlt.models.espnet.frontends import find_weights, numbers_of
from xlt.nets.featurizer import Featurizer
from xlt.upstreams.base import MIN_SAMPLES
from xlt.upstreams.fast.dense import check_groups
from xlt.upstreams.s3prl import fix_last_state, try_out
from xlt.upstreams.s3prl_weights import hub_call, loading


class FrozenS3prl(S3prlFrontend):
    """Built by ESPnet, but the upstream is no registered part of the model.

    So ``model.train()`` cannot bring its dropout, layer drop and masking to life, checkpoints do not carry
    it, and no optimiser sees it; ``identity`` tells whether the weights found on loading are those of the
    training. Seeding survives (s3prl's trial run sets torch's seed to 0). Each utterance gets the features
    that it gets alone: s3prl itself fills the last frames of a batch's shorter utterances from the padding.

    ``layers``: ``mix``, ``last``, a number or a list of them; ``norm``, ``stats_file``: see Featurizer.
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
        source = find_weights(upstream, path, cache, identity)
        function, ckpt = hub_call(source)
        with loading(source), _seeds_kept():
            super().__init__(
                frontend_conf={"upstream": function, "path_or_url": ckpt}, multilayer_feature=layers == "mix"
            )
        del self.pretrained_params
        frozen = self._modules.pop("upstream").eval().requires_grad_(False)
        fix_last_state(frozen.upstream)
        check_groups(frozen, dtype)
        self._frozen = (frozen,)  # torch registers no tuple
        self.name, self.dtype = upstream, getattr(torch, dtype)
        count, dim, self.raw_frames = try_out(self._expert_states)
        numbers = list(range(count)) if layers == "mix" else numbers_of(layers, count, upstream)
        self.featurizer = Featurizer(numbers, layers == "mix", norm, stats_file)
        self.dim = dim * (1 if layers == "mix" else len(numbers))

    def _apply(self, fn, recurse: bool = True):
        self._frozen[0]._apply(fn)
        return super()._apply(fn, recurse)

    def output_size(self) -> int:
        return self.dim

    def num_frames(self, num_samples: int) -> int:
        return -(-max(1, num_samples) // self.hop_length)

    def forward(self, input: torch.Tensor, input_lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, N), (B,) → (B, T, D), (B,)."""
        states, lengths = self.hidden(input, input_lengths)
        return self.featurizer(states), lengths

    @torch.no_grad()
    def hidden(
        self, input: torch.Tensor, input_lengths: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """(B, N), (B,) → the featurizer's layers, each (B, T, D), and their frames (B,).

        Clips of unlike length are encoded together only if that gives what each gives alone.
        """
        lengths = -(-input_lengths.clamp(min=1) // self.hop_length)
        sizes = input_lengths.tolist()
        groups = (
            [list(range(len(sizes)))]
            if self.raw_frames
            else [[row for row, n in enumerate(sizes) if n == size] for size in dict.fromkeys(sizes)]
        )
        found: list = [None] * len(sizes)
        for rows in groups:
            for row, states in zip(
                rows, self._group(input[rows], input_lengths[rows], lengths[rows]), strict=True
            ):
                found[row] = states  # (L, T, D)
        padded = torch.nn.utils.rnn.pad_sequence(
            [f.transpose(0, 1) for f in found], batch_first=True
        )  # (B, T, L, D)
        if not torch.isfinite(padded).all():
            raise UpstreamError(
                f"{self.name}: the features of a training batch are not finite numbers; use "
                "features.dtype=float32, or the weights are damaged"
            )
        return list(padded.unbind(dim=2)), lengths

    def _group(self, wave: torch.Tensor, sizes: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """(B, N), (B,) samples, (B,) frames → (L, T, D) of each row."""
        asked = sizes.clamp(min=MIN_SAMPLES)
        widest = int(asked.max())
        wave = torch.nn.functional.pad(wave[:, :widest], (0, max(0, widest - wave.shape[1])))
        wave = wave * (
            torch.arange(widest, device=wave.device)[None, :] < sizes[:, None]
        )  # a short clip ends in silence
        with torch.autocast(wave.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            states, _ = self._frozen[0](wave, asked)
        rows = []
        for row, length in enumerate(lengths.tolist()):
            whole = self.raw_frames(int(asked[row])) if self.raw_frames else states[0].shape[1]
            index = torch.arange(length, device=wave.device).clamp(max=whole - 1)
            rows.append(torch.stack([states[n][row, index].float() for n in self.featurizer.layers]))
        return rows

    def _expert_states(self, waves: list) -> list[torch.Tensor]:
        with torch.no_grad():
            return self._frozen[0].upstream([torch.from_numpy(w) for w in waves])["hidden_states"]


@contextlib.contextmanager
def _seeds_kept() -> Iterator[None]:
    """s3prl seeds torch and random with 0 for its trial run, which would make all heads of all seeds start
    alike.
    """
    before = random.getstate()
    with torch.random.fork_rng():
        yield
    random.setstate(before)
