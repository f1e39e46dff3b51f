"""JSON that others may have written, or that was damaged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def parse(text: str | bytes, finite: bool = False) -> Any:
    """The value of a JSON text. ValueError if it is none, and also for lists nested too deep to be read,
    for halves of characters, which cannot be written again, and, if ``finite``, for NaN and Infinity.

    >>> parse('{"a": [1, null]}')
    {'a': [1, None]}
    >>> parse('"\\\\ud800"')
    Traceback (most recent call last):
    ValueError: has half of a character (\\ud800)
    """
    try:
        how = {"parse_constant": _refuse, "parse_float": _finite} if finite else {}
        value = json.loads(text, **how)  # type: ignore[arg-type]
        if ("\\u" if isinstance(text, str) else b"\\u") in text:  # type: ignore[operator]
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeEncodeError as err:
        half = err.object[err.start]
        raise ValueError(f"has half of a character (\\u{ord(half):04x})") from None
    return value


def whole_lines(path: Path) -> list[Any]:
    """The values in a file with one a line, to which work was added until it was stopped: a torn last line,
    and what is behind it, is cut from the file. None where there is no file.
    """
    if not path.exists():
        return []
    found, whole = [], []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(True):
        try:
            value = parse(line)
        except ValueError:
            break
        if not line.endswith("\n"):
            break
        found.append(value)
        whole.append(line)
    path.write_text("".join(whole), encoding="utf-8")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    if math.isinf(value := float(word)):
        raise ValueError(f"{word} is too large")
    return value
