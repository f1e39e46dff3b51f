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
    """Write config.json, model.safetensors and tokenizer.json of a random Whisper, encoder and decoder, into
    ``folder``: what features.upstream=whisper_base takes.
    """
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    tokenizer = make_tiny_whisper_tokenizer(folder)
    end = tokenizer.token_to_id("<|endoftext|>")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(
            WhisperConfig(
                d_model=dim,
                encoder_layers=layers,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=2 * dim,
                decoder_ffn_dim=2 * dim,
                vocab_size=tokenizer.get_vocab_size() + 1501,  # timestamps come last, 0.00 to 30.00
                pad_token_id=end,
                bos_token_id=end,
                eos_token_id=end,
                decoder_start_token_id=end + 1,
                dropout=0.1,
                encoder_layerdrop=0.1,
            )
        )
    model.save_pretrained(folder)
    return folder


TINY_LANGUAGES = ("en", "de", "es", "ru", "ro", "ca", "uk", "sw")


def make_tiny_whisper_tokenizer(folder: Path):
    """Write tokenizer.json into ``folder`` as Whisper's: 256 bytes, a few merges, special tokens in
    Whisper's order (timestamps are none of them); returns it.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = [" unu doi trei patru și mâine bună ziua", " one two three four un dos tres"] * 2
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    )
    specials = ["endoftext", "startoftranscript", *TINY_LANGUAGES]
    specials += ["translate", "transcribe", "startoflm", "startofprev", "nocaptions", "notimestamps"]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", normalized=False) for name in specials])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer
