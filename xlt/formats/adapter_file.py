"""A language's adapter and output layer in one file, ``adapter.<lang>.safetensors``, as transformers' wav2vec
2.0 reads and writes them (``load_adapter``), and the letters of its outputs in ``vocab.json``.

V letters, D dimensions, R width of the adapter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.files import atomic_text
from xlt.formats.tensors import read_header
from xlt.formats.weights import read_weights

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY = "vocab.json"
BACKBONE = "xlt_backbone_sha256"  # in the metadata: of the backbone that the adapter was trained on
LANG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")  # as MMS has them: ron, uzb-script_cyrillic
_NAME = "adapter.{}.safetensors"
_PICKLED = "adapter.{}.bin"
_LAYER = re.compile(r"(?:wav2vec2\.)?encoder\.layers\.(\d{1,3})\.adapter_layer\.(.+)")
_PARTS = {  # of a layer's adapter: its shape in D and R
    "norm.weight": "D",
    "norm.bias": "D",
    "linear_1.weight": "RD",
    "linear_1.bias": "R",
    "linear_2.weight": "DR",
    "linear_2.bias": "D",
}
_HEAD = {"lm_head.weight": "VD", "lm_head.bias": "V"}
_AGAIN = "get the adapter again from where it comes"
_MOST_LETTERS = 100_000


class AdapterFile(NamedTuple):
    """``layers``: of each layer the tensors by their names in :class:`~xlt.nets.adapters.Mms`; ``head``:
    weight (V, D) and bias (V,), all float32; ``backbone``: the hash of the backbone it was trained
    on, None if the file does not say.
    """

    layers: list[dict[str, Tensor]]
    head: tuple[Tensor, Tensor]
    backbone: str | None

    @property
    def dim(self) -> int:
        return self.head[0].shape[1]

    @property
    def width(self) -> int:
        return len(self.layers[0]["linear_1.bias"])


def adapter_path(folder: Path, lang: str) -> Path:
    """Where the adapter of ``lang`` is: the safetensors file, or the older pickle if only that is there."""
    check_lang(lang, folder)
    safe, pickled = folder / _NAME.format(lang), folder / _PICKLED.format(lang)
    return pickled if pickled.exists() and not safe.exists() else safe


def languages_in(folder: Path) -> list[str]:
    """The languages that have an adapter in ``folder``."""
    names = [p.name.removeprefix("adapter.").rpartition(".")[0] for p in folder.glob("adapter.*.*")]
    endings = (".safetensors", ".bin")
    return sorted({n for n in names if any((folder / f"adapter.{n}{e}").exists() for e in endings)})


def check_lang(lang: str, where: object) -> None:
    """DataError unless ``lang`` can be a part of a file's name."""
    if not LANG.fullmatch(lang):
        raise DataError(
            f"{where}: the language {lang[:80]!r} is no code; give letters, digits, - and _ only, e.g. ron"
        )


def read_adapter(path: Path) -> AdapterFile:
    """DataError for a file that is torn, hostile, or no adapter of one language."""
    import torch

    metadata: dict[str, str] = {}
    if path.suffix == ".bin":
        found = read_weights(path, _AGAIN)
        if not isinstance(found, dict) or not all(isinstance(t, torch.Tensor) for t in found.values()):
            raise DataError(f"{path}: holds more than tensors by name; {_AGAIN}")
    else:
        if not path.exists():
            has = languages_in(path.parent)
            there = (
                f"there are {', '.join(has[:20])}{' …' if len(has) > 20 else ''}" if has else "there is none"
            )
            raise DataError(
                f"{path}: no such adapter; in this folder {there}: name one of them, or copy the file"
            )
        header = read_header(path, _AGAIN)
        _check_names(path, header.tensors)
        from safetensors.torch import load_file

        found, metadata = load_file(path), header.metadata
    _check_names(path, found)
    _check_shapes(path, found)
    tensors = {name: tensor.float() for name, tensor in found.items()}
    if wrong := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise DataError(f"{path}: {wrong[0]} has values that are no finite numbers; {_AGAIN}")
    layers: list[dict[str, Tensor]] = [{} for _ in range((len(tensors) - len(_HEAD)) // len(_PARTS))]
    for name, tensor in tensors.items():
        if hit := _LAYER.fullmatch(name):
            layers[int(hit[1])][hit[2]] = tensor
    head = tensors["lm_head.weight"], tensors["lm_head.bias"]
    return AdapterFile(layers, head, metadata.get(BACKBONE))


def _check_names(path: Path, tensors: Mapping[str, Any]) -> None:
    """DataError unless these are the tensors of layers 0, 1, … and of the output layer, and nothing else."""
    found = {name: _LAYER.fullmatch(str(name)) for name in tensors}
    for name, hit in found.items():
        if name not in _HEAD and not (hit and hit[2] in _PARTS):
            raise DataError(
                f"{path}: holds {str(name)[:80]!r}, which is no part of a language's adapter; expected"
                " …encoder.layers.0.adapter_layer.* and lm_head.*: name a file that transformers'"
                " load_adapter reads"
            )
    numbers = {int(hit[1]) for hit in found.values() if hit}
    expected = {*_HEAD, *((n, part) for n in range(max(numbers, default=0) + 1) for part in _PARTS)}
    lacking = expected - {(int(hit[1]), hit[2]) if hit else name for name, hit in found.items()}
    if lacking:
        first = min(lacking, key=str)
        name = first if isinstance(first, str) else f"encoder.layers.{first[0]}.adapter_layer.{first[1]}"
        raise DataError(f"{path}: has no tensor {name}; {_AGAIN}")
    if len(found) != len(expected):
        raise DataError(f"{path}: has a layer twice under two names; {_AGAIN}")


def _check_shapes(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """DataError unless all shapes are those of one V, D and R."""
    sizes: dict[str, int] = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[0] in _HEAD, item[0])):
        hit = _LAYER.fullmatch(name)
        letters = _PARTS[hit[2]] if hit else _HEAD[name]
        shape = tuple(tensor.shape)
        fits = len(shape) == len(letters) and all(
            sizes.setdefault(letter, size) == size for letter, size in zip(letters, shape, strict=True)
        )
        if not fits or 0 in shape or not tensor.is_floating_point():
            raise DataError(
                f"{path}: {name} is {'x'.join(map(str, shape))} of {tensor.dtype}, which does not fit the"
                " other"
                f" tensors; {_AGAIN}"
            )


def write_adapter(folder: Path, lang: str, adapter: AdapterFile) -> Path:
    """Write ``adapter.<lang>.safetensors`` into ``folder``; no other file is touched."""
    from safetensors.torch import save_file

    check_lang(lang, folder)
    prefix = "wav2vec2.encoder.layers.{}.adapter_layer."
    tensors = {
        prefix.format(number) + name: tensor.contiguous()
        for number, layer in enumerate(adapter.layers)
        for name, tensor in layer.items()
    }
    tensors |= {"lm_head.weight": adapter.head[0].contiguous(), "lm_head.bias": adapter.head[1].contiguous()}
    path = folder / _NAME.format(lang)
    partial = path.with_name(f".{path.name}.partial")
    metadata = {"format": "pt"} | ({BACKBONE: adapter.backbone} if adapter.backbone else {})
    save_file(tensors, partial, metadata)
    partial.replace(path)
    return path


def read_vocabularies(folder: Path) -> dict[str, dict[str, int]]:
    """``{language: {letter: output}}`` of ``vocab.json``, empty if there is none; DataError for another
    form.
    """
    path = folder / VOCABULARY
    if not path.exists():
        return {}
    try:
        found = jsons.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{path}: is not JSON ({str(err)[:120]}); {_AGAIN}") from None
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise DataError(
            f"{path}: is not a mapping of languages, each with its letters; name a folder of MMS adapters, or"
            " an empty one"
        )
    return found


def letters_of(folder: Path, lang: str, count: int) -> list[str]:
    """What the ``count`` outputs of a language's adapter in ``folder`` stand for; DataError if ``vocab.json``
    does not say so.
    """
    path, vocabularies = folder / VOCABULARY, read_vocabularies(folder)
    if lang not in vocabularies:
        raise DataError(f"{path}: has no letters of {lang}; copy the vocab.json that belongs to the adapter")
    found = vocabularies[lang]
    numbers = list(found.values())
    whole = all(type(n) is int for n in numbers) and sorted(numbers) == list(range(count))
    if not whole or count > _MOST_LETTERS or "<pad>" not in found:
        raise DataError(
            f"{path}: the letters of {lang} are not <pad> and others with the numbers 0 to {count - 1}, one"
            " for"
            " each output of its adapter; copy the vocab.json that belongs to it"
        )
    return sorted(found, key=found.__getitem__)


def write_vocabulary(folder: Path, lang: str, letters: list[str]) -> None:
    """Put a language's letters into ``vocab.json``; those of others stay as they are."""
    found = read_vocabularies(folder) | {lang: {letter: number for number, letter in enumerate(letters)}}
    atomic_text(folder / VOCABULARY, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
