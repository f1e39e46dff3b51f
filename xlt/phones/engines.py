"""The converters of text into IPA: espeak-ng through phonemizer, epitran, and the user's table."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from xlt.core.errors import DataError
from xlt.phones.choice import Choice


class Engine(Protocol):
    """Call it with texts: the IPA of each, words parted by spaces. ``unmapped``: letters that it has no rule
    for, counted; ``guess``: what became of them. ``tones``: marks, alone or on a letter, that came out as
    IPA's marks of tone, counted. ``foreign``: texts with words that it read as another language."""

    guess: str
    unmapped: Counter
    tones: Counter
    foreign: int

    def __call__(self, texts: list[str]) -> list[str]: ...


def make(choice: Choice) -> Engine:
    """The converter of ``choice``, loaded."""
    kinds: dict[str, Callable[[Choice], Engine]] = {"espeak": Espeak, "epitran": Epitran, "tsv": Table}
    return kinds[choice.engine](choice)


def is_grapheme(char: str) -> bool:
    """Letters, marks and digits sound; hyphens and apostrophes do not, unless a table says so."""
    return unicodedata.category(char)[0] in "LMN"


_SCRIPTS = {
    "Latn": "LATIN",
    "Cyrl": "CYRILLIC",
    "Grek": "GREEK",
    "Armn": "ARMENIAN",
    "Geor": "GEORGIAN",
    "Hebr": "HEBREW",
    "Arab": "ARABIC",
    "Hans": "CJK",
    "Hang": "HANGUL",
}

_TONES = (  # grave, acute, circumflex, macron, double acute, caron, double grave
    "\u0300\u0301\u0302\u0304\u030b\u030c\u030f"
)


class Espeak:
    """espeak-ng's voice ``choice.name``. Whole texts, as French joins words; words of other languages are
    read by theirs.

    It says something for every letter there is, so letters of another script than the language's count as
    unmapped.
    """

    guess = "read by another language's rules"
    _FLAG = re.compile("\\([a-z0-9\u0361-]+\\)")  # (en)word(fr), perhaps with a tie in it

    def __init__(self, choice: Choice):
        import espeakng_loader
        from phonemizer.backend import EspeakBackend
        from phonemizer.backend.espeak.wrapper import EspeakWrapper

        EspeakWrapper.set_library(espeakng_loader.get_library_path())
        EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
        quiet = logging.getLogger("xlt.espeak")
        quiet.setLevel(logging.CRITICAL)  # what it warns of is counted here
        self._backend = EspeakBackend(
            choice.name,
            with_stress=False,
            tie=True,
            language_switch="keep-flags",
            words_mismatch="ignore",
            logger=quiet,
        )
        self._script = _SCRIPTS.get(choice.code[4:])
        self.unmapped: Counter = Counter()
        self.tones: Counter = Counter()
        self.foreign = 0

    def __call__(self, texts: list[str]) -> list[str]:
        if self._script:
            self.unmapped.update(
                c
                for text in texts
                for c in text
                if unicodedata.category(c)[0] == "L" and not unicodedata.name(c, "").startswith(self._script)
            )
        found = []
        for ipa in self._backend.phonemize(texts, strip=True):
            plain = self._FLAG.sub("", ipa)
            self.foreign += plain != ipa
            found.append(plain)
        return found


class Epitran:
    """epitran's mapping ``choice.name``; letters without a rule stay as they are."""

    guess = "left as they are"

    def __init__(self, choice: Choice):
        import epitran

        self._epitran = epitran.Epitran(choice.name)
        letters = "".join(self._epitran.epi.g2p)
        self._known = set(letters + unicodedata.normalize("NFD", letters))
        self._words: dict[str, str] = {}
        self.unmapped: Counter = Counter()
        self.tones: Counter = Counter()
        self.foreign = 0

    def __call__(self, texts: list[str]) -> list[str]:
        return [" ".join(map(self._word, text.split())) for text in texts]

    def _word(self, word: str) -> str:
        if word not in self._words:
            self._words[word] = self._epitran.transliterate(word)
        for c in word:  # a letter that no rule has, and that came out as it went in
            if is_grapheme(c) and c not in self._known and c in self._words[word]:
                (self.tones if self._is_tone(c) else self.unmapped)[c] += 1
        return self._words[word]

    def _is_tone(self, char: str) -> bool:
        """``à`` where ``a`` is known: tone, in the orthographies that epitran maps and in IPA."""
        marks = unicodedata.normalize("NFD", char)
        plain = "".join(c for c in marks if c not in _TONES)
        return plain != marks and all(c in self._known for c in plain)


class Table:
    """The user's table: letters, or a whole word, a tab, IPA. A whole word counts first, then the longest
    letters.
    """

    guess = "left as they are"

    def __init__(self, choice: Choice):
        self.rows = read_tsv(Path(choice.name))
        self._longest = max(map(len, self.rows))
        self.unmapped: Counter = Counter()
        self.tones: Counter = Counter()
        self.foreign = 0

    def __call__(self, texts: list[str]) -> list[str]:
        return [" ".join(map(self._word, text.split())) for text in texts]

    def _word(self, word: str) -> str:
        if word in self.rows:
            return self.rows[word]
        ipa, at = "", 0
        while at < len(word):
            size = next(
                (
                    n
                    for n in range(min(self._longest, len(word) - at), 0, -1)
                    if word[at : at + n] in self.rows
                ),
                0,
            )
            if size:
                ipa += self.rows[word[at : at + size]]
            elif is_grapheme(word[at]):
                self.unmapped[word[at]] += 1
                ipa += word[at]
            at += max(1, size)
        return ipa


def read_tsv(path: Path) -> dict[str, str]:
    """The rows of a table; lines that start with # are comments. No IPA behind the tab: the letters are
    silent.

    DataError with the line for bytes that are not UTF-8, a line without a tab, duplicate letters, an
    empty table.
    """
    rows: dict[str, str] = {}
    first: dict[str, int] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as err:
        raise DataError(f"{path}: not UTF-8 text (byte {err.start}); save it as UTF-8") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, tab, ipa = line.partition("\t")
        key = unicodedata.normalize("NFC", key.strip())
        if not tab or not key:
            raise DataError(f"{path}:{number}: {line!r}: expected letters, a tab, IPA, e.g. `sh<tab>ʃ`")
        if first.setdefault(key, number) != number:
            raise DataError(
                f"{path}:{number}: duplicate letters {key!r} (first on line {first[key]}); keep one"
            )
        rows[key] = "".join(ipa.split())
    if not rows:
        raise DataError(f"{path}: holds no rows; expected letters, a tab, IPA, e.g. `sh<tab>ʃ`")
    return rows
