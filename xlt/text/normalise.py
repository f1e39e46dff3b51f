"""Text normalisers, named and versioned, applied alike to references and hypotheses.

All of them: NFC; lower case by the language's rules; punctuation and symbols out; letters, marks and digits
kept, and so are hyphens, apostrophes and zero-width joiners inside a word; white space collapsed. What has
been normalised once is not changed by normalising it again.

Version 2 goes by what belongs to a word (:mod:`xlt.text.signs`), not by Unicode's general category alone:
tone letters and word signs stay, and so do middle dots, colons and full stops between letters, in one form,
and the Mongolian vowel separator.
A name may say which further signs are letters: ``generic-v2,keep=21.7c`` keeps ! and | (code points).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

from xlt.core.errors import ConfigError
from xlt.text import signs

# U+02BC is a letter (a glottal stop, also at a word's end: Navajo); in Cyrillic it is an apostrophe like the
# others
_CYRILLIC_APOSTROPHE = re.compile("(?<=[\u0400-\u052f])ʼ(?=[\u0400-\u052f])")
_ZWNJ, _ZWJ = "\u200c", "\u200d"  # they shape words of Indic scripts and of Persian
_MVS = "\u180e"  # Mongolian vowel separator: shapes the final vowel, and tells words apart
_TATWEEL = "\u0640"  # stretches an Arabic word, says nothing
_ZERO_WIDTH_SPACE = "\u200b"  # parts words in Khmer, Lao, Thai
_HALF_AND_FULL = re.compile("[\uff00-\uffef]+")
_HAN = (
    "\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3031-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
_BESIDE_HAN = re.compile(f"(?<=[{_HAN}]) | (?=[{_HAN}])")
_JOINERS = re.compile(f"[{_ZWNJ}{_ZWJ}{_MVS}]+")


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
    version: int = 1
    letters: frozenset[str] = frozenset()  # further signs that are letters


_FIRST = {
    "generic": _Rules(),
    "aze": _Rules(lower=_turkic_lower),
    "cat": _Rules(spelling=_catalan, keep=("l·l", "L·L", "L·l", "l·L")),
    "han": _Rules(spelling=_chinese, spaced=False),
    "jpan": _Rules(spelling=_narrow, spaced=False),
    "ron": _Rules(spelling=_romanian),
    "tur": _Rules(lower=_turkic_lower),
}
_RULES = {
    f"{name}-v{version}": replace(rules, version=version)
    for name, rules in _FIRST.items()
    for version in (1, 2)
}
_KEEP = ",keep="
# at a word's end they end a sentence, also where they are letters elsewhere: no click ends a word
_NEVER_LAST = frozenset("!.,;")
_NEVER_ALONE = _NEVER_LAST | frozenset("?:")


def names() -> list[str]:
    """The normalisers that there are."""
    return sorted(_RULES)


def check_name(normaliser: str) -> str:
    """``normaliser`` itself; ConfigError if there is none of that name."""
    _rules(normaliser)
    return normaliser


def keeping(normaliser: str, letters: str) -> str:
    """The name of ``normaliser`` with further signs that are letters (the setting data.keep). ConfigError for
    white space, letters and digits, which need not be named.

    >>> keeping("generic-v2", "|!")
    'generic-v2,keep=21.7c'
    """
    for char in letters:
        if char.isspace() or _kind(char) != "s":
            raise ConfigError(
                f"data.keep={letters!r}: {char!r} is no sign that a normaliser removes; name signs only, e.g."
                " data.keep=':!|'"
            )
    codes = ".".join(f"{ord(char):x}" for char in sorted(set(letters.translate(signs.ALIKE_2))))
    return f"{normaliser}{_KEEP}{codes}" if codes else normaliser


@cache
def _rules(normaliser: str) -> _Rules:
    name, found, codes = str(normaliser).partition(_KEEP)
    if name not in _RULES:
        close = difflib.get_close_matches(name, _RULES, n=1)
        raise ConfigError(
            f"data.normaliser: there is no normaliser {normaliser!r}; there are {', '.join(names())}"
            + (f"; did you mean {close[0]}?" if close else "")
        )
    if not found:
        return _RULES[name]
    try:
        letters = frozenset(chr(int(code, 16)) for code in codes.split("."))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"data.normaliser={normaliser}: {codes!r} are no code points; set data.keep, which writes them"
        ) from None
    return replace(_RULES[name], letters=letters)


@cache
def _kind(char: str, version: int = 2) -> str:
    """``w`` part of a word, ``j`` joiner, ``-`` nothing, ``s`` anything else (becomes a space)."""
    if char in (_ZWNJ, _ZWJ) or (version > 1 and char == _MVS):
        return "j"
    category = unicodedata.category(char)
    if char == _TATWEEL or (category in ("Cf", "Cc") and not char.isspace() and char != _ZERO_WIDTH_SPACE):
        return "-"
    if version > 1 and char in signs.SILENT:
        return "-"
    return "w" if category[0] in "LMN" or (version > 1 and signs.OF_WORDS.match(char)) else "s"


def is_part_of_word(char: str) -> bool:
    """Whether version 2 of the normalisers keeps a character by itself: a letter, mark or digit, a tone
    letter, a word sign.
    """
    return _kind(char) == "w"


def says_something(text: str) -> bool:
    """Whether a normalised text has a letter, a number or a sign that is read as a word, not marks alone."""
    return any(unicodedata.category(char)[0] in "LN" or signs.is_word(char) for char in text)


def _joiners(version: int, match: re.Match) -> str:
    """Keep one joiner between two parts of a word, and a final ZWJ behind a mark, where it makes a Malayalam
    chillu.
    """
    text, start, end = match.string, match.start(), match.end()
    if start == 0 or _kind(text[start - 1], version) != "w":
        return ""
    if end < len(text) and _kind(text[end], version) == "w":
        return match[0][0]
    return _ZWJ if _ZWJ in match[0] and unicodedata.category(text[start - 1])[0] == "M" else ""


def normalise(text: str, normaliser: str) -> str:
    """``text`` as it is trained on and scored; ConfigError if the normaliser is not known.

    >>> normalise("Într-o zi, Ştefan…", "ron-v2")
    'într-o zi ștefan'
    """
    rules = _rules(normaliser)
    while (once := _pass(text, rules)) != text:  # marks that meet only when something between them has gone
        text = once
    return text


def _pass(text: str, rules: _Rules) -> str:
    new = rules.version > 1
    kind = partial(_kind, version=rules.version)
    text = "".join(char for char in text if kind(char) != "-")
    text = unicodedata.normalize("NFC", text)
    text = (
        rules.spelling(text).translate(signs.ALIKE_2)
        if new
        else rules.spelling(text.translate(signs.ALIKE_1))
    )
    text = _CYRILLIC_APOSTROPHE.sub("'", _JOINERS.sub(partial(_joiners, rules.version), text))
    if new:
        text = signs.hebrew(text)
    kept = []
    for place, char in enumerate(text):
        near = text[max(0, place - 1) : place + 2]  # the character between its neighbours
        between = len(near) == 3 and kind(near[0]) in "wj" and kind(near[2]) == "w"
        if (char in "'-" and between) or kind(char) in "wj" or near in rules.keep:
            kept.append(char)
        elif char in rules.letters and _touches(text, place, rules.letters):
            kept.append(char)
        else:
            kept.append(_inside(text, place) if new and between else " ")
    text = rules.lower("".join(kept))
    text = " ".join(unicodedata.normalize("NFC", text.translate(signs.ORDINARY) if new else text).split())
    return text if rules.spaced else _BESIDE_HAN.sub("", text)


def _inside(text: str, place: int) -> str:
    """What becomes of a sign between two parts of a word: its one form where it is part of the spelling,
    else a space.
    """
    char, before, behind = text[place].translate(signs.MIDDLE), text[place - 1], text[place + 1]
    apart = (
        char not in signs.INSIDE
        or _BESIDE_HAN.search(f"{before} {behind}")  # it parts names: 约翰·史密斯
        or "N" in (unicodedata.category(before)[0], unicodedata.category(behind)[0])  # 3.5, 12:30
        or (char == "·" and "\u0370" <= before < "\u0400")  # the Greek semicolon
        or (char == "." and signs.new_sentence(text[:place], text[place + 1 :]))
    )
    return " " if apart else char


def _touches(text: str, place: int, letters: frozenset[str]) -> bool:
    """Whether a further letter stands at a part of a word, perhaps with others of its kind between, or is a
    word itself.
    """
    first, last = place, place
    while first and text[first - 1] in letters:
        first -= 1
    while last + 1 < len(text) and text[last + 1] in letters:
        last += 1
    before, behind = text[:first][-1:], text[last + 1 :][:1]
    if (not before or before.isspace()) and (not behind or behind.isspace()):
        return text[place] not in _NEVER_ALONE
    if behind and _kind(behind) == "w":
        return True
    return text[place] not in _NEVER_LAST and before != "" and _kind(before) in "wj"


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
