"""Files of weights: as ``torch.save`` writes them, read as numbers and plain values only, and safetensors.

A pickle can name any function, which then runs when the file is loaded; torch's ``weights_only`` refuses all
but tensors and plain values. Every such file, whoever it is from, is read here or with that option. What is
published is converted: :func:`convert`.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import DataError, XltError
from xlt.formats import int8

if TYPE_CHECKING:
    import torch

SAVED = ".pth"  # of files of torch.save
SAFE = "network.safetensors"  # what stands for a file of torch.save in the same folder
_GLOBAL = re.compile(r"GLOBAL (\S+)")


class UnloadableError(Exception):
    """Why a file of weights was not loaded; ``code``: what it would have run, "" if it is merely damaged."""

    def __init__(self, reason: str, code: str = ""):
        super().__init__(reason)
        self.code = code


def load_plain(path: str | os.PathLike, mmap: bool = False) -> Any:
    """What ``torch.save`` wrote into ``path``, on the CPU; UnloadableError if it is damaged or more than
    plain values, FileNotFoundError if it is missing. ``mmap``: tensors are read when they are used.
    """
    import torch

    try:
        check_sums(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except FileNotFoundError:
        raise
    except Exception as err:  # a damaged file fails in many ways: zip, pickle, EOF, KeyError
        raise explained(err) from None


def check_sums(path: str | os.PathLike) -> None:
    """Raise zipfile.BadZipFile unless all CRC-32 in a file of weights agree, at which torch does not look.

    Files of PyTorch before 1.6 are no zips and have none.
    """
    with open(path, "rb") as handle:
        if zipfile.is_zipfile(handle):
            with zipfile.ZipFile(handle) as pack:
                if (part := pack.testzip()) is not None:
                    raise zipfile.BadZipFile(f"the checksum of {part} differs")


def explained(err: Exception) -> UnloadableError:
    """What an error of ``torch.load`` says of the file; its own words end in how to load it all the same,
    which nobody should do.
    """
    said = str(err)
    if named := _GLOBAL.search(said):
        name = named[1].rstrip(".,").replace("posix.", "os.").replace("nt.", "os.")
        return UnloadableError(f"it names {name}, which is no plain value", name)
    if "TorchScript" in said:
        return UnloadableError("it is a TorchScript program", "TorchScript")
    if "weights_only" in said:
        return UnloadableError("not what torch.save writes")
    first = next(iter(said.splitlines()), "")
    return UnloadableError(f"{type(err).__name__}: {first[:120]}" if first else type(err).__name__)


def read_weights(
    path: str | os.PathLike,
    again: str,
    kind: type[XltError] = DataError,
    mmap: bool = False,
    where: str = "",
) -> Any:
    """As :func:`load_plain`; what is wrong is an error of the ``kind`` that ends in ``again``, the remedy of
    a damaged file. ``where``: the setting that names the file. What was stored as int8 is float32 again.
    Where ``path`` was converted, its safetensors form is read.
    """
    path = stored(path)
    place = f"{where}: {path}" if where else str(path)
    try:
        found = _load_safe(path) if path.name == SAFE else load_plain(path, mmap)
        return int8.unpacked(found) if int8.is_packed(found) else found
    except FileNotFoundError:
        raise kind(f"{place}: no such file; {again}") from None
    except ValueError as err:
        raise kind(f"{place}: cannot be loaded ({err}); {again}") from None
    except UnloadableError as err:
        if err.code:
            raise kind(f"{place}: {holds_code(err)}") from None
        raise kind(f"{place}: cannot be loaded ({err}); {again}") from None


def stored(path: str | os.PathLike) -> Path:
    """Where the weights of ``path`` are: there, or in the safetensors file beside it."""
    path = Path(path)
    safe = path.with_name(SAFE)
    return safe if path.suffix == SAVED and safe.exists() and not path.exists() else path


def convert(path: Path) -> None:
    """Replace a file of ``torch.save`` by safetensors. DataError if it is damaged, or not only tensors."""
    try:
        state = load_plain(path)
    except UnloadableError as err:
        raise DataError(f"{path}: cannot be loaded ({err}); copy the bundle again") from None
    write_weights(path.with_name(SAFE), state)
    path.unlink()


def write_weights(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by their names, in the form that the name of ``path`` says."""
    import torch

    if path.name != SAFE:
        torch.save(state, path)
        return
    from safetensors.torch import save_file

    if odd := [name for name, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise DataError(
            f"{path}: {odd[0]} is no tensor, which safetensors cannot hold; use the bundle itself"
        )
    save_file({name: value.detach().clone().contiguous() for name, value in state.items()}, path)
    path.chmod(0o644)  # safetensors makes it readable by its owner only


def _load_safe(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as err:
        raise UnloadableError(" ".join(str(err).split())[:120]) from None


def holds_code(err: UnloadableError) -> str:
    """What to say of a file of weights that would run code."""
    return (
        f"would run code if it were loaded ({err.code}), so it was not: weights are numbers and plain values"
        " alone; delete it, and get the weights from a source that you trust"
    )
