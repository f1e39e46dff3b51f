"""A tuned wav2vec 2.0 or HuBERT with a linear CTC layer in the form of transformers, for its pipeline
``automatic-speech-recognition``.

V tokens, D dimensions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import DataError
from xlt.formats.model_folder import UPSTREAM, Trained
from xlt.upstreams.hf_config import CONFIG, EXTRACTOR, read_json

if TYPE_CHECKING:
    from torch import nn

KINDS = {"wav2vec2": "Wav2Vec2ForCTC", "hubert": "HubertForCTC"}  # model_type → class with a CTC layer
VOCABULARY = "vocab.json"
PAD, END = "<pad>", "</s>"  # transformers' names of CTC's blank and of the end of a sentence


def hindrance(bundle: Path, trained: Trained) -> str | None:
    """Why the bundle has no such form, as far as its settings say; None if it may have one."""
    features, folder = trained.info["features"], bundle / UPSTREAM
    tuning = features.get("tuning")
    if trained.info["family"] != "espnet" or not tuning:
        return "transformers has no class for this kind of network"
    if not (folder / CONFIG).exists() or not (folder / EXTRACTOR).exists():
        return f"{UPSTREAM}/ has no config.json of transformers"
    kind = read_json(folder / CONFIG).get("model_type")
    if kind not in KINDS:
        return f"of {kind} transformers has no such model here; {' and '.join(KINDS)} it has"
    if tuning.get("adapter") not in ("none", "mms"):
        return f"transformers has no adapters of the kind {tuning.get('adapter')}"
    if trained.info["tokens"]["type"] != "char":
        return "transformers' vocabularies of CTC are of characters"
    if trained.info["features"].get("layers") == "mix":
        return "its output layer reads a mix of the encoder's layers (features.layers=mix)"
    return None


def write(bundle: Path, trained: Trained, out: Path) -> str | None:
    """Write config.json, model.safetensors and what belongs to them into ``out``; why not, if there is no
    such form of the model. DataError or UpstreamError for a damaged bundle.
    """
    from xlt.bundle.adapters import letters_of
    from xlt.models.family import open_model

    if why := hindrance(bundle, trained):
        return why
    loaded: Any = open_model(bundle)
    if why := _hindered(loaded, read_json(bundle / UPSTREAM / CONFIG).get("num_hidden_layers")):
        return why
    try:
        letters = letters_of(bundle, trained.tokens)
    except DataError as err:
        return str(err).partition(": ")[2]
    model, extractor = _converted(bundle / UPSTREAM, loaded.net.cpu(), letters)
    model.save_pretrained(out)
    extractor.save_pretrained(out)
    _write_tokenizer(out, letters)
    return None


def _hindered(loaded: Any, count: Any) -> str | None:
    """The same, of the loaded model; ``count``: layers that the encoder has."""
    arguments, net = loaded.arguments, loaded.net
    stem = arguments.preencoder_conf or {}
    if arguments.encoder != "linear" or stem.get("projection", 0) or stem.get("stack", 1) != 1:
        return f"between encoder and output stands a network of its own (train.encoder={arguments.encoder})"
    if net.frontend.featurizer.mix or net.frontend.featurizer.layers != [count]:
        return "its output layer reads other layers than the encoder's last (features.layers)"
    return None


def _converted(folder: Path, net: Any, letters: list[str]) -> tuple[Any, Any]:
    """transformers' model with the weights of ``net``, and its extractor. The encoder's layers are shared
    with the network that :func:`~xlt.upstreams.tunable.wav2vec2_pieces` makes of it, which has the names of
    ours.
    """
    import torch
    import transformers

    from xlt.bundle.adapters import output_layer
    from xlt.upstreams.hf_expert import Expert
    from xlt.upstreams.tunable import Net, wav2vec2_pieces

    frontend = net.frontend
    expert = Expert(folder, weights=False)
    pieces = wav2vec2_pieces(expert, str(folder))
    twin = Net(pieces, len(pieces.layers), 0.0)
    twin.load_state_dict(frontend.upstream.state_dict())
    config, kind = expert.model.config, KINDS[expert.model.config.model_type]
    config.vocab_size, config.pad_token_id, config.architectures = len(letters), letters.index(PAD), [kind]
    config.bos_token_id = config.eos_token_id = letters.index(END)
    if frontend.adapters is not None:
        config.adapter_attn_dim = len(frontend.adapters[0].linear_1.bias)
    model: Any = getattr(transformers, kind)(config).eval()
    body: nn.Module = getattr(model, config.model_type)
    found = expert.model.state_dict()
    for number, adapter in enumerate(frontend.adapters or ()):
        found |= {f"encoder.layers.{number}.adapter_layer.{k}": v for k, v in adapter.state_dict().items()}
    body.load_state_dict(found)
    weight, bias = output_layer(net)
    with torch.no_grad():
        model.lm_head.weight.copy_(weight)
        model.lm_head.bias.copy_(bias)
    return model, expert.extracter


def _write_tokenizer(out: Path, letters: list[str]) -> None:
    """What transformers' Wav2Vec2CTCTokenizer reads."""
    numbered = {letter: number for number, letter in enumerate(letters)}
    names = {"pad_token": PAD, "unk_token": "<unk>", "bos_token": END, "eos_token": END}
    own = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "word_delimiter_token": "|",
        "do_lower_case": False,
        "replace_word_delimiter_char": " ",
        **names,
    }
    for name, found in ((VOCABULARY, numbered), ("tokenizer_config.json", own)):
        text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        (out / name).write_text(text, encoding="utf-8")
