"""The encoding of a text that is not UTF-8: of those that the script of its language was written in, the one
that gives words, not signs.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import regex

from xlt.core.errors import ConfigError
from xlt.text import languages
from xlt.text.scripts import COMMON, INHERITED, parts, script

# by script, the usual one first; those that decode a text alike count as one
_OF_SCRIPT = {
    "Latn": """cp1252 cp1250 cp1254 cp1257 cp1258 iso8859_2 iso8859_15 iso8859_3 iso8859_4 iso8859_9
        iso8859_10 iso8859_13 iso8859_14 iso8859_16 mac_roman mac_latin2 mac_turkish mac_iceland
        mac_romanian mac_croatian cp850 cp852 cp437 cp857 cp775 cp861 cp865""",
    "Cyrl": "cp1251 koi8_r koi8_u mac_cyrillic cp866 iso8859_5 cp855 kz1048 ptcp154 koi8_t",
    "Grek": "cp1253 iso8859_7 mac_greek cp737 cp869",
    "Hebr": "cp1255 iso8859_8 cp862",
    "Arab": "cp1256 iso8859_6",
    "Thai": "cp874",
    "Hans": "gb18030 big5hkscs",
    "Hant": "big5hkscs gb18030",
    "Jpan": "cp932 euc_jp",
    "Kore": "cp949 johab",
}
# those of a region, and the languages that are usually written in them; all others in Latin script: the first
_REGIONS = {
    "cp1252 iso8859_15 mac_roman cp850 cp437": "",
    "cp1250 iso8859_2 mac_latin2 cp852 mac_croatian": """bos ces csb dsb hrv hsb hun pol ron slk slv sqi srp
        szl tuk""",
    "cp1254 iso8859_9 mac_turkish cp857": "aze azj crh gag kmr tur uzb uzn",
    "cp1257 iso8859_13 cp775": "est lav lit liv ltg sgs vro",
    "cp1258": "vie",
}
_WORDFREQ = {"hr": "sh", "bs": "sh", "sr": "sh", "nn": "nb"}  # Serbian in Latin script only
_UTF16 = ("utf_16_le", "utf_16_be")
_LOOKED_AT = 200_000  # characters
_LEAST = -0.6  # of a text that has few signs of its own
_SURE = 0.4  # what the best is ahead by, a character, to be called sure
_QUOTES = set(
    "„“”‚‘’«»‹›–—…·•°§№€£©®×¿¡ºª½¼¾\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\ufeff"
    "、。「」『』（），！？：；《》〜・"
)
_WORD = regex.compile(r"[\p{L}\p{M}]+")


class Guess(NamedTuple):
    """An encoding; whether it is ahead of all others that give another text; and the best of those, with a
    word in both, e.g. ``("iso8859_2", "Šťastný", "©»astný")``.
    """

    encoding: str
    sure: bool
    rival: tuple[str, str, str] | None = None

    def __str__(self) -> str:
        if self.rival is None:
            return f"{self.encoding} (no other fits)"
        other, own, theirs = self.rival
        return f"{self.encoding} ({'sure' if self.sure else 'not sure'}: {own!r}, as {other} {theirs!r})"


def check_name(encoding: str | None) -> None:
    """ConfigError unless data.encoding is an encoding that Python has."""
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError:
            raise ConfigError(
                f"data.encoding: found {encoding!r}, expected an encoding such as utf-8, utf-16, cp1250 or"
                " koi8-r; null tells it from the file"
            ) from None


def guess(raw: bytes, lang: str) -> Guess | None:
    """The encoding of ``raw``, which is not UTF-8, given the language, ``ces_Latn``; None if none fits."""
    names = _UTF16 if b"\0" in raw else _OF_SCRIPT.get(lang[4:], _OF_SCRIPT["Latn"]).split()
    found: dict[str, tuple[float, str]] = {}  # text → score and encoding
    usual = "" if b"\0" in raw else _as_charset_normalizer_has_it(raw, tuple(names))
    letters, words = _known(lang)
    own = next((names for names, codes in _REGIONS.items() if lang[:3] in codes.split()), "")
    regional = (own or next(iter(_REGIONS))).split()
    for place, name in enumerate(names):
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        head = text[:_LOOKED_AT]
        if head in found or (name in _UTF16 and not _is_text(head, lang)):
            continue
        score = _score(head, lang, letters, words) + 0.2 * (name == usual) + 0.3 * (name in regional)
        score -= 0.005 * place
        found[head] = (score, name)
    if not found:
        return None
    order = sorted(found, key=lambda text: -found[text][0])
    (best, name), rest = found[order[0]], order[1:]
    if best < _LEAST:
        return None
    if not rest:
        return Guess(name, True)
    sure = best - found[rest[0]][0] > _SURE
    return Guess(name, sure, (found[rest[0]][1], *_difference(order[0], rest[0])))


def _as_charset_normalizer_has_it(raw: bytes, names: tuple[str, ...]) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(raw[:_LOOKED_AT], cp_isolation=list(names)).best()
    return best.encoding if best else ""


@functools.lru_cache(maxsize=1)
def _known(lang: str) -> tuple[frozenset[str], frozenset[str]]:
    """Letters and words of a language that wordfreq has; else none."""
    import wordfreq

    short = languages.get(lang).iso1
    short = _WORDFREQ.get(short, short) if lang[4:] == "Latn" else short
    if not short or short not in wordfreq.available_languages("small"):
        return frozenset(), frozenset()
    words = frozenset(wordfreq.top_n_list(short, 20_000))
    count = Counter(c for word in words for c in word)
    return frozenset(c for c, number in count.items() if number > 5), words


def known_share(texts: Iterable[str], lang: str) -> float:
    """The share of the words of texts that a language has, by wordfreq; 0 if wordfreq does not know it."""
    words = [word.casefold() for text in texts for word in _WORD.findall(text)]
    known = _known(lang)[1]
    return sum(word in known for word in words) / len(words) if words else 0.0


def _is_text(text: str, lang: str) -> bool:
    """Whether most characters are ASCII or of the language's script, in lines."""
    own = sum(c.isascii() or script(c) in parts(lang[4:]) for c in text)
    return "\0" not in text and ("\n" in text or "\r" in text) and own > 0.8 * len(text)


def _score(text: str, lang: str, letters: frozenset[str], words: frozenset[str]) -> float:
    """How much the characters beyond ASCII are letters of the language in words, 1 at the best without words
    that are known, below 0 at random; each counts once in each word.
    """
    total, count, scripts = 0.0, 0, {*parts(lang[4:]), COMMON, INHERITED}
    for word in {w for w in text.split() if not w.isascii()}:
        for c in (c for c in word if not c.isascii()):
            count += 1
            if c in _QUOTES:
                total += 0.5
            elif unicodedata.category(c)[0] not in "LM":
                total -= 2
            elif script(c) in scripts:
                total += 1 if not letters or c.casefold() in letters else -0.5
            else:
                total -= 1
        for part in _WORD.findall(word):
            if any(a.islower() and b.isupper() for a, b in zip(part, part[1:], strict=False)):
                total -= len(part)
            total += 2 * (part.casefold() in words and not part.isascii())
        inside = regex.findall(r"(?<=\p{L})[^\p{L}\p{M}\x00-\x7f’·\u200c\u200d\u00ad](?=\p{L})", word)
        total -= 2 * len(inside)
    return total / count if count else 0.0


def _difference(text: str, other: str) -> tuple[str, str]:
    """The first word that is another in the other text, and that one."""
    pairs = zip(*(re.split(r"[\s;,|\"]+", whole) for whole in (text, other)), strict=False)
    return next(((a[:40], b[:40]) for a, b in pairs if a != b), (text[:40], other[:40]))
