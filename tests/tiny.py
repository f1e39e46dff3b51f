"""Random upstreams small enough for tests, a wav2vec2 of XLS-R's type and a Whisper: Hugging Face
directories.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError


def skip_without(dtype: str) -> None:
    """Skip the test if this processor does not compute ``dtype`` rightly, which must be said then."""
    from xlt.upstreams.fast import dense

    if not dense.supports(dtype):
        with raises(ConfigError, where=f"features.dtype={dtype}"):
            dense.check(dtype)
        pytest.skip(f"this processor does not compute {dtype}")


def make_tiny_wav2vec2(folder: Path, layers: int = 2, dim: int = 32, seed: int = 0) -> Path:
    """Write config.json, preprocessor_config.json and model.safetensors into ``folder``; 50 frames a second.

    Like XLS-R it has stable layer norm, layer norm in the feature encoder, conv biases and normalised input;
    dropout, layer drop and masking are on, as in the published checkpoints, so that a test sees whether they
    are off in use.
    """
    return save_wav2vec2(
        folder,
        seed,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * dim,
        conv_dim=[dim] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=dim // 16,  # dense.check_groups,
        mask_time_prob=0.5,
        layerdrop=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        feat_proj_dropout=0.1,
        codevector_dim=dim,
        proj_codevector_dim=dim,
    )


def save_wav2vec2(folder: Path, seed: int, **config) -> Path:
    """Save a wav2vec2 of XLS-R's type with random weights; ``config``: sizes, as Wav2Vec2Config names
    them.
    """
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    config = Wav2Vec2Config(do_stable_layer_norm=True, feat_extract_norm="layer", conv_bias=True, **config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Wav2Vec2Model(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True).save_pretrained(folder)
    return folder


def make_tiny_whisper(folder: Path, layers: int = 2, dim: int = 32, seed: int = 0) -> Path:
    """Write config.json and model.safetensors of a random Whisper into ``folder``: what
    features.upstream=whisper_base takes.
    """
    import torch
    from transformers import WhisperConfig, WhisperModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperModel(
            WhisperConfig(
                d_model=dim,
                encoder_layers=layers,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=2 * dim,
                decoder_ffn_dim=2 * dim,
                vocab_size=60,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
                dropout=0.1,
                encoder_layerdrop=0.1,
            )
        )
    model.save_pretrained(folder)
    return folder
