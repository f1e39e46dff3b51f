"""CTranslate2's format, on a file written by hand; that the real file is understood is tested in
test_whisper.py.
"""

import struct

import numpy as np
import pytest

from xlt.core.errors import UpstreamError
from xlt.upstreams.ct2 import read_tensors, to_huggingface


def name_bytes(name: str) -> bytes:
    return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"


def model_bin(tensors: dict[str, np.ndarray], version: int = 6, spec: str = "WhisperSpec") -> bytes:
    kinds = {np.dtype(np.float32): 0, np.dtype(np.int8): 1, np.dtype(np.int16): 2, np.dtype(np.float16): 4}
    out = struct.pack("<I", version) + name_bytes(spec) + struct.pack("<II", 3, len(tensors))
    for name, value in tensors.items():
        out += name_bytes(name) + struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
        out += struct.pack("<BI", kinds[value.dtype], value.nbytes) + value.tobytes()
    alias = name_bytes("decoder/projection/weight") + name_bytes("decoder/embeddings/weight")
    return out + struct.pack("<I", 1) + alias


def layer(side: str, dim: int = 2) -> dict[str, np.ndarray]:
    bias = np.arange(3 * dim, dtype=np.float16)
    bias[dim : 2 * dim] = 0  # k has none
    fused = np.arange(3 * dim * dim, dtype=np.float16).reshape(-1, dim)
    return {
        f"{side}/layer_0/self_attention/layer_norm/gamma": np.full(dim, 7, np.float16),
        f"{side}/layer_0/self_attention/linear_0/weight": fused,
        f"{side}/layer_0/self_attention/linear_0/bias": bias,
        f"{side}/layer_0/ffn/linear_0/weight": np.ones((3, dim), np.float16),
    }


def whole_model() -> dict[str, np.ndarray]:
    return {
        "encoder/conv1/weight": np.ones((2, 80, 3), np.float16),
        "encoder/num_heads": np.array(1, np.int16),
        "decoder/num_heads": np.array(1, np.int16),
        "decoder/scale_embeddings": np.array(0, np.int8),
        "encoder/position_encodings/encodings": np.ones((1500, 2), np.float16),
        "decoder/position_encodings/encodings": np.ones((448, 2), np.float16),
        "decoder/embeddings/weight": np.ones((11, 2), np.float16),
        **layer("encoder"),
        **layer("decoder"),
        "decoder/layer_0/attention/linear_1/weight": np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float16),
    }


def test_tensors_are_read_and_unfused(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(model_bin(whole_model()))
    tensors, config = to_huggingface(read_tensors(file))
    attention = "model.encoder.layers.0.self_attn."
    assert tensors[attention + "q_proj.weight"].tolist() == [[0, 1], [2, 3]]
    assert tensors[attention + "k_proj.weight"].tolist() == [[4, 5], [6, 7]]
    assert tensors[attention + "v_proj.weight"].tolist() == [[8, 9], [10, 11]]
    assert tensors[attention + "q_proj.bias"].tolist() == [0, 1]
    assert tensors[attention + "v_proj.bias"].tolist() == [4, 5]
    assert attention + "k_proj.bias" not in tensors
    cross = "model.decoder.layers.0.encoder_attn."
    assert tensors[cross + "k_proj.weight"].tolist() == [[1, 2], [3, 4]]
    assert tensors[cross + "v_proj.weight"].tolist() == [[5, 6], [7, 8]]
    assert tensors["model.encoder.layers.0.self_attn_layer_norm.weight"].tolist() == [7, 7]
    assert not any("proj_out" in name or "projection" in name for name in tensors)
    assert (config["d_model"], config["encoder_layers"], config["encoder_ffn_dim"]) == (2, 1, 3)
    assert config["vocab_size"] == 11
    assert config["max_source_positions"] == 1500


@pytest.mark.parametrize("cut", [3, 40, 2000])
def test_torn_file_is_refused(tmp_path, cut):
    file = tmp_path / "model.bin"
    file.write_bytes(model_bin(whole_model())[:cut])
    with pytest.raises(UpstreamError, match="model.bin.*fetch it again"):
        read_tensors(file)


def test_other_models_are_refused(tmp_path):
    file = tmp_path / "model.bin"
    file.write_bytes(model_bin(whole_model(), spec="TransformerSpec"))
    with pytest.raises(UpstreamError, match="'TransformerSpec'.*expected a WhisperSpec"):
        read_tensors(file)
    tensors = whole_model()
    tensors["encoder/layer_0/self_attention/linear_0/bias"] = np.ones(6, np.float16)
    with pytest.raises(UpstreamError, match="the k bias is not zero"):
        to_huggingface(tensors)
    with pytest.raises(UpstreamError, match="gate/linear_0/weight: a tensor that Whisper does not have"):
        to_huggingface({**whole_model(), "encoder/layer_0/gate/linear_0/weight": np.ones((2, 2), np.float16)})
    with pytest.raises(UpstreamError, match="quantised to 8 bits"):
        to_huggingface({**whole_model(), "encoder/conv2/weight": np.ones((2, 2, 3), np.int8)})
