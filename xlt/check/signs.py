"""Signs that the normaliser takes out of words, though they may spell something there, and remarks in
brackets.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

from xlt.check.datadir import DataDir, Sets
from xlt.check.encoding import Finding, labels
from xlt.check.faults import Fault
from xlt.check.letters import own_scripts
from xlt.check.source_text import SAID, normalisers_of
from xlt.check.words import Seen, count
from xlt.core.config import Config
from xlt.text import signs
from xlt.text.normalise import is_part_of_word

SHARE = 0.01  # of the words; fewer may be slips of the pen, or lists and web addresses as in any text
BALANCED = 0.7  # quotation marks open about as often as they close
_BRACKETS = frozenset("()[]{}<>（）【】〔〕〈〉⟨⟩")
_APOSTROPHES = frozenset("'’‘`´′‛")  # edge_apostrophes is about them
_OPENING = frozenset('¿¡…—–―«»‹›“”„‟"*•·-')  # what a sentence or a line may begin with; * and • mark items
_BAR_ENDS = frozenset("Beng Deva Gujr Guru Knda Mlym Orya Sinh Taml Telu".split())  # typed for a danda there
_REMARK = re.compile(
    r"\[[^\[\]]+\]|\([^()]+\)|<[^<>]+>|\{[^{}]+\}|（[^（）]+）|【[^【】]+】|〔[^〔〕]+〕|⟨[^⟨⟩]+⟩|"
    r"(?<!\S)\*[^\s*][^*]*\*(?!\w)"
)
_LONGEST_REMARK = 60  # characters; more is a part of the text


@cache
def _ends(char: str) -> bool:
    """Whether a sign ends sentences or their parts in some script, or closes what was opened."""
    import regex

    return char == "…" or bool(
        regex.match(r"[\p{Terminal_Punctuation}\p{Quotation_Mark}\p{Pe}\p{Pf}\p{Pi}\p{Ps}—–―]", char)
    )


@cache
def _begins(char: str) -> bool:
    import regex

    return char in _OPENING - {"-", '"'} or bool(regex.match(r"[\p{Ps}\p{Pi}\p{Pf}]", char))


def _sign(char: str) -> bool:
    """Whether no other rule is about the character, and it is no part of a word by itself."""
    return not (
        is_part_of_word(char)
        or char in SAID
        or char in _BRACKETS
        or char in _APOSTROPHES
        or char in signs.SILENT
        or unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn", "Sc", "Cs")
    )


def places(word: str, bar_ends: bool = False) -> dict[str, str]:
    """``{sign: where}`` of the signs of a word that are not sentence punctuation at its edges: ``inside``,
    ``before`` or ``behind`` it, or ``alone``.

    >>> places("-mɤ˧,"), places("a/b."), places("|"), places("Hola!")
    ({'-': 'before'}, {'/': 'inside'}, {'|': 'alone'}, {})
    """
    letters = [place for place, char in enumerate(word) if is_part_of_word(char) and char.strip()]
    found: dict[str, str] = {}
    if not letters:
        alone = [char for char in word if _sign(char) and not _ends(char) and not _begins(char)]
        return {char: "alone" for char in alone if char != "-" and not (char == "|" and bar_ends)}
    first, last = letters[0], letters[-1]
    for char in word[first:last]:
        if _sign(char):
            found[char] = "inside"
    before = word[:first]
    for char in before if before.strip(".…") else "":  # an ellipsis may begin a text
        if _sign(char) and not _begins(char):
            found.setdefault(char, "before")
    for char in word[last + 1 :]:
        if _sign(char) and not _ends(char) and not (char == "|" and bar_ends):
            found.setdefault(char, "behind")
    return found


def signs_taken_out(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Signs that touch letters, or stand alone, in more than 1% of the words, and that the normaliser
    removes.
    """
    for data in sets.values():
        found = _taken_out(data, cfg)
        total = count(data.raw_words)
        often = {char: words for char, words in found.items() if count(words) > SHARE * total}
        if not often:
            continue
        words: dict[str, Seen] = {}
        for own in often.values():
            words |= own
        chars = {
            char: Seen(count(own), sorted(place for seen in own.values() for place in seen.places)[:3])
            for char, own in often.items()
        }
        yield Finding(data, words, "text_raw").fault(
            "warning",
            "the normaliser removes signs from {count} words ({share:.3g}%): {characters}, e.g. {words}",
            f"if they spell something, set data.keep={''.join(sorted(often))!r}; if they are read aloud,"
            " write them as words; else remove them from the source",
            count=count(words),
            share=100 * count(words) / total,
            characters=labels(chars),
            words=", ".join(map(repr, list(words)[:5])),
        )


def _taken_out(data: DataDir, cfg: Config) -> dict[str, dict[str, Seen]]:
    """``{sign: the words that it was removed from}``."""
    of, scripts = normalisers_of(data, cfg), own_scripts(data, cfg)
    bar_ends = bool(scripts and scripts & _BAR_ENDS)
    found: dict[str, dict[str, Seen]] = defaultdict(dict)
    quotes: Counter[str] = Counter()
    for word, seen in data.raw_words.items():
        if word.isalnum():
            continue
        quotes["before"] += seen.count * word.startswith('"')
        quotes["behind"] += seen.count * word.rstrip(".,;:!?…").endswith('"')
        where = places(word, bar_ends)
        left = of(word, seen) if where else ""
        for char in where:
            if not _forms(char) & set(left):
                found[char][word] = seen
    if min(quotes.values(), default=0) >= BALANCED * max(quotes.values(), default=0):
        found.pop('"', None)
    return found


def _forms(char: str) -> set[str]:
    """What a normaliser may make of a sign and still keep it."""
    return {
        char,
        char.translate(signs.ALIKE_2),
        char.translate(signs.MIDDLE),
        "״" if char in '"“”„″' else char,
    }


def remarks(text: str) -> list[str]:
    """The remarks of transcribers in a text: what stands in brackets of any kind, or between asterisks.

    >>> remarks("ja (not clear) [laughs] *coughs* 2 * 3")
    ['(not clear)', '[laughs]', '*coughs*']
    """
    return [hit for hit in _REMARK.findall(text) if len(hit) <= _LONGEST_REMARK]


def bracketed(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Marks of transcribers such as [laughter], (unintelligible) or <unk>: without their brackets they would
    be learned as spoken words.
    """
    for data in sets.values():
        found: dict[str, Seen] = {}
        for line in data.lines.get("text_raw", ()):
            for remark in remarks(line.value):
                seen = found.setdefault(remark, Seen(0, []))
                seen.count += 1
                seen.places.append((line.number, line.key))
        if found:
            often = sorted(found, key=lambda remark: -found[remark].count)
            yield Finding(data, found, "text_raw").fault(
                "warning",
                "{count} remarks in brackets, as transcribers mark noises: {words}",
                "if they are not spoken, remove them from the source; the normaliser removes the brackets"
                " only",
                count=count(found),
                words=", ".join(map(repr, often[:5])),
            )


CHECKS = (signs_taken_out, bracketed)
