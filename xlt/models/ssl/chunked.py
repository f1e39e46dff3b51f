"""An encoder that learns to hear chunk by chunk what it hears of whole clips.

Under chunk-wise attention, low-rank changes (LoRA) let the encoder give what it gave, as it was, of the whole
clip, in all of its layers: the teacher hears the future, the student does not. Chunks have another length for
each clip. What comes out is a folder like the one that it began with, to be used with ``features.chunk_s``.

Whisper was made to stream so, with LoRA under a mask, in arXiv 2508.12301; there the texts teach. Here they
may teach, too, by CTC (:mod:`xlt.models.ssl.texts`), as in arXiv 2506.12154, which has both.

N samples, T frames of a clip, R rows (frames of all clips), D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError
from xlt.models.ssl.continued import ContinuedMethod, lack
from xlt.models.ssl.method import Step
from xlt.models.ssl.texts import Letters
from xlt.nets.chunks import Chunks, frames_of
from xlt.upstreams.base import Source
from xlt.upstreams.chunked.net import begun


@dataclass(frozen=True)
class Options:
    """``rank`` of the changes; chunks are ``shortest_s`` to ``longest_s`` long, the logarithms of their
    lengths uniform, and hear ``left_s`` before and ``look_ahead_s`` behind them, as ``features.left_s`` and
    ``features.look_ahead_s`` are to be. ``whole_share`` of the clips is heard whole, so that the encoder
    keeps what it gives of these; ``ctc_weight`` times CTC of the texts, in nats a frame, is added to the
    loss.
    """

    rank: int = 8
    shortest_s: float = 0.32
    longest_s: float = 1.28
    left_s: float = 5.0
    look_ahead_s: float = 0.0
    whole_share: float = 0.0
    ctc_weight: float = 0.0


class ChunkedMethod(ContinuedMethod):
    """See :class:`xlt.models.ssl.method.Method`."""

    kind: type = Options
    measure = "variance of what whole clips give explained"
    baseline = "by the encoder as it was"

    def __init__(self, sizes: dict[str, Any], seed: int, device: str, source: Source | None):
        super().__init__(sizes, seed, device, source)
        self.front: Any = self.pieces.streaming().front
        rate = SAMPLE_RATE / self.front.hop
        self.least, self.most, self.left, self.ahead = (
            frames_of(f"pretrain.model.{name}", getattr(self.options, name), rate)
            for name in ("shortest_s", "longest_s", "left_s", "look_ahead_s")
        )
        if self.least > self.most:
            raise ConfigError(
                f"pretrain.model.shortest_s={self.options.shortest_s:g}: is longer than"
                f" longest_s={self.options.longest_s:g}; lower it"
            )
        if self.options.whole_share >= 1:
            raise ConfigError(
                f"pretrain.model.whole_share={self.options.whole_share:g}: a share of the clips, below 1;"
                " give 0.25, say"
            )
        self.reads_texts = self.options.ctc_weight > 0
        self.letters: Letters | None = None
        self._seed = seed

    def read(self, texts: Iterable[str]) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self.letters = Letters(self.net.dim, len(self.net.layers), "".join(texts)).to(self.device)
        self.module = nn.ModuleDict({"changes": self.changes, "letters": self.letters})

    def step(
        self, waves: list[Tensor], rng: np.random.Generator, done: float, texts: Sequence[str] = ()
    ) -> Step:
        said = [" ".join(texts[n] for n in group) for group in self.groups(waves)] if texts else []
        waves = self.clips(waves)
        training = self.module.training
        with torch.no_grad():
            whole, spans = self._states(waves, None)
        chunks: list[Chunks | None] = [self._chunks(rng) for _ in waves]
        if training and self.options.whole_share:  # dev is measured in chunks
            chunks = [None if rng.random() < self.options.whole_share else one for one in chunks]
        found = [self._given(wave, one, self.changes) for wave, one in zip(waves, chunks, strict=True)]
        counts = [len(states[0]) for states in found]
        rows = [torch.arange(a, min(b, a + n)) for (a, b), n in zip(spans, counts, strict=True)]
        wanted = torch.cat(rows).to(self.device)  # without the silence that Whisper's front puts behind clips
        targets = [state[wanted] for state in whole]

        def cut(heard: list[list[Tensor]]) -> list[list[Tensor]]:
            return [[state[: len(row)] for state in one] for one, row in zip(heard, rows, strict=True)]

        def errors(heard: list[list[Tensor]]) -> Tensor:
            return lack([torch.cat(states) for states in zip(*cut(heard), strict=True)], targets)

        lacking, frames, guessed = errors(found), len(wanted), 0.0
        if not training:
            before = [self._given(wave, one, None) for wave, one in zip(waves, chunks, strict=True)]
            guessed = frames - float(errors(before).sum())
        loss = lacking.mean()
        if self.letters is not None and training:
            nats = [self.letters.loss(*one) for one in zip(cut(found), said, strict=True)]
            loss = loss + self.options.ctc_weight * torch.stack(nats).sum() / frames
        return Step(loss, frames, frames - float(lacking.detach().sum()), None, guessed)

    def _given(self, wave: Tensor, chunks: Chunks | None, changes: nn.ModuleList | None) -> list[Tensor]:
        """As :meth:`_heard`; None: of the whole clip, as recipes hear it that have no chunks."""
        if chunks is not None:
            return self._heard(wave, chunks, changes)
        return [state[: -(-len(wave) // self.front.hop)] for state in self._states([wave], changes)[0]]

    def _chunks(self, rng: np.random.Generator) -> Chunks:
        size = round(float(np.exp(rng.uniform(np.log(self.least), np.log(self.most)))))
        return Chunks(size, self.left, self.ahead)

    def _heard(self, wave: Tensor, chunks: Chunks, changes: nn.ModuleList | None) -> list[Tensor]:
        """Hidden states 1 to the last of a clip (N,) that is heard in chunks, each (T, D) float32."""
        with torch.no_grad():
            x, own, attend = begun(self.front, chunks, wave.cpu().numpy())
        states = []
        with torch.autocast(self.device, torch.bfloat16, enabled=self.narrow):
            for number, layer in enumerate(self.net.layers):
                x = layer(x, [], None if changes is None else changes[number], attend)
                states.append(x[:own])
            if self.net.final_norm is not None:
                states[-1] = self.net.final_norm(states[-1])
        return [state.float() for state in states]
