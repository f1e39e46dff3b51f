"""CTranslate2's ``model.bin`` of a Whisper model → Hugging Face tensor names.

The file is a flat list of named tensors (ctranslate2/specs/model_spec.py, binary version 6). The projections
of a self-attention are fused (q, k, v), those of a cross-attention in part (k, v); the k bias, which Whisper
lacks, is stored as zeros; the output projection is an alias of the embeddings.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np

from xlt.core.errors import UpstreamError

BINARY_VERSION = 6
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # ctranslate2/types.h
_PLAIN = {
    "layer_norm/gamma": "layer_norm.weight",
    "layer_norm/beta": "layer_norm.bias",
    "conv1/weight": "conv1.weight",
    "conv1/bias": "conv1.bias",
    "conv2/weight": "conv2.weight",
    "conv2/bias": "conv2.bias",
    "position_encodings/encodings": "embed_positions.weight",
    "embeddings/weight": "embed_tokens.weight",
}
_IN_LAYER = {  # CTranslate2 block → (HF norm, {linear: HF projections that it fuses})
    "self_attention": (
        "self_attn_layer_norm",
        {
            "linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
            "linear_1": ["self_attn.out_proj"],
        },
    ),
    "attention": (
        "encoder_attn_layer_norm",
        {
            "linear_0": ["encoder_attn.q_proj"],
            "linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
            "linear_2": ["encoder_attn.out_proj"],
        },
    ),
    "ffn": ("final_layer_norm", {"linear_0": ["fc1"], "linear_1": ["fc2"]}),
}


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a CTranslate2 ``model.bin``; UpstreamError if it is torn or of another format."""
    data = memoryview(path.read_bytes())
    at = 0

    def take(fmt: str) -> tuple:
        nonlocal at
        size = struct.calcsize("<" + fmt)
        values = struct.unpack_from("<" + fmt, data, at)
        at += size
        return values

    def take_name() -> str:
        (size,) = take("H")
        return take(f"{size}s")[0].rstrip(b"\0").decode()

    try:
        version, spec = take("I")[0], take_name()
        if version != BINARY_VERSION or spec != "WhisperSpec":
            raise UpstreamError(
                f"{path}: holds {spec!r}, binary version {version}; expected a WhisperSpec of version "
                f"{BINARY_VERSION}, as ctranslate2 4 writes it"
            )
        take("I")
        tensors = {}
        for _ in range(take("I")[0]):
            name, rank = take_name(), take("B")[0]
            shape, kind, size = take(f"{rank}I"), take("B")[0], take("I")[0]
            if at + size > len(data):
                raise struct.error("data ends inside a tensor")
            tensors[name] = np.frombuffer(data[at : at + size], dtype=_DTYPES[kind]).reshape(shape)
            at += size
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as err:
        raise UpstreamError(f"{path}: not a whole CTranslate2 model ({err}); fetch it again") from None
    return tensors


def to_huggingface(tensors: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict]:
    """Tensors named as ``WhisperForConditionalGeneration`` names them, and the configuration they imply.

    Raises UpstreamError on a tensor that has no place there.
    """
    out = {}
    for name, value in tensors.items():
        if value.dtype not in (np.float16, np.float32):
            if value.dtype == np.int8 and value.ndim > 0:
                raise UpstreamError(
                    f"{name}: is quantised to 8 bits; expected a float16 or float32 conversion"
                )
            continue  # flags and head counts
        side, _, rest = name.partition("/")
        out.update({f"model.{side}.{key}": part for key, part in _place(name, rest, value)})
    layers = {
        side: 1 + max(int(k.split(".")[3]) for k in out if k.startswith(f"model.{side}.layers."))
        for side in ("encoder", "decoder")
    }
    encoder, decoder = "model.encoder.", "model.decoder."
    config = {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "torch_dtype": "float16",
        "d_model": int(out[encoder + "conv1.weight"].shape[0]),
        "num_mel_bins": int(out[encoder + "conv1.weight"].shape[1]),
        "encoder_layers": layers["encoder"],
        "decoder_layers": layers["decoder"],
        "encoder_attention_heads": int(tensors["encoder/num_heads"]),
        "decoder_attention_heads": int(tensors["decoder/num_heads"]),
        "encoder_ffn_dim": int(out[encoder + "layers.0.fc1.weight"].shape[0]),
        "decoder_ffn_dim": int(out[decoder + "layers.0.fc1.weight"].shape[0]),
        "max_source_positions": int(out[encoder + "embed_positions.weight"].shape[0]),
        "max_target_positions": int(out[decoder + "embed_positions.weight"].shape[0]),
        "vocab_size": int(out[decoder + "embed_tokens.weight"].shape[0]),
        "tie_word_embeddings": True,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "activation_function": "gelu",
        "scale_embedding": False,
    }
    return out, config


def _place(name: str, rest: str, value: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """HF keys (below ``model.encoder.`` or ``model.decoder.``) that one CTranslate2 tensor becomes."""
    if rest in _PLAIN:
        return [(_PLAIN[rest], value)]
    match = re.fullmatch(r"layer_(\d+)/(\w+)/(\w+)/(weight|bias|gamma|beta)", rest)
    if not match or match[2] not in _IN_LAYER:
        raise UpstreamError(f"{name}: a tensor that Whisper does not have; the file is of another model")
    number, block, part, kind = match.groups()
    norm, linears = _IN_LAYER[block]
    if part == "layer_norm":
        return [(f"layers.{number}.{norm}.{'weight' if kind == 'gamma' else 'bias'}", value)]
    targets = linears[part]
    pieces = np.split(value, len(targets))  # rows of the fused matrix
    placed = []
    for target, piece in zip(targets, pieces, strict=True):
        if kind == "bias" and target.endswith("k_proj"):
            if np.any(piece):
                raise UpstreamError(
                    f"{name}: the k bias is not zero; Whisper has none, the file is of another model"
                )
            continue
        placed.append((f"layers.{number}.{target}.{kind}", piece))
    return placed
