"""Whisper with a CTC head on its encoder, on windows shorter than the 30 s that transformers insists on.

B batch, N samples, T frames (50 a second), D dimensions, U tokens of Whisper's vocabulary, V of CTC's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.audio.files import SAMPLE_RATE
from xlt.models.whisper.fast import Fast
from xlt.upstreams.mels import HOP, MAX_SAMPLES

if TYPE_CHECKING:
    import numpy as np
    from transformers import WhisperForConditionalGeneration

LONGEST_S = MAX_SAMPLES / SAMPLE_RATE


class Encoded(NamedTuple):
    """What the encoder gives for clips in one window, silence behind each: (B, T, D), and the frames of each
    clip itself, (B,).
    """

    hidden: Tensor
    frames: Tensor

    def row(self, number: int) -> Encoded:
        """A clip by itself, B = 1."""
        return self.rows([number])

    def rows(self, numbers: Sequence[int]) -> Encoded:
        """Some of the clips."""
        return Encoded(self.hidden[list(numbers)], self.frames[list(numbers)])


class CtcHead(nn.Module):
    """A bidirectional LSTM over the encoder's outputs, and CTC's log probabilities."""

    def __init__(self, dim: int, tokens: int, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, hidden)
        self.lstm = nn.LSTM(hidden, hidden, bidirectional=True, batch_first=True)
        self.output = nn.Linear(2 * hidden, tokens)
        self.dropout = nn.Dropout(dropout)

    def forward(self, encoded: Encoded) -> Tensor:
        """→ (B, T', V), T' the frames of the longest clip: silence behind the clips is not looked at."""
        frames = encoded.frames.cpu()
        x = self.norm(encoded.hidden[:, : int(frames.max())].float())
        x = self.dropout(functional.relu(self.project(x)))
        packed = nn.utils.rnn.pack_padded_sequence(x, frames, batch_first=True, enforce_sorted=False)
        x, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.output(self.dropout(x)).log_softmax(-1)


class Net(nn.Module):
    """``whisper``: transformers' model; ``head``: None where Whisper is used as it was published.

    ``windows``: lengths in seconds to which clips are padded, in rising order. Only weights that were tuned
    with short windows can do without the 30 s: others repeat themselves.
    """

    def __init__(
        self,
        whisper: WhisperForConditionalGeneration,
        head: CtcHead | None,
        windows: Sequence[float] = (LONGEST_S,),
    ):
        super().__init__()
        from transformers import WhisperFeatureExtractor

        self.whisper, self.head = whisper, head
        self.windows = [round(seconds * SAMPLE_RATE) for seconds in windows]  # samples
        self.log_mel = WhisperFeatureExtractor(feature_size=whisper.config.num_mel_bins)
        self.fast = Fast()
        # the embedding of a language token of its own, which takes the place of row ``language_id``
        self.language_id: int | None = None
        self.language: nn.Parameter | None = None

    @property
    def device(self) -> torch.device:
        return self.whisper.device

    def window(self, samples: int) -> int:
        """The samples to which a clip is padded: its window, or whole 30 s if it is longer than all."""
        return next((window for window in self.windows if samples <= window), MAX_SAMPLES)

    def mels(self, waves: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Waves (N,) of at most 30 s → log-mels (B, mels, 2T) padded to a window, and frames (B,)."""
        import numpy as np

        padded = np.zeros((len(waves), self.window(max(map(len, waves)))), np.float32)  # (B, N)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        found = self.log_mel(
            list(padded),
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            truncation=False,
            return_tensors="pt",
        ).input_features
        return found, torch.tensor([max(1, -(-len(wave) // HOP)) for wave in waves])

    def encode(self, mels: Tensor, frames: Tensor) -> Encoded:
        """Log-mels (B, mels, 2T), frames (B,) → encoder outputs. The steps of transformers' own forward, with
        fewer positions.
        """
        net: Any = self.whisper.model.encoder
        x = functional.gelu(net.conv2(functional.gelu(net.conv1(mels.to(self.device))))).transpose(1, 2)
        x = x + net.embed_positions.weight[: x.shape[1]]
        for layer in net.layers:
            x = layer(x, None)
            x = x[0] if isinstance(x, tuple) else x
        return Encoded(net.layer_norm(x).float(), frames)

    def embed(self, ids: Tensor) -> Tensor:
        """Tokens (B, U) → (B, U, D); the own language token's row is a parameter by itself."""
        rows = self.whisper.model.decoder.embed_tokens(ids)
        if self.language is None:
            return rows
        return torch.where((ids == self.language_id)[..., None], self.language.to(rows), rows)

    def decode(self, ids: Tensor, hidden: Tensor, past: Any = None) -> tuple[Tensor, Any]:
        """Tokens (B, U) behind those of ``past`` (transformers' cache, None at the beginning), and encoder
        outputs (B, T, D) → the decoder's states (B, U, D) and the new cache.
        """
        found = self.whisper.model.decoder(
            inputs_embeds=self.embed(ids),
            encoder_hidden_states=hidden,
            past_key_values=past,
            use_cache=not self.training,
        )
        return found.last_hidden_state, found.past_key_values

    def logits(self, states: Tensor) -> Tensor:
        """Decoder states (…, D) → (…, vocabulary)."""
        return self.fast(self.whisper.proj_out)(states).float()
