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
