"""ESPnet's Conformer by blocks that hand on a context (Tsunoo et al. 2019, arXiv:1910.07204), for streams,
too.

B batch, T frames at the input, T' behind its convolutions, H size of a frame.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from espnet2.asr.encoder.contextual_block_conformer_encoder import ContextualBlockConformerEncoder
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling_without_posenc import (
    Conv2dSubsamplingWOPosEnc,
)

from xlt.core.errors import ConfigError
from xlt.nets.chunks import Chunks
from xlt.nets.lengths import Strided, least_of, through


class ContextualConformer(ContextualBlockConformerEncoder):
    """A block has ``block_size`` frames behind the convolutions: some before, ``hop_size`` that are given
    out, and ``look_ahead`` behind them. In evaluation an utterance's result does not depend on what it is
    batched with. The other arguments are ESPnet's.
    """

    streams = True

    def __init__(self, *args: Any, **conf: Any):
        super().__init__(*args, **conf)
        smallest = self.hop_size + self.look_ahead
        for key, least in (("hop_size", 1), ("look_ahead", 0), ("block_size", smallest)):
            if (value := getattr(self, key)) < least:
                raise ConfigError(
                    f"train.encoder_conf.{key}={value}: needs at least {least} frames, as a block holds"
                    " hop_size + look_ahead and more before them; raise it"
                )
        if not self.init_average:
            raise ConfigError(
                "train.encoder_conf.init_average=false: ESPnet's code for it fails; leave it out"
            )
        convolved = isinstance(self.embed, Conv2dSubsamplingWOPosEnc)
        shapes = zip(self.embed.kernels, self.embed.strides, strict=True) if convolved else ()
        self.strided = [Strided(kernel, stride) for kernel, stride in shapes]
        self.least = least_of(self.strided)
        before = self.block_size - self.hop_size - self.look_ahead
        self.sizes = Chunks(*(self.subsample * count for count in (self.hop_size, before, self.look_ahead)))
        self.chunk_sizes = (self.sizes.chunk,)

    def forward(
        self,
        xs_pad: torch.Tensor,
        ilens: torch.Tensor,
        prev_states: torch.Tensor | None = None,
        is_final: bool = True,
        infer_mode: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """(B, T, D), (B,) → (B, T', H), (B,), None."""
        if self.training:
            return self.forward_train(xs_pad, ilens)
        # ESPnet's last block of an utterance hears what is behind its end
        rows = [
            self.forward_train(xs_pad[n : n + 1, : int(length)], ilens[n : n + 1])[0][0]
            for n, length in enumerate(ilens)
        ]
        lengths = torch.tensor([len(row) for row in rows], device=ilens.device)
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths, None

    def embedded(self, x: torch.Tensor) -> torch.Tensor:
        """(T, D) → (T', H) behind the convolutions."""
        return (self.embed(x[None], None)[0] if self.strided else self.embed(x[None]))[0]

    def latency(self, chunk: int | None = None) -> int:
        """Of the first frame of a block, with what the convolutions need behind it, and one frame more, by
        which a block is known not to be the last.
        """
        return self.sizes.chunk - 1 + self.sizes.ahead + self.least

    def open_stream(self, chunk: int | None = None) -> ContextualStream:
        """See :class:`xlt.nets.streams.Streaming`."""
        return ContextualStream(self)


# settings are checked by the names of arguments
functools.update_wrapper(ContextualConformer.__init__, ContextualBlockConformerEncoder.__init__)


class ContextualStream:
    """See :class:`xlt.nets.streams.HeadStream`. It keeps less than a block with its look-ahead, and a context
    for each layer.
    """

    def __init__(self, encoder: ContextualConformer):
        self.encoder = encoder
        self._raw: torch.Tensor | None = None  # (T, D), not yet behind the convolutions
        self._waiting = torch.zeros(0, encoder.output_size())  # (T', H), not yet in a block
        self._block = 0
        self._addin: torch.Tensor | None = None  # context that the block before began with
        self._context: torch.Tensor | None = None  # what it left to each layer

    @torch.inference_mode()
    def push(self, feats: torch.Tensor, last: bool = False) -> torch.Tensor:
        """(T, D) → (T', H) of the blocks that are whole; with ``last`` of all."""
        net = self.encoder
        self._waiting = torch.cat([self._waiting.to(feats), self._shortened(feats, last)])
        found = [self._waiting[:0]]
        while len(self._waiting) > net.block_size:
            found.append(self._next(self._waiting[: net.block_size], more=True))
            self._waiting = self._waiting[net.hop_size :].clone()
        if last and len(self._waiting):
            found.append(self._next(self._waiting, more=False) if self._block else self._short(self._waiting))
            self._waiting = self._waiting[:0]
        out = torch.cat(found)
        return net.after_norm(out) if net.normalize_before else out

    def _shortened(self, feats: torch.Tensor, last: bool) -> torch.Tensor:
        net = self.encoder
        raw = feats if self._raw is None else torch.cat([self._raw, feats])
        if last and not self._block and not len(self._waiting) and 0 < len(raw) < net.least:
            raw = torch.cat([raw, raw[-1:].expand(net.least - len(raw), -1)])  # as EspnetModel does
        count = max(0, through(len(raw), net.strided))
        factor = net.subsample
        self._raw = raw[count * factor :].clone()
        if not count:
            return feats.new_zeros(0, net.output_size())
        return net.embedded(raw[: (count - 1) * factor + net.least])

    def _next(self, frames: torch.Tensor, more: bool) -> torch.Tensor:
        """Frames of a block (T', H) → those that it gives out, (T', H); ``more``: it is not the last."""
        net, start = self.encoder, self._block * self.encoder.hop_size
        addin = frames.mean(0, keepdim=True)
        if net.ctx_pos_enc:
            addin = self._placed(addin, self._block)
        chunk = frames.new_zeros(net.block_size + 2, frames.shape[1])
        chunk[0] = addin[0] if self._addin is None else self._addin[0]
        chunk[1 : len(frames) + 1] = self._placed(frames, start)
        chunk[-1] = addin[0]
        seen = frames.new_zeros(1, 1, len(chunk), len(chunk))
        seen[:, :, 1:, :-1] = 1
        out, _, _, _, self._context, _, _ = net.encoders(chunk[None, None], seen, True, self._context)
        past = net.block_size - net.hop_size - net.look_ahead
        first = 0 if not self._block else past
        stop = past + net.hop_size if more else len(frames)
        self._block, self._addin = self._block + 1, addin
        return out[0, 0, 1 + first : 1 + stop]

    def _short(self, frames: torch.Tensor) -> torch.Tensor:
        """A stream that ends within its first block: attention over all, as ESPnet has it."""
        placed = self._placed(frames, 0)[None]
        everything = torch.ones(1, 1, len(frames), dtype=torch.bool, device=frames.device)
        return self.encoder.encoders(placed, everything, False, None, None)[0][0]

    def _placed(self, frames: torch.Tensor, start: int) -> torch.Tensor:
        """(T', H) with their positions from ``start`` on; ESPnet's table would grow with the stream."""
        size = frames.shape[1]
        places = torch.arange(start, start + len(frames), dtype=torch.float32)[:, None]
        rates = torch.exp(torch.arange(0, size, 2, dtype=torch.float32) * -(math.log(10000.0) / size))
        table = torch.stack([(places * rates).sin(), (places * rates).cos()], dim=2).flatten(1)  # (T', H)
        return frames * self.encoder.pos_enc.xscale + table.to(frames)
