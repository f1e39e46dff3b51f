"""fairseq's manifests: ``train.tsv``, a root folder and then lines of a file and its samples, with the texts
in ``train.wrd`` (words) or ``train.ltr`` (letters), a line for each file.
"""

from __future__ import annotations

import re
from pathlib import Path

from xlt.core.errors import DataError
from xlt.data.corpora.rows import Grid, How, decoded_as

_LABELS = (".wrd", ".ltr")
_LOOKED_AT = 20


def recognise(text: str) -> bool:
    """Whether the text is a manifest: one value in the first line, then files and numbers of samples."""
    first, *rest = text.split("\n", _LOOKED_AT)
    lines = [line.rstrip("\r").split("\t") for line in rest[: _LOOKED_AT - 1] if line.strip()]
    return (
        "\t" not in first.strip()
        and re.match(r"/|\.|\w:|[\w~]+/", first.strip()) is not None
        and bool(lines)
        and all(len(line) == 2 and line[1].strip().isdigit() for line in lines)
    )


def parse(path: Path, text: str, how: How, notes: list[str]) -> Grid:
    """The manifest with its labels; DataError if there are none, or not as many as files."""
    root, *files = [line.rstrip("\r").split("\t") for line in text.split("\n")]
    rows = [(number, values) for number, values in enumerate(files, 2) if values[0].strip()]
    found = next((own for suffix in _LABELS if (own := path.with_suffix(suffix)).is_file()), None)
    if found is None:
        others = sorted(own.name for own in path.parent.glob(f"{path.stem}.*") if own != path)
        beside = f"; beside it: {', '.join(others)}" if others else ""
        raise DataError(
            f"{path}: is a manifest of fairseq without texts{beside}; expected {path.stem}.wrd or"
            f" {path.stem}.ltr, a line for each of its {len(rows)} files. To use it as speech without texts,"
            " name the folder of its sound files in train.unlabelled"
        )
    labels, _, told = decoded_as(found, how)
    texts = labels.rstrip("\r\n").split("\n")
    if len(texts) != len(rows):
        raise DataError(
            f"{found}:{min(len(texts), len(rows)) + 1}: has {len(texts)} lines for the {len(rows)} files of"
            f" {path.name}; a line belongs to each file: make both anew"
        )
    values = [
        (number, [_path(root[0].strip(), name), size, _words(text, found.suffix)])
        for (number, (name, size)), text in zip(rows, texts, strict=True)
    ]
    return Grid(
        path,
        values,
        f"fairseq, texts of {found.name}",
        ["path", "samples", "text"],
        notes=notes + ([told] if told else []),
    )


def _path(root: str, name: str) -> str:
    """The file, from the root if that is there, since corpora are moved."""
    whole = Path(root) / name.strip()
    return str(whole) if whole.is_file() else name.strip()


def _words(line: str, suffix: str) -> str:
    """The words of a line of labels: ``E r | z i j n |`` is ``Er zijn``."""
    if suffix != ".ltr":
        return line.strip()
    return " ".join("".join(word.split()) for word in line.split("|")).strip()
