"""The adapter and output layer of a model that was trained with ``train.adapter=mms``, as transformers'
file of one language.

V letters, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.core.errors import ConfigError, DataError
from xlt.formats.adapter_file import (
    AdapterFile,
    adapter_path,
    check_lang,
    read_vocabularies,
    write_adapter,
    write_vocabulary,
)
from xlt.formats.model_folder import Trained
from xlt.tokens.tokenizer import BLANK, SOS_EOS, SPACE, UNK

if TYPE_CHECKING:
    from torch import Tensor

# transformers' names of the tokens that mean something
_NAMES = {BLANK: "<pad>", UNK: "<unk>", SPACE: "|", SOS_EOS: "</s>"}
_PRESET = "train with preset=mms_adapter"


class Exported(NamedTuple):
    path: Path
    lang: str
    letters: list[str]
    backbone: str


def export(model: Path, out: Path, lang: str | None = None, replace: bool = False) -> Exported:
    """Write ``adapter.<lang>.safetensors`` of the experiment or bundle ``model`` into ``out``, its letters
    into ``out/vocab.json``; the files and letters of other languages stay as they are.

    ConfigError for a model whose output is not a linear map of the backbone's last layer with MMS adapters;
    DataError where the language is there already, unless ``replace``.
    """
    trained = Trained.load(model, "MODEL")
    lang = lang or trained.info["lang"].partition("_")[0]
    check_lang(lang, "--lang")
    _check_settings(model, trained.info)
    letters = letters_of(model, trained.tokens)
    read_vocabularies(out)  # what it refuses is refused before the model is loaded
    if (found := adapter_path(out, lang)).exists() and not replace:
        raise DataError(f"{found}: already exists; name another folder or --lang, or give --replace")
    from xlt.models.family import open_model

    made = _adapter(open_model(model), model)
    out.mkdir(parents=True, exist_ok=True)
    path = write_adapter(out, lang, made)
    write_vocabulary(out, lang, letters)
    return Exported(path, lang, letters, str(made.backbone))


def _check_settings(model: Path, info: dict[str, Any]) -> None:
    features = info["features"]
    tuning = features.get("tuning")
    if info["family"] != "espnet" or not tuning or tuning.get("adapter") != "mms":
        raise ConfigError(f"{model}: has no MMS adapters; {_PRESET}, or train.adapter=mms")
    if features.get("layers") != "last":
        raise ConfigError(
            f"{model}: features.layers={features.get('layers')}: transformers' output layer reads the last"
            f" layer; {_PRESET}, which has features.layers=last"
        )
    if info["tokens"]["type"] != "char":
        raise ConfigError(
            f"{model}: tokens.type={info['tokens']['type']}: transformers' vocabularies of adapters are of"
            " characters; train with tokens.type=char"
        )


def letters_of(model: Path, tokens: list[str]) -> list[str]:
    """The tokens under transformers' names; DataError if one of these is a letter of the language."""
    letters = [_NAMES.get(token, token) for token in tokens]
    if twice := sorted({letter for letter in letters if letters.count(letter) > 1}):
        raise DataError(
            f"{model / 'tokens.txt'}: {twice[0]!r} is a letter of this language and, in transformers'"
            " vocabularies,"
            " the mark between words; take it out of the texts (data.drop, or a normaliser)"
        )
    return letters


def _adapter(loaded: Any, model: Path) -> AdapterFile:
    """Adapters, and the output layer with the normalisation of features before it in one linear map."""
    from xlt.upstreams.languages import check_backbone, fingerprint

    arguments, net = loaded.arguments, loaded.net.cpu()
    stem = arguments.preencoder_conf or {}
    if arguments.encoder != "linear" or stem.get("projection", 0) or stem.get("stack", 1) != 1:
        raise ConfigError(
            f"{model}: train.encoder={arguments.encoder}, train.projection={stem.get('projection', 0)}: in"
            f" transformers the output layer reads the backbone itself; {_PRESET}, which has"
            " train.encoder=linear"
            " and train.projection=0"
        )
    frontend = net.frontend
    check_backbone(frontend.upstream, str(model))
    layers: list[dict[str, Tensor]] = [
        {name: value.detach().float() for name, value in adapter.state_dict().items()}
        for adapter in frontend.adapters
    ]
    return AdapterFile(layers, output_layer(net), fingerprint(frontend.upstream))


def output_layer(net: Any) -> tuple[Tensor, Tensor]:
    """Weight (V, D) and bias (V,) of a linear CTC head, with the normalisation of one layer before it."""
    from xlt.nets.featurizer import EPS

    mean, spread = net.frontend.featurizer.mean[0].double(), net.frontend.featurizer.spread[0].double()
    scale = spread.clamp(min=EPS).rsqrt()  # (D,)
    weight = net.ctc.ctc_lo.weight.detach().double() * scale  # (V, D)
    bias = net.ctc.ctc_lo.bias.detach().double() - weight @ mean
    return weight.float(), bias.float()
