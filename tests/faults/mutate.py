"""Damage of files: bytes, lines, and values of JSON; each function takes and gives bytes or a document."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

PWNED = "PWNED"  # a file of this name appears if a payload runs
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = [
    "",
    " ",
    ".",
    "..",
    "-",
    "a\0b",
    "\u202e\u2066a",
    "\x1b[2J",
    "\ud800",
    "\udc80",
    "NaN",
    "-inf",
    "1e400",
    "-1",
    "0",
    "9" * 400,
    "0x10",
    "[" * 2000,
    "a" * 300,
    "ș" * 200,
    "x" * 100_000,
    '"',
    "'",
    "\t",
    "\r",
    "\n",
    "\u2028",
    ";",
    "|",
    f"touch {PWNED} |",
    f"$(touch {PWNED})",
    f"; touch {PWNED}",
    f"!!python/object/apply:os.system ['touch {PWNED}']",
    f"__import__('os').system('touch {PWNED}')",
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "http://127.0.0.1:9/x",
    "file:///dev/zero",
    "<img src=x>",
    "=1+1",
    "NaN:NaN",
    "1e308:1e308",
]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One to four changes of bytes, more of them at the beginning, where headers are."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(_BYTES)(data, _place(len(data), rng), rng)
    return data


def _place(size: int, rng: random.Random) -> int:
    if not size:
        return 0
    return rng.randrange(min(size, rng.choice((16, 64, 200, size))))


def _flip(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :] if data else data


def _number(data: bytes, at: int, rng: random.Random) -> bytes:
    kind = rng.choice(("<H", ">H", "<I", ">I", "<Q", "B"))
    size = struct.calcsize(kind)
    return data[:at] + struct.pack(kind, rng.choice(_NUMBERS) % (1 << 8 * size)) + data[at + size :]


def _cut(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at]


def _without(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + data[at + rng.randint(1, 64) :]


def _again(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + data[at : at + rng.randint(1, 64)] * rng.choice((2, 3, 100)) + data[at:]


def _noise(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + rng.randbytes(rng.randint(1, 32)) + data[at:]


def _zeros(data: bytes, at: int, rng: random.Random) -> bytes:
    count = rng.randint(1, 32)
    return data[:at] + bytes(count) + data[at + count :]


def _word(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + rng.choice(WORDS).encode("utf-8", "surrogatepass") + data[at:]


_BYTES: list[Callable[[bytes, int, random.Random], bytes]] = [
    _flip,
    _flip,
    _number,
    _number,
    _cut,
    _without,
    _again,
    _noise,
    _zeros,
    _word,
]


def damaged_text(data: bytes, rng: random.Random) -> bytes:
    """The same of a text: lines, values in them, and its encoding too."""
    if rng.random() < 0.25:
        return damaged(data, rng)
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(lines))
        how = rng.randrange(7)
        if how == 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif how == 1 and len(lines) > 1:
            del lines[at]
        elif how == 2:
            lines[at] = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b" ", b"#")) + lines[at]
        elif how == 3:
            lines[at] += rng.choice((b"\r", b" ", b"\t", b"\\", b"\x00", b"\x1a"))
        else:
            lines[at] = _in_line(lines[at], rng)
    data = b"\n".join(lines)
    return data if rng.random() < 0.97 else data.decode("utf-8", "replace").encode("utf-16")


def _in_line(line: bytes, rng: random.Random) -> bytes:
    """A value replaced by a stranger's word."""
    separator = rng.choice((b"\t", b" ", b",", b'"', b">"))
    values = line.split(separator)
    values[rng.randrange(len(values))] = rng.choice(WORDS).encode("utf-8", "surrogatepass")
    return separator.join(values)


def damaged_value(document: Any, rng: random.Random) -> Any:
    """A JSON document with one to three of its values or keys changed, at any depth."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        document = _changed(document, rng)
    return document


def _changed(value: Any, rng: random.Random) -> Any:
    children = (
        list(value) if isinstance(value, dict) else list(range(len(value) if isinstance(value, list) else 0))
    )
    if not children or rng.random() < 0.12:
        return _odd(value, rng)
    key = rng.choice(children)
    copy = dict(value) if isinstance(value, dict) else list(value)
    how = rng.random()
    if how < 0.12:
        del copy[key]
    elif how < 0.18 and isinstance(copy, dict):
        copy[rng.choice(WORDS)] = copy.pop(key)
    elif how < 0.24 and isinstance(copy, list):
        copy.insert(key, copy[key])
    else:
        copy[key] = _changed(copy[key], rng)
    return copy


def _odd(value: Any, rng: random.Random) -> Any:
    nested: Any = 1
    for _ in range(300):
        nested = [nested]
    near = [value + 1, -value, value * 1000] if type(value) in (int, float) else []
    odd = [
        None,
        True,
        -1,
        0,
        0.5,
        10**30,
        1e308,
        float("nan"),
        float("inf"),
        [],
        {},
        [value],
        {"a": value},
        nested,
    ]
    return rng.choice([*odd, *near, *rng.sample(WORDS, 4)])


def as_json(document: Any, rng: random.Random) -> bytes:
    """The document as a file: mostly as Python writes it, halves of characters as escapes."""
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def damaged_json(data: bytes, rng: random.Random) -> bytes:
    """One JSON document in bytes: its values, or the text."""
    return (
        as_json(damaged_value(json.loads(data), rng), rng) if rng.random() < 0.8 else damaged_text(data, rng)
    )


def damaged_json_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    lines[at] = damaged_json(lines[at], rng)
    return b"\n".join(lines)
