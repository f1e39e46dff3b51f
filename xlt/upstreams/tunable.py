"""An upstream that can be trained: the pieces of Whisper's encoder, wav2vec 2.0 or HuBERT as one network with
gradients.

Clips stand one behind the other, as in :mod:`xlt.upstreams.fast.packed`: no frame is padding and each clip
gets what it gets alone. There is no dropout, layer drop or masking but ours. N rows (frames of all clips), T
frames of one clip, C channels, D dimensions, H heads.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from xlt.core.errors import UpstreamError
from xlt.nets.chunks import Chunks
from xlt.upstreams.base import MIN_SAMPLES, cannot_stream
from xlt.upstreams.chunked import fronts
from xlt.upstreams.chunked.net import Attend
from xlt.upstreams.chunked.net import Parts as ChunkedParts
from xlt.upstreams.fast.packed import Parts, row_spans
from xlt.upstreams.mels import GRID, HOP, MAX_SAMPLES, log_mels


class WaveFront(nn.Module):
    """Samples (N,) → hidden state 0 (T, D) of wav2vec 2.0 or HuBERT: convolutions, projection, positions."""

    max_samples = None

    def __init__(self, parts: Parts):
        super().__init__()
        self.convs = nn.ModuleList(conv for conv, _ in parts.convs)
        self.norms = nn.ModuleList(norm if norm is not None else nn.Identity() for _, norm in parts.convs)
        self.wave_norm, self.norm, self.projection, self.position = (
            parts.wave_norm,
            parts.norm,
            parts.projection,
            parts.position,
        )
        self.last_norm = None if parts.norm_first else parts.encoder_norm
        self.hop = math.prod(conv.stride[0] for conv in self.convs)  # samples a frame

    def forward(self, wave: Tensor) -> Tensor:
        wave = functional.pad(wave, (0, max(0, MIN_SAMPLES - len(wave))))
        if self.wave_norm is not None:
            wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + self.wave_norm)
        x = wave[None, None]  # (1, C, T)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = conv(x)
            x = norm(x.transpose(1, 2)).transpose(1, 2) if isinstance(norm, nn.LayerNorm) else norm(x)
            x = functional.gelu(x)
        x = self.norm(x[0].T)
        x = x if self.projection is None else self.projection(x)
        x = x + functional.gelu(self.position(x.T[None])[0].T[: len(x)])
        return x if self.last_norm is None else self.last_norm(x)

    def chunked(self) -> fronts.WaveFront:
        """The same as speech comes; UpstreamError if it normalises over whole clips."""
        if any(isinstance(norm, nn.GroupNorm) for norm in self.norms):
            raise cannot_stream(fronts.WHOLE_CLIPS)
        pairs = zip(self.convs, self.norms, strict=True)
        convs = [(c.kernel_size[0], c.stride[0], functools.partial(_rows, c, n)) for c, n in pairs]

        def project(x: Tensor) -> Tensor:
            x = self.norm(x)
            return x if self.projection is None else self.projection(x)

        def position(x: Tensor) -> Tensor:
            return self.position(x.T[None])[0].T[: len(x)]

        kernel = self.position.kernel_size[0]
        device = str(self.norm.weight.device)
        return fronts.WaveFront(convs, self.wave_norm, project, (kernel, position), self.last_norm, device)


def _rows(conv: nn.Conv1d, norm: nn.Module, x: Tensor) -> Tensor:
    """(T, C) → (T', C'), a norm of each frame and GELU."""
    y = functional.conv1d(x.T[None].to(conv.weight), conv.weight, conv.bias, conv.stride)[0].T
    return functional.gelu(norm(y))


class MelFront(nn.Module):
    """Samples (N,) → hidden state 0 (T, D) of Whisper's encoder, with the silence behind them that extraction
    adds.
    """

    def __init__(self, encoder):
        super().__init__()
        from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

        self.hop, self.grid = HOP, GRID  # samples a frame; samples to a multiple of which clips are padded
        self.conv1, self.conv2, self.max_samples = encoder.conv1, encoder.conv2, MAX_SAMPLES
        self.register_buffer("positions", encoder.embed_positions.weight.detach())
        self.log_mel = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)

    def forward(self, wave: Tensor) -> Tensor:
        # log-mels are computed by numpy, which has no bfloat16
        with torch.no_grad(), torch.autocast(wave.device.type, enabled=False):
            mels = log_mels(self.log_mel, [wave.cpu().numpy()], wave.device.type).to(wave.device)
        x = functional.gelu(self.conv2(functional.gelu(self.conv1(mels))))[0].T
        return x + self.positions[: len(x)]

    def chunked(self) -> fronts.MelFront:
        """The same as speech comes."""
        convs = [functools.partial(_rows, conv, nn.Identity()) for conv in (self.conv1, self.conv2)]
        return fronts.MelFront(convs, self.positions, self.log_mel.mel_filters)


class Block(nn.Module):
    """A transformer layer, of ``modules`` q, k, v, out, fc1, fc2, norm1, norm2."""

    def __init__(
        self,
        modules: dict[str, nn.Module],
        heads: int,
        norm_first: bool,
        dropout: float,
        chunks: Chunks | None = None,
    ):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.heads, self.norm_first, self.dropout, self.chunks = heads, norm_first, dropout, chunks

    def forward(
        self,
        x: Tensor,
        spans: list[tuple[int, int]],
        adapter: nn.Module | None,
        attend: Attend | None = None,
    ) -> Tensor:
        """(N, D) → (N, D); the rows of each span see each other only, or what ``attend`` lets them see."""
        if self.norm_first:
            x = x + self._attention(self.norm1(x), spans, adapter, attend)
            x = x + self._feed_forward(self.norm2(x), adapter)
        else:
            x = self.norm1(x + self._attention(x, spans, adapter, attend))
            x = self.norm2(x + self._feed_forward(x, adapter))
        return x if adapter is None else adapter.behind("layer", x)

    def _attention(
        self,
        x: Tensor,
        spans: list[tuple[int, int]],
        adapter: nn.Module | None,
        attend: Attend | None = None,
    ) -> Tensor:
        parts = [self._linear(name, x, adapter) for name in "qkv"]
        if attend is not None:
            y = self._linear("out", attend(torch.cat(parts, dim=1), self.heads), adapter)
            return self._behind("attention", y, adapter)
        q, k, v = (part.view(len(x), self.heads, -1).transpose(0, 1) for part in parts)  # (H, N, D/H)
        y = torch.cat(
            [
                functional.scaled_dot_product_attention(
                    q[None, :, a:b], k[None, :, a:b], v[None, :, a:b], self._bias(q[:, a:b])
                )[0]
                for a, b in spans
            ],
            dim=1,
        )
        y = self._linear("out", y.transpose(0, 1).reshape(len(x), -1), adapter)
        return self._behind("attention", y, adapter)

    def _bias(self, q: Tensor) -> Tensor | None:
        """What attention adds for the queries (H, T, D/H) of a span, or which frames they see; None: all."""
        return None if self.chunks is None else torch.from_numpy(self.chunks.mask(q.shape[1])).to(q.device)

    def _feed_forward(self, x: Tensor, adapter: nn.Module | None) -> Tensor:
        return self._behind("feed_forward", self.fc2(functional.gelu(self.fc1(x))), adapter)

    def _linear(self, name: str, x: Tensor, adapter: nn.Module | None) -> Tensor:
        y = getattr(self, name)(x)
        return y if adapter is None else adapter.linear(name, x, y)

    def _behind(self, name: str, x: Tensor, adapter: nn.Module | None) -> Tensor:
        x = functional.dropout(x, self.dropout, self.training)
        return x if adapter is None else adapter.behind(name, x)


@dataclass
class Pieces:
    """What a network is made of; ``final_norm``: behind the last layer, None where each layer ends in a
    norm; ``chunks``: of an encoder for streaming; ``block``: makes a layer of its modules, heads,
    norm_first, the dropout and chunks.
    """

    front: nn.Module
    layers: list[dict[str, nn.Module]]
    heads: int
    norm_first: bool
    final_norm: nn.Module | None
    chunks: Chunks | None = None
    block: Callable[..., nn.Module] = Block

    def streaming(self) -> ChunkedParts:
        """The same for speech that comes chunk by chunk; UpstreamError if that cannot be."""
        if self.block is not Block or not hasattr(self.front, "chunked"):
            raise _whole_clips()
        blocks = [Block(modules, self.heads, self.norm_first, 0.0).eval() for modules in self.layers]
        layers = [functools.partial(_step, block, None) for block in blocks]
        return ChunkedParts(self.front.chunked(), layers, self.final_norm, self.layers[0]["out"].out_features)


def _step(block: Block, adapter: nn.Module | None, x: Tensor, attend: Attend) -> Tensor:
    return block(x, [], adapter, attend)


def _whole_clips() -> UpstreamError:
    return cannot_stream("an encoder of this build hears whole clips only")


class Net(nn.Module):
    """The upstream up to hidden state ``last``; the layers above are left out."""

    def __init__(self, pieces: Pieces, last: int, dropout: float):
        super().__init__()
        self.front, self.last = pieces.front, last
        self.layers = nn.ModuleList(
            pieces.block(modules, pieces.heads, pieces.norm_first, dropout, pieces.chunks)
            for modules in pieces.layers[:last]
        )
        self.final_norm = pieces.final_norm if last == len(pieces.layers) else None
        self.dim = pieces.layers[0]["out"].out_features

    def forward(
        self, waves: list[Tensor], adapters: nn.ModuleList | None = None, recompute: bool = False
    ) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Waves (samples,) → hidden states 0 … ``last``, each (N, D), and the rows of each wave.

        ``recompute``: gradient checkpointing, a layer at a time.
        """
        tuned = any(p.requires_grad for p in self.front.parameters())
        with contextlib.nullcontext() if tuned else torch.no_grad():
            fronts = [self.front(wave) for wave in waves]
        spans = row_spans(fronts)
        hidden = [torch.cat(fronts)]
        for number, layer in enumerate(self.layers):
            adapter = None if adapters is None else adapters[number]
            if recompute and torch.is_grad_enabled():
                hidden.append(checkpoint(layer, hidden[-1], spans, adapter, use_reentrant=False))
            else:
                hidden.append(layer(hidden[-1], spans, adapter))
        if self.final_norm is not None:
            hidden[-1] = self.final_norm(hidden[-1])
        return hidden, spans

    def streaming(self, adapters: nn.ModuleList | None = None) -> ChunkedParts:
        """The same for speech that comes chunk by chunk; UpstreamError if that cannot be."""
        if not (all(isinstance(one, Block) for one in self.layers) and hasattr(self.front, "chunked")):
            raise _whole_clips()
        own = [None] * len(self.layers) if adapters is None else adapters
        layers = [functools.partial(_step, *pair) for pair in zip(self.layers, own, strict=True)]
        front: Any = self.front
        return ChunkedParts(front.chunked(), layers, self.final_norm, self.dim)


def whisper_pieces(encoder) -> Pieces:
    """Of transformers' Whisper encoder."""
    layers = [
        {
            **{n: getattr(layer.self_attn, f"{n}_proj") for n in ("q", "k", "v", "out")},
            "norm1": layer.self_attn_layer_norm,
            "norm2": layer.final_layer_norm,
            "fc1": layer.fc1,
            "fc2": layer.fc2,
        }
        for layer in encoder.layers
    ]
    return Pieces(MelFront(encoder), layers, encoder.layers[0].self_attn.num_heads, True, encoder.layer_norm)


def wav2vec2_pieces(expert, name: str) -> Pieces:
    """Of s3prl's model ``expert``; UpstreamError if it is built in a way that cannot be trained here."""
    parts = Parts.find(expert)
    if parts is None:
        raise cannot_be_trained(name)
    return Pieces(
        WaveFront(parts),
        parts.layers,
        parts.heads,
        parts.norm_first,
        parts.encoder_norm if parts.norm_first else None,
    )


def cannot_be_trained(name: str) -> UpstreamError:
    """The error for an upstream that is built in an unknown way."""
    return UpstreamError(
        f"{name}: is built in a way that cannot be trained here, it is no plain wav2vec 2.0, HuBERT or"
        " w2v-BERT 2.0; give train.freeze=upstream and train.adapter=none"
    )
