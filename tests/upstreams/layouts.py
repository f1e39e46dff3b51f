"""Random models of every layout that is published, tiny, as folders that transformers saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "mask_time_prob": 0.5,
    "layerdrop": 0.3,
    "hidden_dropout": 0.3,
}
CONVOLUTIONS = {"conv_dim": [32] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE = CONVOLUTIONS | {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
BASE = CONVOLUTIONS | {"feat_extract_norm": "group"}
# layouts as they are published: class, configuration
LAYOUTS = {
    "xls_r": ("Wav2Vec2Model", LARGE),
    "wav2vec2_base": ("Wav2Vec2Model", BASE),
    "mms": ("Wav2Vec2Model", LARGE | {"adapter_attn_dim": 4}),
    "hubert_base": ("HubertModel", BASE),
    "hubert_large": ("HubertModel", LARGE | {"conv_bias": False}),
    "w2v_bert": ("Wav2Vec2BertModel", {"hidden_act": "swish"}),
    "wavlm_base": ("WavLMModel", BASE),
    "wavlm_large": ("WavLMModel", LARGE | {"conv_bias": False}),
    "data2vec": ("Data2VecAudioModel", CONVOLUTIONS | {"num_conv_pos_embeddings": 5}),
    "unispeech_sat": ("UniSpeechSatModel", BASE),
    "conformer": ("Wav2Vec2ConformerModel", CONVOLUTIONS | {"feat_extract_norm": "layer"}),
}


def make(folder: Path, layout: str, **changes: Any) -> Any:
    """A random model of a layout in ``folder``, as transformers saves it; returns the model."""
    import torch
    import transformers

    name, config = LAYOUTS[layout]
    kind = getattr(transformers, name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(kind.config_class(**SIZES | config | changes)).eval()
        for module in model.modules():  # transformers' are ones and zeros, which a wrong order would survive
            if isinstance(module, torch.nn.LayerNorm) and module.elementwise_affine:
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    model.save_pretrained(folder)
    if name == "Wav2Vec2BertModel":
        transformers.SeamlessM4TFeatureExtractor(stride=2).save_pretrained(folder)
    else:
        normal = config.get("feat_extract_norm") == "layer"
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normal, return_attention_mask=normal)
        extractor.save_pretrained(folder)
    return model


def save_mms(folder: Path, letters: dict[str, list[str]]) -> Path:
    """A random folder of the form of facebook/mms-1b-all, with an adapter of each language, written by
    transformers.
    """
    import json

    import torch
    import transformers
    from safetensors.torch import save_file

    config = transformers.Wav2Vec2Config(**SIZES | LAYOUTS["mms"][1], vocab_size=9, pad_token_id=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.Wav2Vec2ForCTC(config).eval()
        model.save_pretrained(folder)
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
        extractor.save_pretrained(folder)
        for lang, own in letters.items():
            state = {name: torch.randn_like(p) for name, p in model._get_adapters().items()}
            state |= {"lm_head.weight": torch.randn(len(own), 32), "lm_head.bias": torch.randn(len(own))}
            save_file(state, folder / f"adapter.{lang}.safetensors", {"format": "pt"})
    numbered = {lang: {letter: n for n, letter in enumerate(own)} for lang, own in letters.items()}
    if letters:
        (folder / "vocab.json").write_text(json.dumps(numbered), encoding="utf-8")
    return folder
