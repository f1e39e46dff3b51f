"""Text normalisers, named and versioned, applied alike to references and hypotheses.

All of them: NFC; lower case by the language's rules; punctuation and symbols out; letters, marks and digits
kept, and so are hyphens, apostrophes and zero-width joiners inside a word; white space collapsed. What has
been normalised once is not changed by normalising it again.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from xlt.core.errors import ConfigError
from xlt.text.languages import GENERIC

_ALIKE = str.maketrans({**dict.fromkeys("’‘ʹ′＇`´", "'"), **dict.fromkeys("‐‑", "-")})
# U+02BC is a letter (a glottal stop, also at a word's end: Navajo); in Cyrillic it is an apostrophe like the
# others
_CYRILLIC_APOSTROPHE = re.compile("(?<=[\u0400-\u052f])ʼ(?=[\u0400-\u052f])")
_ZWNJ, _ZWJ = "\u200c", "\u200d"  # they shape words of Indic scripts and of Persian
_TATWEEL = "\u0640"  # stretches an Arabic word, says nothing
_ZERO_WIDTH_SPACE = "\u200b"  # parts words in Khmer, Lao, Thai
_HALF_AND_FULL = re.compile("[\uff00-\uffef]+")
_HAN = (
    "\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3031-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_BESIDE_HAN = re.compile(f"(?<=[{_HAN}]) | (?=[{_HAN}])")
_JOINERS = re.compile(f"[{_ZWNJ}{_ZWJ}]+")


def _same(text: str) -> str:
    return text


def _romanian(text: str) -> str:
    """Cedillas, which old keyboards wrote, become the commas that the language has."""
    return text.translate(str.maketrans("şţŞŢ", "șțȘȚ"))


def _catalan(text: str) -> str:
    """One form of the ela geminada (l·l), also where it was typed with a bullet or as ŀl."""
    text = text.replace("ŀ", "l·").replace("Ŀ", "L·")
    return re.sub("(?<=[lL])[•∙⋅‧・](?=[lL])", "·", text)


def _narrow(text: str) -> str:
    """Latin letters and digits as wide as a Han character, and narrow kana, in their usual form."""
    return _HALF_AND_FULL.sub(lambda hit: unicodedata.normalize("NFKC", hit[0]), text)


def _chinese(text: str) -> str:
    """The round zero is a word, said like the character that is otherwise written for it, and no digit."""
    return _narrow(text).replace("〇", "零")


def _turkic_lower(text: str) -> str:
    return text.translate(str.maketrans("Iİ", "ıi")).lower().replace("i\u0307", "i")


def sigma(word: str) -> str:
    """``word`` with ς at its end and σ elsewhere; a σ alone is a word that has lost its vowel (σ' αυτό)."""
    if word in ("σ", "ς") or word.endswith("-"):
        return word
    body = word.replace("ς", "σ")
    return body[:-1] + "ς" if body.endswith("σ") else body


@dataclass(frozen=True)
class _Rules:
    spelling: Callable[[str], str] = _same
    lower: Callable[[str], str] = str.lower
    keep: tuple[str, ...] = ()  # a sign between two letters where it is part of the spelling
    # False: a space beside a Han character or kana says nothing; punctuation and some corpora leave them
    spaced: bool = True


_RULES = {
    GENERIC: _Rules(),
    "aze-v1": _Rules(lower=_turkic_lower),
    "cat-v1": _Rules(spelling=_catalan, keep=("l·l", "L·L", "L·l", "l·L")),
    "han-v1": _Rules(spelling=_chinese, spaced=False),
    "jpan-v1": _Rules(spelling=_narrow, spaced=False),
    "ron-v1": _Rules(spelling=_romanian),
    "tur-v1": _Rules(lower=_turkic_lower),
}


def names() -> list[str]:
    """The normalisers that there are."""
    return sorted(_RULES)


def check_name(normaliser: str) -> str:
    """``normaliser`` itself; ConfigError if there is none of that name."""
    if normaliser not in _RULES:
        close = difflib.get_close_matches(str(normaliser), _RULES, n=1)
        raise ConfigError(
            f"data.normaliser: there is no normaliser {normaliser!r}; there are {', '.join(names())}"
            + (f"; did you mean {close[0]}?" if close else "")
        )
    return normaliser


@cache
def _kind(char: str) -> str:
    """``w`` part of a word, ``j`` joiner, ``-`` nothing, ``s`` anything else (becomes a space)."""
    if char in (_ZWNJ, _ZWJ):
        return "j"
    category = unicodedata.category(char)
    if char == _TATWEEL or (category in ("Cf", "Cc") and not char.isspace() and char != _ZERO_WIDTH_SPACE):
        return "-"
    return "w" if category[0] in "LMN" else "s"


def _joiners(match: re.Match) -> str:
    """Keep one joiner between two parts of a word, and a final ZWJ behind a mark, where it makes a Malayalam
    chillu.
    """
    text, start, end = match.string, match.start(), match.end()
    if start == 0 or _kind(text[start - 1]) != "w":
        return ""
    if end < len(text) and _kind(text[end]) == "w":
        return match[0][0]
    return _ZWJ if _ZWJ in match[0] and unicodedata.category(text[start - 1])[0] == "M" else ""


def normalise(text: str, normaliser: str) -> str:
    """``text`` as it is trained on and scored; ConfigError if the normaliser is not known.

    >>> normalise("Într-o zi, Ştefan…", "ron-v1")
    'într-o zi ștefan'
    """
    rules = _RULES[check_name(normaliser)]
    while (once := _pass(text, rules)) != text:  # marks that meet only when something between them has gone
        text = once
    return text


def _pass(text: str, rules: _Rules) -> str:
    text = "".join(char for char in text if _kind(char) != "-")
    text = rules.spelling(unicodedata.normalize("NFC", text).translate(_ALIKE))
    text = _CYRILLIC_APOSTROPHE.sub("'", _JOINERS.sub(_joiners, text))
    kept = []
    for place, char in enumerate(text):
        near = text[max(0, place - 1) : place + 2]  # the character between its neighbours
        inside = char in "'-" and len(near) == 3 and _kind(near[0]) in "wj" and _kind(near[2]) == "w"
        kept.append(char if inside or _kind(char) in "wj" or near in rules.keep else " ")
    text = " ".join(unicodedata.normalize("NFC", rules.lower("".join(kept))).split())
    return text if rules.spaced else _BESIDE_HAN.sub("", text)


def put_together(texts: list[str]) -> str:
    """The texts of parts of a recording as one: with a space between them, but not beside a Han character or
    kana.

    >>> put_together(["good", "day", "你好", "世界"])
    'good day你好世界'
    """
    whole = ""
    for text in filter(None, texts):
        whole += ("" if not whole or _BESIDE_HAN.search(f"{whole[-1]} {text[0]}") else " ") + text
    return whole


def has_digits(text: str) -> bool:
    """Whether ``text`` has any number sign of any script; how it is said cannot be known."""
    return any(unicodedata.category(char)[0] == "N" for char in text)
