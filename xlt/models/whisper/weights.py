"""Whisper's weights and those of the CTC head: from a published folder, and in ``exp/<tag>``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xlt.core.errors import DataError, UpstreamError
from xlt.models.whisper.net import CtcHead, Net
from xlt.upstreams.hf_config import from_folder, typed_config

if TYPE_CHECKING:
    from transformers import WhisperForConditionalGeneration

WHISPER, HEAD, CONFIG, TOKENIZER = "model.safetensors", "ctc.safetensors", "config.json", "tokenizer.json"
_AGAIN = "copy the whole folder again, or make it again with --stage 6 --force"


def published(folder: Path) -> WhisperForConditionalGeneration:
    """Encoder and decoder of a Hugging Face folder, in float32; UpstreamError if they are not whole."""
    from transformers import WhisperForConditionalGeneration
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = from_folder(
            folder, WhisperForConditionalGeneration, dtype=torch.float32, output_loading_info=True
        )
    except UpstreamError:
        raise
    except Exception as err:  # a damaged folder fails in many ways: JSON, safetensors, shapes
        said = next(iter(str(err).splitlines()), type(err).__name__)
        raise UpstreamError(
            f"{folder}: not readable as a Whisper model ({said[:160]}); give a complete Hugging Face"
            " directory in features.path"
        ) from None
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
    missing = sorted(
        key for key in report["missing_keys"] if key != "proj_out.weight"
    )  # tied to the embedding
    if missing:
        raise UpstreamError(
            f"{folder}: has no {missing[0]} ({len(missing)} of the model's tensors are missing);"
            " train.family=whisper_ed needs Whisper's decoder as well as its encoder: give a complete"
            " directory in features.path"
        )
    return model.eval()


def save(net: Net, source: Path, tokenizer: Path, out: Path) -> None:
    """Write the model into ``out``: Whisper's weights in 16 bits under transformers' names, the head's in 32.

    ``source``: the folder with config.json; ``tokenizer``: the file tokenizer.json.
    """
    from safetensors.torch import save_file

    state = {
        k: v.detach().cpu().half() for k, v in net.whisper.state_dict().items() if k != "proj_out.weight"
    }
    if net.language is not None:
        state["model.decoder.embed_tokens.weight"][net.language_id] = net.language.detach().cpu().half()
    save_file({k: v.contiguous() for k, v in state.items()}, out / WHISPER, metadata={"format": "pt"})
    if net.head is not None:
        head = {k: v.detach().cpu().contiguous() for k, v in net.head.state_dict().items()}
        save_file(head, out / HEAD)
    for path in (out / WHISPER, out / HEAD):
        if path.exists():
            path.chmod(0o644)  # safetensors makes it readable by its owner only
    shutil.copyfile(source / CONFIG, out / CONFIG)
    shutil.copyfile(tokenizer, out / TOKENIZER)


def read_head(folder: Path) -> dict[str, Tensor]:
    """The parameters of the CTC head of a trained model; {} if it has none, DataError if they are damaged."""
    path = folder / HEAD
    return dict(_tensors(path)) if path.exists() else {}


def load(folder: Path, facts: Mapping[str, Any]) -> Net:
    """The model in ``folder``, by what xlt.json says of it (``whisper``); DataError if the files do not fit
    each other.
    """
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    path = folder / CONFIG
    try:
        config = typed_config(path, WhisperConfig)
    except UpstreamError as err:
        said = str(err).removeprefix(f"{path}: ").rpartition("; ")[0]
        raise DataError(f"{path}: damaged or missing ({said}); {_AGAIN}") from None
    with torch.device("meta"):
        whisper = WhisperForConditionalGeneration(config)
    state = {key: value.float() for key, value in _tensors(folder / WHISPER).items()}
    state["proj_out.weight"] = state.get("model.decoder.embed_tokens.weight", torch.empty(0))
    head = None
    try:
        whisper.load_state_dict(state, assign=True)
        whisper.tie_weights()
        if shape := facts.get("head"):
            head = CtcHead(**shape)
            head.load_state_dict(read_head(folder))
        return Net(whisper.requires_grad_(False).eval(), head, facts["windows_s"]).eval()
    except (RuntimeError, KeyError, TypeError) as err:
        said = str(err).splitlines()[-1].strip()
        raise DataError(
            f"{folder / WHISPER}: does not fit {CONFIG} and xlt.json ({said[:160]}); {_AGAIN}"
        ) from None


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as err:
        raise DataError(f"{path}: damaged or missing ({err}); {_AGAIN}") from None
