"""w2v-BERT 2.0 with gradients: its log-mels, and its Conformer layers (Seamless Communication et al. 2023,
arXiv:2312.05187; the code is transformers' ``wav2vec2_bert``).

Clips stand one behind the other as in :mod:`xlt.upstreams.tunable`. N rows (frames of all clips), T frames of
one clip, D dimensions, H heads.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.audio.files import SAMPLE_RATE
from xlt.upstreams.base import MIN_SAMPLES
from xlt.upstreams.chunked.net import Attend
from xlt.upstreams.tunable import Block, Pieces

MEL_HOP = 160  # samples from a log-mel frame to the next


def bert_mels(extractor: Any, wave: Any) -> Tensor:
    """Samples (N,), at least MIN_SAMPLES, → stacked log-mels (T, stride · bins), as the model alone sees
    them: an odd frame at the end is left out, which transformers masks.
    """
    found = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt", pad_to_multiple_of=None)
    return found["input_features"][0]


class BertFront(nn.Module):
    """Samples (N,) → hidden state 0 (T, D)."""

    max_samples = None

    def __init__(self, extractor: Any, norm: nn.Module, projection: nn.Module):
        super().__init__()
        self.extractor, self.norm, self.projection = extractor, norm, projection
        self.hop = MEL_HOP * extractor.stride  # samples a frame

    def forward(self, wave: Tensor) -> Tensor:
        wave = functional.pad(wave, (0, max(0, MIN_SAMPLES - len(wave))))
        mels = bert_mels(self.extractor, wave.detach().cpu().numpy()).to(wave.device)
        return self.projection(self.norm(mels))


class ConformerBlock(Block):
    """A layer: half a feed-forward, attention with ``left`` of its relative positions to the left,
    convolution over what came before, half a feed-forward; ``modules`` as in :func:`bert_pieces`.
    """

    def __init__(self, *block: Any, left: int):
        super().__init__(*block)
        self.left = left

    def forward(
        self,
        x: Tensor,
        spans: list[tuple[int, int]],
        adapter: nn.Module | None,
        attend: Attend | None = None,
    ) -> Tensor:
        """(N, D) → (N, D); the rows of each span see each other only (``attend``: of encoders that stream,
        which this one is not).
        """
        x = x + 0.5 * self._drop(self.in2(functional.silu(self.in1(self.norm_in(x)))))
        x = x + self._attention(self.norm1(x), spans, adapter)
        x = x + self._drop(self._convolution(self.conv_norm(x), spans))
        y = self.fc2(functional.silu(self.fc1(self.norm2(x))))
        x = self.norm_out(x + 0.5 * self._behind("feed_forward", y, adapter))
        return x if adapter is None else adapter.behind("layer", x)

    def _bias(self, q: Tensor) -> Tensor:
        near: Any = self.distances
        count = q.shape[1]
        place = torch.arange(count, device=q.device)
        apart = (place[None] - place[:, None]).clamp(-self.left, near.num_embeddings - 1 - self.left)
        by_distance = q @ near.weight.T * q.shape[-1] ** -0.5  # (H, T, distances)
        bias = by_distance.gather(2, (apart + self.left).expand(self.heads, -1, -1))
        seen = super()._bias(q)
        return (bias if seen is None else bias.masked_fill(~seen, -math.inf))[None].to(q.dtype)

    def _convolution(self, x: Tensor, spans: list[tuple[int, int]]) -> Tensor:
        x = functional.glu(functional.linear(x, self.conv1.weight[:, :, 0]), dim=1)
        deep: Any = self.depthwise
        wide = deep.kernel_size[0] - 1
        x = torch.cat([deep(functional.pad(x[a:b].T, (wide, 0))[None])[0].T for a, b in spans])
        x = functional.silu(self.conv_middle(x))
        return functional.linear(x, self.conv2.weight[:, :, 0])

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)


def bert_pieces(model: Any, extractor: Any) -> Pieces | None:
    """Of transformers' Wav2Vec2BertModel; None for positions and activations of another kind."""
    config = model.config
    if (config.position_embeddings_type, config.hidden_act) != ("relative_key", "swish"):
        return None
    layers: list[dict[str, nn.Module]] = [
        {
            "norm_in": layer.ffn1_layer_norm,
            "in1": layer.ffn1.intermediate_dense,
            "in2": layer.ffn1.output_dense,
            "norm1": layer.self_attn_layer_norm,
            **{n: getattr(layer.self_attn, f"linear_{n}") for n in ("q", "k", "v", "out")},
            "distances": layer.self_attn.distance_embedding,
            "conv_norm": layer.conv_module.layer_norm,
            "conv1": layer.conv_module.pointwise_conv1,
            "depthwise": layer.conv_module.depthwise_conv,
            "conv_middle": layer.conv_module.depthwise_layer_norm,
            "conv2": layer.conv_module.pointwise_conv2,
            "norm2": layer.ffn2_layer_norm,
            "fc1": layer.ffn2.intermediate_dense,
            "fc2": layer.ffn2.output_dense,
            "norm_out": layer.final_layer_norm,
        }
        for layer in model.encoder.layers
    ]
    front = BertFront(extractor, model.feature_projection.layer_norm, model.feature_projection.projection)
    block = functools.partial(ConformerBlock, left=config.left_max_position_embeddings)
    return Pieces(front, layers, config.num_attention_heads, False, None, block=block)
