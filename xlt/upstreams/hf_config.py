"""Hugging Face folders, read with types: config.json says how large a network is, and nothing else.

transformers takes more from it: where attention is to be fetched from the hub (``attn_implementation``),
which code of the folder to import (``auto_map``), how weights are packed; and a folder with adapters names
another model. Such keys are left out or refused.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from xlt.core import jsons
from xlt.core.errors import UpstreamError
from xlt.formats.weights import explained, holds_code

CONFIG, EXTRACTOR = "config.json", "preprocessor_config.json"
PROCESSOR, _INSIDE = "processor_config.json", "feature_extractor"  # where transformers 5 saves a processor
_WORD = re.compile(r"[A-Za-z0-9_]{1,40}")
_LARGEST = 10_000_000
# what the features depend on; heads, quantisers and language adapters may be left out
_OF_FEATURES = re.compile(r"(?:^|\.)(?:encoder|feature_extractor|feature_projection)\.(?!.*adapter_layer\.)")
_FOREIGN = ("auto_map", "quantization_config", "trust_remote_code", "custom_pipelines")
_MASK = "masked_spec_embed"  # in place of masked frames, in pretraining alone: some files lack it
_MEL_EXTRACTOR = ("feature_size", "num_mel_bins", "sampling_rate", "padding_value", "stride")
_EXTRACTOR = ("feature_size", "sampling_rate", "padding_value", "do_normalize", "return_attention_mask")


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file; UpstreamError if it is missing or none."""
    try:
        found = jsons.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as err:
        raise UpstreamError(
            f"{path}: is not JSON ({str(err)[:120]}); download the model again, or give a complete Hugging"
            " Face directory in features.path"
        ) from None
    if not isinstance(found, dict):
        raise UpstreamError(f"{path}: found a {type(found).__name__}, expected a mapping; download it again")
    return found


def extractor_file(folder: Path) -> Path:
    """The file in ``folder`` that says how waves are prepared, there or not."""
    own, whole = folder / EXTRACTOR, folder / PROCESSOR
    return whole if not own.exists() and whole.exists() else own


def extractor_values(folder: Path) -> dict[str, Any]:
    """What it says; UpstreamError if that is no mapping."""
    path = extractor_file(folder)
    found = read_json(path)
    if path.name != PROCESSOR:
        return found
    inside = found.get(_INSIDE)
    if not isinstance(inside, dict):
        raise UpstreamError(
            f"{path}: has no {_INSIDE}, and {EXTRACTOR} is not there; download the whole model from the hub"
        )
    return inside


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if isinstance(value, list):
        return len(value) < 10_000 and all(
            isinstance(part, int | float) and _is_plain(part) for part in value
        )
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) <= _LARGEST
    return value is None


def typed_config(path: Path, kind: type, **changes: Any) -> Any:
    """transformers' configuration of the class ``kind`` with the sizes and rates that the file ``path`` has,
    and ``changes``.

    Keys that are not the class's own are left out; UpstreamError for code of the model's own, for values that
    are no numbers or words, and for those that transformers does not take.
    """
    found = read_json(path)
    if foreign := [key for key in _FOREIGN if found.get(key)]:
        raise UpstreamError(
            f"{path}: {foreign[0]}: this model brings code, or weights packed in another way, which is not"
            " run; give one that transformers knows by itself"
        )
    values = {key: found[key] for key in kind.__annotations__ if key in found}
    for key, value in values.items():
        if not _is_plain(value):
            raise UpstreamError(
                f"{path}: {key}: found {str(value)[:80]!r}, expected a number or a word; download it again"
            )
    try:
        return kind(**{**values, **changes})
    except (TypeError, ValueError) as err:
        raise _unfit(path, err) from None
    except Exception as err:  # of huggingface_hub's checks of types, which derive from nothing narrower
        if "Validation" not in type(err).__name__:
            raise
        raise _unfit(path, err) from None


def _unfit(path: Path, err: Exception) -> UpstreamError:
    return UpstreamError(f"{path}: {' '.join(str(err).split())[:160]}; download it again")


def extractor(folder: Path) -> Any:
    """How a wav2vec 2.0 or HuBERT in ``folder`` wants its waves: transformers' Wav2Vec2FeatureExtractor."""
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(**_numbers(folder, _EXTRACTOR))


def mel_extractor(folder: Path) -> Any:
    """How a w2v-BERT in ``folder`` makes log-mels of waves: transformers' SeamlessM4TFeatureExtractor."""
    from transformers import SeamlessM4TFeatureExtractor

    return SeamlessM4TFeatureExtractor(**_numbers(folder, _MEL_EXTRACTOR))


def _numbers(folder: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """What the extractor's file in ``folder`` has of ``keys``; UpstreamError for what is no number."""
    path, found = extractor_file(folder), extractor_values(folder)
    values = {key: found[key] for key in keys if key in found}
    if wrong := [key for key, value in values.items() if not isinstance(value, int | float)]:
        raise UpstreamError(
            f"{path}: {wrong[0]}: found {str(found[wrong[0]])[:80]!r}, expected a number; download it again"
        )
    return values


def load(folder: Path, kind: type, **changes: Any) -> Any:
    """transformers' model of the class ``kind`` in ``folder``, in float32, without asking the hub;
    ``changes``: of its configuration.

    UpstreamError unless the files have every tensor of it: transformers would draw the others at random.
    """
    import torch
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()  # transformers' report of what it left out; what matters is told below
    try:
        model, report = from_folder(
            folder,
            kind,
            changes,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # told below
        )
    finally:
        logging.set_verbosity(before)
    lacking = sorted(set(report["missing_keys"]) - {_MASK})
    further = sorted(name for name in report["unexpected_keys"] if _OF_FEATURES.search(name))
    if further:
        raise UpstreamError(
            f"{folder}: the weights have a tensor {further[0]}, of which config.json does not know, so the"
            " files do not belong together; download the whole model again"
        )
    if lacking := [*lacking, *sorted(name for name, *_ in report["mismatched_keys"])]:
        raise UpstreamError(
            f"{folder}: the weights have no tensor {lacking[0]} of the shape that config.json asks for, so"
            " the files do not belong together; download the whole model again"
        )
    return model


def from_folder(folder: Path, kind: Any, changes: dict[str, Any] | None = None, **options: Any) -> Any:
    """``kind.from_pretrained`` of a folder and nothing but it, with a configuration read with types."""
    if (folder / "adapter_config.json").exists():
        raise UpstreamError(
            f"{folder / 'adapter_config.json'}: the weights of an adapter, which name another model; give a"
            " folder with the whole model in features.path"
        )
    config = typed_config(folder / CONFIG, kind.config_class, **(changes or {}))
    try:
        return kind.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False, **options
        )
    except Exception as err:
        reason = explained(err)
        if not reason.code:
            raise
        raise UpstreamError(f"{folder / 'pytorch_model.bin'}: {holds_code(reason)}") from None
