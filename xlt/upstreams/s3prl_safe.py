"""What s3prl may read of a file of weights: tensors and a few numbers and words, which are looked at first.

s3prl's models evaluate texts of the file as Python (``conv_feature_layers`` …) and its loaders take what
``torch.load`` gives. Here its loaders get a reader that loads plain values only, and hands on no text of the
file but words; lists of convolutions are parsed, and written anew. Families whose files are not looked at in
this way are refused.
"""

from __future__ import annotations

import ast
import functools
import importlib
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from xlt.core.errors import ConfigError, UpstreamError
from xlt.formats.weights import read_weights
from xlt.upstreams import hf_config

# family → the module of s3prl that loads its files, and the keys of such a file: settings, weights
FAIRSEQ = (("model_cfg", "task_cfg"), "model_weight")
MICROSOFT = (("cfg",), "model")
FAMILIES: Mapping[str, tuple[str, tuple[tuple[str, ...], str]]] = {
    "wav2vec2": ("wav2vec2.convert", FAIRSEQ),
    "hubert": ("hubert.convert", FAIRSEQ),
    "data2vec": ("data2vec.convert", FAIRSEQ),
    "wavlm": ("wavlm.expert", MICROSOFT),
    "unispeech_sat": ("unispeech_sat.expert", MICROSOFT),
}
HUGGING_FACE = {"hf_wav2vec2": "Wav2Vec2Model", "hf_hubert": "HubertModel"}
WITHOUT_WEIGHTS = ("baseline",)
CONVOLUTIONS = "conv_feature_layers"
_TEXTS = "dictionaries_symbols"  # of HuBERT, whose number counts
_WORDS = (
    "activation_fn attn_type extractor_mode layer_type mask_channel_selection mask_selection pos_enc_type"
).split()
_WORD = re.compile(r"[a-z0-9_]{0,40}")
_LARGEST = 10_000_000
_LONGEST, _MOST_LAYERS, _WIDEST = 1000, 64, 65_536  # of a list of convolutions: letters, layers, numbers
_AGAIN = "remove it and fetch it again"
_REMEDY = "get the weights from a source that you trust"


def check_family(name: str, family: str) -> None:
    """ConfigError unless files of s3prl's ``family``, which ``name`` belongs to, are read safely."""
    if family not in (*FAMILIES, *HUGGING_FACE, *WITHOUT_WEIGHTS):
        raise ConfigError(
            f"features.upstream={name}: s3prl's models of the family {family} are not opened, as nothing here"
            f" checks their files before s3prl runs what is in them; there are {', '.join(FAMILIES)}, and"
            " Hugging Face folders of wav2vec2 and hubert"
        )


def parse_convolutions(text: Any, where: str) -> list[tuple[int, int, int]]:
    """Convolutions as s3prl spells them, ``[(512,10,5)] + [(512,3,2)]*4``, or as a list; nothing is run.

    Each is channels, kernel, stride. UpstreamError, which begins with ``where``, for anything else.
    """

    def refuse() -> NoReturn:
        raise UpstreamError(
            f"{where}: found {str(text)[:80]!r}, expected convolutions such as [(512, 10, 5)] + [(512, 3, 2)]"
            f" * 4; s3prl would run it as a program: {_REMEDY}"
        )

    def whole(node: ast.expr, most: int) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int and 0 < node.value <= most:
            return node.value
        refuse()

    def layers(node: ast.expr) -> list[tuple[int, int, int]]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found = layers(node.left) + layers(node.right)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            found = layers(node.left) * whole(node.right, _MOST_LAYERS)
        elif isinstance(node, ast.List | ast.Tuple):
            found = [layer(part) for part in node.elts]
        else:
            refuse()
        return found if len(found) <= _MOST_LAYERS else refuse()

    def layer(node: ast.expr) -> tuple[int, int, int]:
        if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) != 3:
            refuse()
        channels, kernel, stride = (whole(part, _WIDEST) for part in node.elts)
        return channels, kernel, stride

    spelled = text if isinstance(text, str) else repr(text)
    if not isinstance(text, str | list | tuple) or len(spelled) > _LONGEST:
        refuse()
    try:
        return layers(ast.parse(spelled.strip(), mode="eval").body) or refuse()
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        refuse()


def typed_settings(found: Any, where: str) -> dict[str, Any]:
    """Of the settings in a file those that s3prl needs: numbers, words, and convolutions written anew."""
    if not isinstance(found, dict):
        raise UpstreamError(f"{where}: found a {type(found).__name__}, expected settings; {_AGAIN}")
    kept: dict[str, Any] = {}
    for key, value in found.items():
        if key == CONVOLUTIONS:
            kept[key] = repr(parse_convolutions(value, f"{where}.{key}"))
        elif key in _WORDS:
            if not isinstance(value, str) or not _WORD.fullmatch(value):
                raise UpstreamError(f"{where}.{key}: found {str(value)[:80]!r}, expected a word; {_REMEDY}")
            kept[key] = value
        elif isinstance(key, str) and key.isidentifier() and _is_numbers(value):
            kept[key] = value
    return kept  # other texts say how the model was trained, and are not needed


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return len(value) < 100 and all(isinstance(part, int | float) and _is_numbers(part) for part in value)
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) <= _LARGEST
    return value is None


def _tensors(found: Any, where: str) -> dict[str, Any]:
    """A state dict; data2vec's has another one in it, ``_ema``."""
    import torch

    if not isinstance(found, dict):
        raise UpstreamError(f"{where}: found a {type(found).__name__}, expected tensors by name; {_AGAIN}")
    for key, value in found.items():
        if key == "_ema":
            _tensors(value, f"{where}.{key}")
        elif not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise UpstreamError(
                f"{where}: {str(key)[:80]!r} is a {type(value).__name__}, expected a tensor; {_AGAIN}"
            )
    return found


def read_checkpoint(path: str | os.PathLike, family: str) -> dict[str, Any]:
    """What s3prl is given of the file ``path`` of a model of ``family``; UpstreamError for what is no such
    file.
    """
    settings, weights = FAMILIES[family][1]
    found = read_weights(path, _AGAIN, UpstreamError)
    lacking = [key for key in (*settings, weights) if not isinstance(found, dict) or key not in found]
    if lacking:
        raise UpstreamError(
            f"{path}: has no {lacking[0]}, so it is not a file of s3prl's {family}; give another file in"
            " features.path, or a Hugging Face directory"
        )
    kept: dict[str, Any] = {key: typed_settings(found[key], f"{path}: {key}") for key in settings}
    kept[weights] = _tensors(found[weights], f"{path}: {weights}")
    if family == "hubert":
        symbols = found.get(_TEXTS)
        if not isinstance(symbols, list) or not all(isinstance(part, list) for part in symbols):
            raise UpstreamError(f"{path}: {_TEXTS}: expected lists of units; {_AGAIN}")
        kept[_TEXTS] = [list(map(str, part)) for part in symbols]
    return kept


class _Torch:
    """The module torch, with a loader that looks at what it loads."""

    def __init__(self, read: Callable[[str | os.PathLike], dict[str, Any]]):
        self._read = read

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    def load(self, file: str | os.PathLike, *_: Any, **__: Any) -> dict[str, Any]:
        return self._read(file)


class _Folder:
    """In the place of a class of transformers, of which s3prl asks ``from_pretrained``."""

    def __init__(self, load: Callable[[Path], Any]):
        self._load = load

    def from_pretrained(self, folder: str) -> Any:
        return self._load(Path(folder))


def secure(family: str) -> None:
    """Give s3prl's loader of ``family`` the readers of this module, for good; ConfigError for others."""
    check_family(family, family)
    if family in FAMILIES:
        module: Any = importlib.import_module(f"s3prl.upstream.{FAMILIES[family][0]}")
        module.torch = _Torch(functools.partial(read_checkpoint, family=family))
    elif family in HUGGING_FACE:
        import transformers

        module = importlib.import_module(f"s3prl.upstream.{family}.expert")
        kind = HUGGING_FACE[family]
        setattr(module, kind, _Folder(functools.partial(hf_config.load, kind=getattr(transformers, kind))))
        module.Wav2Vec2FeatureExtractor = _Folder(hf_config.extractor)
