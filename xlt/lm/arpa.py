r"""ARPA files of n-gram models, also gzipped: read and written.

    \data\
    ngram 1=2
    \1-grams:
    log10 p <TAB> symbols <TAB> log10 of the back-off weight
    \end\

Fields are separated by white space, so that the character ``" "`` is written ``<space>``.
"""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import numpy as np

from xlt.core.errors import DataError
from xlt.core.machine import total_memory
from xlt.lm.ngram import LN10, SPECIAL, Level, NGram

SPACE = "<space>"
_CHUNK = 50_000  # lines at a time
_BYTES = 100  # of memory for an n-gram while the file is read
_READ = {SPACE: " ", "<UNK>": "<unk>"}
_ABOVE_ONE = 1e-3  # log10 p that is still taken for rounding


def read_arpa(path: Path) -> NGram:
    """The model in an ARPA file, of which 24 bytes an n-gram stay in memory, 100 while it is read.

    DataError, with the line, if it breaks the format, holds an n-gram twice or without the shorter one that
    it continues, or lacks ``<s>``, ``</s>`` or ``<unk>``.
    """
    try:
        with path.open("rb") as raw:
            gzipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if gzipped else raw  # type: ignore[assignment]
            return _Reader(path, file).model()
    except (OSError, EOFError, zlib.error) as err:
        raise DataError(f"{path}: cannot be read ({err}); copy or download it again") from err


def write_arpa(ngram: NGram, path: Path) -> None:
    """Write a model as ARPA, gzipped if ``path`` ends in .gz; reading it gives the same probabilities."""
    names = [SPACE if symbol == " " else symbol for symbol in ngram.symbols]
    for name in names:
        if len(name.encode().split()) != 1 or name.encode().split()[0] != name.encode():
            raise DataError(f"{path}: {name!r} is no symbol for an ARPA file, which separates by white space")
    levels = [level for level in ngram.levels() if len(level.symbol)]
    with path.open("wb") as raw:
        file = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        lines = ["\\data\\", *(f"ngram {n}={len(level.symbol)}" for n, level in enumerate(levels, start=1))]
        file.write("\n".join(lines).encode() + b"\n")
        grams = [""]
        for n, level in enumerate(levels, start=1):
            last = [names[i] for i in level.symbol.tolist()]
            grams = [
                f"{grams[row]} {name}" if n > 1 else name
                for row, name in zip(level.prefix.tolist(), last, strict=True)
            ]
            file.write(f"\n\\{n}-grams:\n".encode())
            for line in _lines(level, grams, n < len(levels)):
                file.write(line)
        file.write(b"\n\\end\\\n")
        if file is not raw:
            file.close()


def _lines(level: Level, grams: list[str], is_context: bool) -> Iterator[bytes]:
    for start in range(0, len(grams), _CHUNK):
        part = slice(start, start + _CHUNK)
        logp = (level.logp[part].astype(float) / LN10).tolist()
        backoff = (level.backoff[part].astype(float) / LN10).tolist()
        # nine digits tell any two float32 apart
        rows = zip(logp, grams[part], backoff, strict=True)
        if is_context:
            yield "".join([f"{p:.9g}\t{gram}\t{b:.9g}\n" for p, gram, b in rows]).encode()
        else:
            yield "".join([f"{p:.9g}\t{gram}\n" for p, gram, _ in rows]).encode()


class _Level(NamedTuple):
    """An order as it is known so far: ``keys`` is prefix * V + symbol, sorted."""

    keys: np.ndarray
    logp: np.ndarray
    backoff: np.ndarray


class _Reader:
    def __init__(self, path: Path, file: IO[bytes]):
        self.path, self.file, self.line = path, file, 0
        self.ids: dict[str, int] = {}
        self.raw_ids: dict[bytes, int] = {}

    def fault(self, line: int, what: str) -> NoReturn:
        raise DataError(f"{self.path}:{line}: {what}")

    def next(self) -> bytes:
        """The next line that is not empty, without white space around it."""
        while raw := self.file.readline():
            self.line += 1
            if line := raw.strip():
                return line
        self.fault(self.line, "the file ends without \\end\\: it was cut; copy or download it again")

    def model(self) -> NGram:
        if (found := self.next()) != b"\\data\\":
            self.fault(
                self.line, f"found {_text(found)}, expected \\data\\: give a language model in ARPA form"
            )
        counts: list[tuple[int, int]] = []  # n-grams of an order, and the line that says so
        while not (line := self.next()).startswith(b"\\"):
            hit = re.fullmatch(rb"ngram\s+(\d+)\s*=\s*(\d+)", line)
            if not hit or int(hit[1]) != len(counts) + 1:
                self.fault(
                    self.line, f"found {_text(line)}, expected 'ngram {len(counts) + 1}=' and a number"
                )
            counts.append((int(hit[2]), self.line))
            self.fits(sum(count for count, _ in counts))
        levels: list[_Level] = []
        for n, (count, place) in enumerate(counts, start=1):
            if line != b"\\%d-grams:" % n:
                self.fault(self.line, f"found {_text(line)}, expected \\{n}-grams:")
            level, line = self.section(n, n == len(counts), levels)
            if len(level.keys) != count:
                self.fault(
                    place,
                    f"announces {count} n-grams of order {n}, and {len(level.keys)} follow; copy the file"
                    " again, or correct the number",
                )
            levels.append(level)
        if not counts or line != b"\\end\\":
            self.fault(self.line, f"found {_text(line)}, expected \\end\\")
        width = len(self.ids)
        return NGram(
            list(self.ids),
            [Level(level.keys // width, level.keys % width, level.logp, level.backoff) for level in levels],
        )

    def fits(self, total: int) -> None:
        """Refuse more n-grams than this machine's memory has room for."""
        memory = total_memory()
        if memory is not None and total * _BYTES > memory:
            self.fault(
                self.line,
                f"{total} n-grams need about {total * _BYTES / 1e9:.0f} GB of memory, this machine has"
                f" {memory / 1e9:.0f}; make a KenLM binary of it (build_binary trie), which stays on disk",
            )

    def section(self, n: int, is_last: bool, levels: list[_Level]) -> tuple[_Level, bytes]:
        """The n-grams of order ``n``, and the line behind them."""
        first = self.line + 1
        parts: list[_Level] = []
        end = b""
        while not end:
            grams, numbers, end = self.chunk(n, is_last)
            start = first + sum(len(part.keys) for part in parts)
            logp, backoff = np.array(numbers).reshape(-1, 2).T * LN10
            if bad := np.flatnonzero(~((logp <= _ABOVE_ONE) & (backoff < np.inf))).tolist():
                self.fault(start + bad[0], "log10 p must be a number up to 0, the back-off weight a number")
            keys = self.names(grams, start) if n == 1 else self.keys(grams, n, start, levels)
            parts.append(_Level(keys, np.minimum(logp, 0).astype(np.float32), backoff.astype(np.float32)))
        level = _Level(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        if n == 1:
            return self.special(level, first - 1), end
        order = np.argsort(level.keys, kind="stable")
        level = _Level(*(column[order] for column in level))
        if len(twice := np.flatnonzero(np.diff(level.keys) == 0)):
            second = int(order[twice + 1].min())
            self.fault(first + second, "an n-gram that was there before; keep one")
        return level, end

    def chunk(self, n: int, is_last: bool) -> tuple[list[bytes], array[float], bytes]:
        """Symbols of up to ``_CHUNK`` n-grams in one list, their two numbers likewise, and the line behind.

        That line is empty if the section may go on.
        """
        grams: list[bytes] = []
        numbers = array("d")
        number = numbers.append
        for _ in range(_CHUNK):
            raw = self.file.readline()
            self.line += 1
            fields = raw.split()
            width = len(fields)
            try:
                if width == n + 2:
                    number(float(fields[0]))
                    number(float(fields[-1]))
                    grams += fields[1:-1]
                elif width == n + 1:
                    number(float(fields[0]))
                    number(0.0)
                    grams += fields[1:]
                elif not fields or fields[0].startswith(b"\\"):
                    self.line -= not raw  # the end of the file is no line
                    return grams, numbers, fields[0] if fields else self.next()
                else:
                    kind = f"log10 p, {n} symbols" + ("" if is_last else " and perhaps a back-off weight")
                    self.fault(self.line, f"{width} fields, expected {kind}: {_text(raw.strip())}")
            except ValueError:
                self.fault(self.line, f"no number where one should be: {_text(raw.strip())}")
        return grams, numbers, b""

    def names(self, grams: list[bytes], start: int) -> np.ndarray:
        """Take the symbols of single symbols; returns their numbers in the file."""
        for line, raw in enumerate(grams, start=start):
            try:
                name = raw.decode()
            except UnicodeDecodeError:
                self.fault(line, f"{_text(raw)} is not UTF-8; convert the file: iconv -t UTF-8")
            name = _READ.get(name, name)
            if name in self.ids:
                self.fault(line, f"{name!r} was there before; keep one")
            self.ids[name] = len(self.ids)
        return np.arange(len(self.ids) - len(grams), len(self.ids))

    def special(self, level: _Level, header: int) -> _Level:
        """Number the symbols anew: ``<s>``, ``</s>`` and ``<unk>``, then as in the file."""
        for name in SPECIAL:
            if name not in self.ids:
                self.fault(
                    header,
                    f"{name} is not among the 1-grams; estimate the model with it (SRILM: -unk), or add the"
                    f" line '-7 {name}' and count it in 'ngram 1='",
                )
        names = [*SPECIAL, *(name for name in self.ids if name not in SPECIAL)]
        places = np.array([self.ids[name] for name in names])
        self.ids = {name: i for i, name in enumerate(names)}
        self.raw_ids = {name.encode(): i for name, i in self.ids.items()}
        self.raw_ids |= {raw.encode(): self.ids[name] for raw, name in _READ.items() if name in self.ids}
        return _Level(np.arange(len(names)), level.logp[places], level.backoff[places])

    def keys(self, grams: list[bytes], n: int, start: int, levels: list[_Level]) -> np.ndarray:
        """Of n-grams of ``n`` symbols each, prefix * V + symbol."""
        try:
            ids = np.fromiter(map(self.raw_ids.__getitem__, grams), np.int64, len(grams)).reshape(-1, n)
        except KeyError as err:
            line = start + grams.index(err.args[0]) // n
            self.fault(line, f"{_text(err.args[0])} is not among the 1-grams; the file is damaged or edited")
        rows = ids[:, 0]
        for level, symbol in zip(levels[1:], ids.T[1:], strict=False):
            wanted = rows * len(self.ids) + symbol
            rows = np.searchsorted(level.keys, wanted)
            found = level.keys[np.minimum(rows, len(level.keys) - 1)] if len(level.keys) else -1 - wanted
            if len(lost := np.flatnonzero(found != wanted)):
                self.fault(
                    start + int(lost[0]), f"an n-gram of {n} symbols without that of its first {n - 1}"
                )
        return rows * len(self.ids) + ids[:, -1]


def _text(raw: bytes) -> str:
    """Some of a line, for a message."""
    text = raw.decode(errors="replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
