"""Emformer: self-attention by segments, each with a look-ahead that does not add up over layers (Shi et al.
2020, arXiv:2010.10759), by torchaudio's class.

B batch, T frames, H size of a frame, S frames of a segment, R of the look-ahead.
"""

from __future__ import annotations

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torchaudio.models import Emformer

from xlt.core.errors import ConfigError
from xlt.nets.chunks import Chunks, frames_of

CONF = "train.encoder_conf"


class EmformerEncoder(AbsEncoder):
    """``layers`` of ``heads`` attention heads and ``feed_forward`` units, as wide as the input
    (``train.projection``).

    A segment of ``segment_s`` seconds sees itself, ``left_s`` before and ``right_s`` behind it, and the means
    of ``memory`` earlier segments; ``frame_rate``: frames a second of the input. The latency of a frame is
    at most segment_s + right_s. The last segment is filled up with zeros, as a stream's is.

    Emformer knows no order within what a frame sees, so that a convolution over ``kernel`` frames up to it
    goes before (0: none), for each channel.
    """

    streams = True

    def __init__(
        self,
        input_size: int,
        layers: int = 6,
        heads: int = 4,
        feed_forward: int = 512,
        segment_s: float = 0.64,
        left_s: float = 1.28,
        right_s: float = 0.16,
        memory: int = 0,
        kernel: int = 5,
        dropout: float = 0.1,
        frame_rate: float = 25.0,
    ):
        super().__init__()
        seconds = {"segment_s": segment_s, "left_s": left_s, "right_s": right_s}
        segment, left, right = (frames_of(f"{CONF}.{key}", s, frame_rate) for key, s in seconds.items())
        if not segment:
            raise ConfigError(f"{CONF}.segment_s={segment_s:g}: a segment has a frame or more; give 0.64")
        for key, value, least in (
            ("layers", layers, 1),
            ("feed_forward", feed_forward, 1),
            ("memory", memory, 0),
            ("kernel", kernel, 0),
        ):
            if value < least:
                raise ConfigError(f"{CONF}.{key}={value}: emformer needs at least {least}; raise it")
        if heads < 1 or input_size % heads:
            raise ConfigError(
                f"{CONF}.heads={heads}: must divide the {input_size} inputs of the network, train.projection;"
                " change one of them"
            )
        self.sizes, self.chunk_sizes = Chunks(segment, left, right), (segment,)
        self.dim = input_size
        self.order = torch.nn.Conv1d(input_size, input_size, kernel, groups=input_size) if kernel else None
        self.net = Emformer(
            input_size,
            heads,
            feed_forward,
            layers,
            segment,
            dropout=dropout,
            left_context_length=left,
            right_context_length=right,
            max_memory_size=memory,
        )

    def output_size(self) -> int:
        return self.dim

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """(B, T, H), (B,) → (B, T, H), (B,), None."""
        frames = int(ilens.max())
        inside = torch.arange(frames, device=xs_pad.device)[None, :] < ilens[:, None]  # (B, T)
        x = xs_pad[:, :frames]
        x = self.ordered(x, x.new_zeros(len(x), self.before, self.dim)) * inside[..., None]
        whole = -(-frames // self.sizes.chunk) * self.sizes.chunk
        x = torch.nn.functional.pad(x, (0, 0, 0, whole - frames + self.sizes.ahead))
        # all are as long as whole segments: torchaudio hides what is behind the end in batches only
        x, _ = self.net(x, torch.full_like(ilens, whole))
        return x[:, :frames], ilens, None

    @property
    def before(self) -> int:
        """Frames that the convolution needs before the first."""
        return self.order.kernel_size[0] - 1 if self.order is not None else 0

    def ordered(self, x: torch.Tensor, earlier: torch.Tensor) -> torch.Tensor:
        """(B, T, H), and the frames before them (B, before, H) → (B, T, H)."""
        if self.order is None:
            return x
        more = self.order(torch.cat([earlier, x], dim=1).transpose(1, 2)).transpose(1, 2)
        return x + torch.relu(more)

    def latency(self, chunk: int | None = None) -> int:
        """Of the first frame of a segment."""
        return self.sizes.chunk - 1 + self.sizes.ahead

    def open_stream(self, chunk: int | None = None) -> EmformerStream:
        """See :class:`xlt.nets.streams.Streaming`."""
        return EmformerStream(self)


class EmformerStream:
    """See :class:`xlt.nets.streams.HeadStream`. It keeps less than a segment with its look-ahead, and the
    keys and values of the left context of each layer.
    """

    def __init__(self, encoder: EmformerEncoder):
        self.encoder, self.net, self.sizes = encoder, encoder.net, encoder.sizes
        self._earlier = torch.zeros(encoder.before, encoder.dim)  # for the convolution
        self._waiting = torch.zeros(0, encoder.dim)
        self._states: list[list[torch.Tensor]] | None = None

    @torch.inference_mode()
    def push(self, feats: torch.Tensor, last: bool = False) -> torch.Tensor:
        """(T, H) → (T', H) of the segments whose look-ahead is there; with ``last`` of all."""
        earlier = self._earlier.to(feats)
        if len(feats):
            ordered = self.encoder.ordered(feats[None], earlier[None])[0]
            self._earlier = torch.cat([earlier, feats])[len(feats) :].clone()
            feats = ordered
        waiting = torch.cat([self._waiting.to(feats), feats])
        segment, size = self.sizes.chunk, self.sizes.chunk + self.sizes.ahead
        found = [waiting[:0]]
        while len(waiting) >= size or (last and len(waiting)):
            block = torch.nn.functional.pad(waiting[:size], (0, 0, 0, max(0, size - len(waiting))))
            out, _, self._states = self.net.infer(
                block[None], torch.tensor([size], device=block.device), self._states
            )
            found.append(out[0, : len(waiting)])
            waiting = waiting[segment:]
        self._waiting = waiting.clone()
        return torch.cat(found)
