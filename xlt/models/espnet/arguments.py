"""What a trained model's ``config.yaml`` may build: known networks, with numbers and words as arguments.

ESPnet builds whatever such a file names, and some of its classes download, load any pickle, or open files of
any name. Models come from others, too, so only what a recipe can choose is built, and only what is listed
here is handed to ESPnet; the rest of the file, which tells how the model was trained, is not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from xlt.core.errors import DataError
from xlt.core.registry import ENCODERS, FRONTENDS
from xlt.core.yaml_source import NO_VALUE

# of ESPnet's, those that are built from numbers and words alone
ESPNET_ENCODERS = frozenset(
    "branchformer conformer contextual_block_transformer e_branchformer"
    " multiconv_conformer rnn transformer vgg_rnn".split()
)
ESPNET_DECODERS = frozenset(
    "dynamic_conv dynamic_conv2d lightweight_conv lightweight_conv2d rnn transducer transformer".split()
)
REMEDY = "take the model from whom you trust, or train it again with --stage 6 --force"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")
_UPSTREAM = re.compile(r"[A-Za-z0-9][\w.-]{0,100}")
_LARGEST = 10_000_000  # of a number: more is no size or rate of a network
_MOST_VALUES, _DEEPEST = 100_000, 6  # of the file: YAML's aliases can name billions in a few lines


def known_encoders() -> set[str]:
    """What ``train.encoder`` may name."""
    return {*ENCODERS.entries, *ESPNET_ENCODERS}


def is_plain(value: Any) -> bool:
    """Whether an argument of a network is a number, a word, true, false or null, or a list or mapping of
    them.
    """
    left = [_MOST_VALUES]
    return _is_plain(value, left, _DEEPEST)


def _is_plain(value: Any, left: list[int], depth: int) -> bool:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        return False
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if isinstance(value, float):
        return math.isfinite(value) and abs(value) <= _LARGEST
    if isinstance(value, int):  # bool is one
        return abs(value) <= _LARGEST
    if isinstance(value, list):
        return all(_is_plain(part, left, depth - 1) for part in value)
    if isinstance(value, dict):
        return all(_is_plain(part, left, depth - 1) for pair in value.items() for part in pair)
    return value is None


def one_of(*names: str | None) -> Callable[[Any], bool]:
    """A check of a value: it is one of ``names``."""
    return lambda value: (value is None or isinstance(value, str)) and value in names


def _is_place(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _is_options(value: Any) -> bool:
    return isinstance(value, dict) and is_plain(value)


def _is_identity(value: Any) -> bool:
    """What is compared with the upstream that is found, and nothing else."""
    return value is None or isinstance(value, dict)


# all that the frontends of this package take (models/espnet/frontends); places are set anew when it is loaded
_FRONTEND: Mapping[str, Callable[[Any], bool]] = {
    "upstream": lambda value: isinstance(value, str) and _UPSTREAM.fullmatch(value) is not None,
    "path": _is_place,
    "cache": _is_place,
    "stats_file": _is_place,
    "identity": _is_identity,
    "layers": is_plain,
    "norm": one_of("none", "frame", "corpus"),
    "dtype": one_of("float32", "bfloat16", "float16", "int8"),
    "batch_s": lambda value: isinstance(value, int | float) and is_plain(value),
    "tuning": _is_options,
}
_NORMALIZE: Mapping[str, Callable[[Any], bool]] = {
    "stats_file": _is_place,
    **dict.fromkeys(("norm_means", "norm_vars", "eps"), is_plain),
}


def _network() -> dict[str, tuple[Callable[[Any], bool], Any]]:
    """``{key: (its check, what it is where the file lacks it)}`` of what ESPnet builds a model from."""
    return {
        "token_list": (_is_list_of_texts, None),
        "token_type": (one_of("bpe", "char", "word", None), None),
        "bpemodel": (_is_place, None),
        "input_size": (lambda value: value is None or isinstance(value, int), None),
        "frontend": (one_of(None, *FRONTENDS.entries), None),
        "frontend_conf": (lambda value: isinstance(value, dict), {}),
        "normalize": (one_of(None, "global_mvn", "utterance_mvn"), None),
        "normalize_conf": (lambda value: isinstance(value, dict), {}),
        "specaug": (one_of(None), None),
        "specaug_conf": (_is_options, {}),
        "preencoder": (one_of(None, "stem", "linear"), None),
        "preencoder_conf": (_is_options, {}),
        "encoder": (one_of(*known_encoders()), None),
        "encoder_conf": (_is_options, {}),
        "postencoder": (one_of(None), None),
        "postencoder_conf": (_is_options, {}),
        "decoder": (one_of(None, *ESPNET_DECODERS), None),
        "decoder_conf": (_is_options, {}),
        "ctc_conf": (lambda value: _is_options(value) and value.get("ctc_type", "builtin") == "builtin", {}),
        "joint_net_conf": (lambda value: value is None or _is_options(value), None),
        "model": (one_of("espnet", "xlt_transducer"), "espnet"),
        "model_conf": (_is_options, {}),
        "init": (one_of(None), None),
        "preprocessor_conf": (lambda value: value in (None, {}), {}),
    }


def network_arguments(path: Path, remedy: str) -> dict[str, Any]:
    """ESPnet's arguments of a network in the file ``path``; DataError if it is missing or damaged, which ends
    in ``remedy``, or would build what no recipe can choose.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; stage 6 (train) makes it") from None
    except NO_VALUE:
        raise DataError(f"{path}: damaged; {remedy}") from None
    if not isinstance(found, dict) or not {"token_list", "encoder", "frontend", "input_size"} <= found.keys():
        raise DataError(f"{path}: damaged; {remedy}")
    values = {}
    for key, (check, default) in _network().items():
        value = values[key] = found.get(key, default)
        if not check(value):
            _refuse(path, key, value)
    if (values["frontend"] is None) == (values["input_size"] is None):
        _refuse(path, "input_size", values["input_size"])
    parts = {"frontend_conf": _FRONTEND if values["frontend"] else {}, "normalize_conf": _NORMALIZE}
    for part, checks in parts.items():
        for key, value in values[part].items():
            if key not in checks or not checks[key](value):
                _refuse(path, f"{part}.{key}", value)
    return values


def _refuse(path: Path, key: str, value: Any) -> NoReturn:
    shown = repr(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    raise DataError(
        f"{path}: {key}: found {shown[:80]}, which no recipe can build: a model is made of known networks,"
        f" numbers and words, without paths and addresses; {REMEDY}"
    )
