"""wav2vec 2.0, HuBERT and Whisper's encoder on a processor: the clips of a batch stand one behind the other.

So nothing is computed for padding, and every clip gets what the model gives it alone. Weights come from a
model of transformers or of s3prl (fairseq's form). N rows (frames of all clips), T frames of one clip, C
channels of the convolutions, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.upstreams.base import cannot_stream
from xlt.upstreams.chunked.fronts import WHOLE_CLIPS, MelFront, WaveFront
from xlt.upstreams.chunked.net import Parts as ChunkedParts
from xlt.upstreams.fast.dense import Conv, Dense, Layer, LongConv, check

if TYPE_CHECKING:
    import numpy as np

# frames for which the convolutions are computed at once: what they need fits into the processor's caches
BLOCK = 25


class Packed(nn.Module):
    """The model in ``parts``, encoding in ``dtype``: convolutions in float32, the layers in ``dtype``."""

    def __init__(self, parts: Parts, dtype: str):
        check(dtype)
        super().__init__()
        self.convs = [Conv(conv, norm) for conv, norm in parts.convs]
        self.blocks = all(conv.per_frame for conv in self.convs)
        self.wave_norm = parts.wave_norm
        project = parts.projection
        self.norm, self.projection = (
            parts.norm,
            (None if project is None else Dense(project.weight, project.bias, dtype)),
        )
        self.positions = LongConv(parts.position)
        self.layers = nn.ModuleList(
            Layer(modules, parts.heads, parts.norm_first, dtype) for modules in parts.layers
        )
        self.norm_first, self.encoder_norm = parts.norm_first, parts.encoder_norm

    def encode(self, waves: list[np.ndarray], last: int) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """:meth:`forward` without gradients."""
        with torch.inference_mode():
            return self([torch.from_numpy(wave) for wave in waves], last)

    def forward(self, waves: list[Tensor], last: int) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Hidden states 0 … ``last``, each (N, D), and the rows (begin, end) of each clip."""
        fronts = [self.front(wave) for wave in waves]  # (T, C) each
        spans = row_spans(fronts)
        x = self.norm(torch.cat(fronts))
        x = x if self.projection is None else self.projection(x).float()
        x = x + functional.gelu(torch.cat(self.positions([x[a:b] for a, b in spans])))
        x = x if self.norm_first else self.encoder_norm(x)
        hidden = [x]
        for layer in self.layers[:last]:
            x = layer(x, spans)
            hidden.append(x)
        if last == len(self.layers) and self.norm_first:
            hidden[-1] = self.encoder_norm(x)
        return hidden, spans

    def streaming(self) -> ChunkedParts:
        """The same model for speech that comes chunk by chunk; UpstreamError if it normalises whole
        clips.
        """
        if not self.blocks:
            raise cannot_stream(WHOLE_CLIPS)

        def project(x: Tensor) -> Tensor:
            x = self.norm(x)
            return x if self.projection is None else self.projection(x).float()

        convs = [(conv.kernel, conv.stride, conv) for conv in self.convs]
        front = WaveFront(
            convs,
            self.wave_norm,
            project,
            (self.positions.kernel, lambda x: self.positions([x])[0]),
            None if self.norm_first else self.encoder_norm,
        )
        final = self.encoder_norm if self.norm_first else None
        layers = [layer.attending for layer in self.layers]
        return ChunkedParts(front, layers, final, self.encoder_norm.normalized_shape[0])

    def front(self, wave: Tensor) -> Tensor:
        """The convolutions: samples (N,) → (T, C), in blocks unless a norm looks at the whole clip."""
        if self.wave_norm is not None:
            wave = (wave - wave.mean()) / torch.sqrt(wave.var(correction=0) + self.wave_norm)
        x = wave[:, None]
        if not self.blocks:
            for conv in self.convs:
                x = conv(x)
            return x
        hop, field = 1, 1
        for conv in self.convs:
            field, hop = field + (conv.kernel - 1) * hop, hop * conv.stride
        frames, rows = (len(wave) - field) // hop + 1, []
        for at in range(0, frames, BLOCK):
            x = wave[at * hop : (min(at + BLOCK, frames) - 1) * hop + field, None]
            for conv in self.convs:
                x = conv(x)
            rows.append(x)
        return torch.cat(rows)


class PackedWhisper(nn.Module):
    """transformers' Whisper encoder, encoding in ``dtype``; the padding that Whisper is used to is in the
    clips.
    """

    def __init__(self, encoder, dtype: str):
        check(dtype)
        super().__init__()
        self.convs = [Conv(encoder.conv1, None), Conv(encoder.conv2, None)]
        self.positions, self.layer_norm = encoder.embed_positions.weight.detach(), encoder.layer_norm
        self.layers = nn.ModuleList(
            Layer(
                {
                    **{n: getattr(layer.self_attn, f"{n}_proj") for n in ("q", "k", "v", "out")},
                    "norm1": layer.self_attn_layer_norm,
                    "norm2": layer.final_layer_norm,
                    "fc1": layer.fc1,
                    "fc2": layer.fc2,
                },
                layer.self_attn.num_heads,
                True,
                dtype,
            )
            for layer in encoder.layers
        )

    def forward(self, mels: list[Tensor], last: int) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Log-mels (2 T, C) of each clip → hidden states 0 … ``last``, each (N, D), and the rows of each
        clip.
        """
        fronts = []
        for x in mels:
            for conv in self.convs:
                x = conv(functional.pad(x, (0, 0, 1, 1)))
            fronts.append(x + self.positions[: len(x)])  # (T, D)
        spans = row_spans(fronts)
        hidden = [torch.cat(fronts)]
        for layer in self.layers[:last]:
            hidden.append(layer(hidden[-1], spans))
        if last == len(self.layers):
            hidden[-1] = self.layer_norm(hidden[-1])
        return hidden, spans

    def streaming(self, mel_filters: np.ndarray) -> ChunkedParts:
        """The same encoder for speech that comes chunk by chunk; ``mel_filters`` (201, mel bands)."""
        front = MelFront(self.convs, self.positions, mel_filters)
        layers = [layer.attending for layer in self.layers]
        return ChunkedParts(front, layers, self.layer_norm, self.positions.shape[1])


def row_spans(clips: list[Tensor]) -> list[tuple[int, int]]:
    """The rows (begin, end) of each clip when all stand one behind the other."""
    ends = torch.tensor([len(clip) for clip in clips]).cumsum(0).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


class Parts:
    """The pieces of a model by what they do; ``find`` gives None for a model of another build."""

    convs: list[tuple[nn.Conv1d, nn.Module | None]]
    wave_norm: float | None  # added to the variance of the samples; None = they are taken as they are
    norm: nn.LayerNorm
    projection: nn.Linear | None
    position: nn.Conv1d
    layers: list[dict[str, nn.Module]]
    heads: int
    norm_first: bool
    encoder_norm: nn.LayerNorm

    @classmethod
    def find(cls, expert) -> Parts | None:
        """The parts of s3prl's ``expert``, if it is a wav2vec 2.0 or HuBERT."""
        model = getattr(expert, "model", None)
        where = f"{type(model).__module__}.{type(model).__name__}"
        try:
            if where in (
                "transformers.models.wav2vec2.modeling_wav2vec2.Wav2Vec2Model",
                "transformers.models.hubert.modeling_hubert.HubertModel",
            ):
                return cls._transformers(expert, model)
            if where in (
                "s3prl.upstream.wav2vec2.wav2vec2_model.Wav2Vec2Model",
                "s3prl.upstream.hubert.hubert_model.HubertModel",
            ):
                return cls._fairseq(expert, model)
        except (AttributeError, IndexError):
            pass  # a build that its class allows and this module does not know
        return None

    @classmethod
    def _transformers(cls, expert, model) -> Parts | None:
        config, parts = model.config, cls()
        if (config.hidden_act, config.feat_extract_activation) != (
            "gelu",
            "gelu",
        ) or getattr(model, "adapter", None) is not None:
            return None
        parts.convs = [(c.conv, getattr(c, "layer_norm", None)) for c in model.feature_extractor.conv_layers]
        parts.wave_norm = 1e-7 if expert.extracter.do_normalize else None
        parts.norm, parts.projection = (
            model.feature_projection.layer_norm,
            model.feature_projection.projection,
        )
        parts.position, parts.encoder_norm = model.encoder.pos_conv_embed.conv, model.encoder.layer_norm
        parts.heads, parts.norm_first = config.num_attention_heads, config.do_stable_layer_norm
        if any(getattr(layer, "adapter_layer", None) is not None for layer in model.encoder.layers):
            return None
        parts.layers = [
            {
                **{n: getattr(layer.attention, f"{n}_proj") for n in ("q", "k", "v", "out")},
                "norm1": layer.layer_norm,
                "norm2": layer.final_layer_norm,
                "fc1": layer.feed_forward.intermediate_dense,
                "fc2": layer.feed_forward.output_dense,
            }
            for layer in model.encoder.layers
        ]
        return parts

    @classmethod
    def _fairseq(cls, expert, model) -> Parts | None:
        parts = cls()
        parts.convs = [(block[0], next(_norms(block), None)) for block in model.feature_extractor.conv_layers]
        normalize = expert.wav_normalize if hasattr(expert, "wav_normalize") else expert.task_cfg.normalize
        parts.wave_norm = 1e-5 if normalize else None
        parts.norm, parts.projection = model.layer_norm, model.post_extract_proj
        parts.position, parts.encoder_norm = model.encoder.pos_conv[0], model.encoder.layer_norm
        layers = model.encoder.layers
        parts.heads, parts.norm_first = layers[0].self_attn.num_heads, layers[0].layer_norm_first
        parts.layers = [
            {
                **{n: getattr(layer.self_attn, f"{n}_proj") for n in ("q", "k", "v", "out")},
                "norm1": layer.self_attn_layer_norm,
                "norm2": layer.final_layer_norm,
                "fc1": layer.fc1,
                "fc2": layer.fc2,
            }
            for layer in layers
        ]
        return parts


def _norms(block: nn.Module) -> Iterator[nn.Module]:
    return (m for m in block.modules() if isinstance(m, (nn.LayerNorm, nn.GroupNorm)))
