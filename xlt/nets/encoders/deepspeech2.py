"""A small Deep Speech 2: two convolutions over time and frequency, then bidirectional LSTM layers (Amodei et
al. 2016, arXiv:1512.02595). An utterance's result in evaluation does not depend on what it is batched with.

B batch, T frames that the stem has stacked, S frames in a stack, M mel bands, C channels, F bands after a
stride.
"""

from __future__ import annotations

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder

from xlt.core.errors import ConfigError
from xlt.nets.encoders.blstm import BlstmEncoder


class DeepSpeech2Encoder(AbsEncoder):
    """Reads log-mels as the stem stacks them, not projected (``train.projection=0``).

    The S frames of a stack are input channels: a convolution over them is the one with stride S over single
    frames, so the paper's stride in time is the stack, ``train.frame_rate`` says as always how many frames
    CTC gets, and the lengths stay.

    Unlike the paper's, each LSTM layer has a shortcut around it and layer norm behind: without them the dev
    CER on five minutes of Romanian was still 89 after 500 updates, with them 30 after 240. Batch norm stays
    in the convolutions.
    """

    streams = False  # its LSTM layers are bidirectional

    def __init__(
        self,
        input_size: int,
        mels: int = 80,
        channels: int = 32,
        hidden_size: int = 128,
        num_layers: int = 3,
        dropout: float = 0.3,
    ):
        super().__init__()
        if input_size % mels:
            raise ConfigError(
                f"train.encoder=deepspeech2: its input has {input_size} dimensions, expected frames of {mels}"
                " mel bands: use features.upstream=fbank and train.projection=0, as preset deepspeech2 does,"
                " or set train.encoder_conf.mels"
            )
        self.mels, self.stack = mels, input_size // mels
        self.convs = torch.nn.ModuleList(
            [
                torch.nn.Conv2d(
                    self.stack, channels // 2, (5, 21), stride=(1, 2), padding=(2, 10), bias=False
                ),
                torch.nn.Conv2d(channels // 2, channels, (5, 11), stride=(1, 2), padding=(2, 5), bias=False),
            ]
        )
        self.norms = torch.nn.ModuleList(MaskedBatchNorm(c) for c in (channels // 2, channels))
        bands = (mels + 3) // 4  # two strides of 2, rounded up
        width = 2 * hidden_size
        self.project = torch.nn.Sequential(
            torch.nn.Linear(channels * bands, width), torch.nn.LayerNorm(width)
        )
        self.layers = torch.nn.ModuleList(BlstmEncoder(width, hidden_size, 1, 0.0) for _ in range(num_layers))
        self.between = torch.nn.ModuleList(torch.nn.LayerNorm(width) for _ in range(num_layers))
        self.dropout = torch.nn.Dropout(dropout)
        self.dim = width

    def output_size(self) -> int:
        return self.dim

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """(B, T, S·M), (B,) → (B, T, 2H), (B,), None."""
        x = xs_pad[:, : int(ilens.max())]
        batch, frames = x.shape[:2]
        inside = (torch.arange(frames, device=x.device)[None, :] < ilens[:, None])[
            :, None, :, None
        ]  # (B, 1, T, 1)
        x = x.reshape(batch, frames, self.stack, self.mels).transpose(1, 2) * inside  # (B, S, T, M)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.nn.functional.hardtanh(norm(conv(x), inside), 0.0, 20.0) * inside  # (B, C, T, F)
        x = self.project(x.transpose(1, 2).reshape(batch, frames, -1))  # (B, T, C·F) → (B, T, 2H)
        for blstm, norm in zip(self.layers, self.between, strict=True):
            x = norm(x + blstm(self.dropout(x), ilens)[0])
        return self.dropout(x), ilens, None


class MaskedBatchNorm(torch.nn.Module):
    """Batch normalisation of channels (Ioffe and Szegedy 2015) whose mean and variance are those of the
    speech alone.

    With torch's own, the padding of a batch would shift them: short utterances of a small batch are half
    padding.
    """

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = torch.nn.Parameter(torch.ones(channels))
        self.bias = torch.nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """(B, C, T, F), (B, 1, T, 1) → (B, C, T, F)."""
        mean, var = self.running_mean, self.running_var
        if self.training:
            count = inside.sum() * x.shape[3]
            mean = (x * inside).sum(dim=(0, 2, 3)) / count  # (C,)
            var = ((x - mean[:, None, None]).square() * inside).sum(dim=(0, 2, 3)) / count
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * count / (count - 1).clamp(min=1), self.momentum)
        scale = self.weight * (var + self.eps).rsqrt()
        return x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
