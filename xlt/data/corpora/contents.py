"""What columns mean by what is in them, where their names do not say: which names sound files, and which
holds the texts.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from xlt.data.corpora.tags import is_private
from xlt.text.encodings import known_share
from xlt.text.scripts import COMMON, INHERITED, parts, script

_FILES = 0.5  # of the values, at least, that name sound files
_LETTERS = 0.5  # of the characters of a text
_OTHERS = 0.2  # of the values that differ from each other, at least; fewer are kinds, or names of speakers
_RIVAL = 0.5  # as long as the longest texts
_KNOWN = 0.6  # of the words of a translation, which a list of frequent words has
_TRANSLATED = ("eng_Latn", "spa_Latn", "fra_Latn", "por_Latn", "deu_Latn", "rus_Cyrl")
_SAME = 0.5  # of the words, which two columns that say the same share


def path(columns: Mapping[str, Sequence[str]], names_sound: Callable[[str], int]) -> str | None:
    """The column that names sound files, most surely; of several alike the first."""
    best = max(columns, key=lambda name: _files(columns[name], names_sound), default=None)
    return best if best is not None and _files(columns[best], names_sound) > 0 else None


def _files(values: Sequence[str], names_sound: Callable[[str], int]) -> float:
    """How surely values name files, 0 to 2; 0 if less than half of them do."""
    sure = [names_sound(value) for value in values]
    hits = sum(value > 0 for value in sure)
    return sum(sure) / len(sure) if sure and hits >= _FILES * len(sure) else 0.0


def texts(columns: Mapping[str, Sequence[str]], code: str) -> list[str]:
    """The columns that may be the text in the language ``code``: one; none; or several that nothing decides
    between. The longest texts in the language's script; of two that say the same, the one without digits.
    """
    length = {name: _mean_letters(values, code) for name, values in columns.items() if not is_private(name)}
    if not any(length.values()):
        return []
    best = max(length, key=lambda name: length[name])
    rivals = [name for name in length if length[name] >= _RIVAL * length[best]]
    if len(rivals) > 1 and all(_alike(columns[best], columns[name]) for name in rivals):
        bare = [name for name in rivals if not any(c.isdigit() for value in columns[name] for c in value)]
        with_digits = [name for name in rivals if name not in bare]
        return (bare if bare and with_digits else rivals)[:1]
    return _untranslated({name: columns[name] for name in rivals}, code) if len(rivals) > 1 else rivals


def _untranslated(rivals: Mapping[str, Sequence[str]], code: str) -> list[str]:
    """Those of several columns of texts that are not in a language in which translations are written."""
    others = [lang for lang in _TRANSLATED if lang[4:] == code[4:] and lang[:3] != code[:3]]
    share = {
        name: max((known_share(values, lang) for lang in others), default=0.0)
        for name, values in rivals.items()
    }
    own = {name: known_share(values, code) for name, values in rivals.items()}
    left = [name for name in rivals if share[name] < _KNOWN or own[name] >= share[name]]
    return left or list(rivals)


def times(paths: Sequence[str], columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """The only two columns of numbers of which one is below the other in all rows, where rows share files:
    start and end.
    """
    if len(set(paths)) == len(paths):
        return None
    numbers = {}
    for name, values in columns.items():
        with contextlib.suppress(ValueError):
            numbers[name] = [float(value.replace(",", ".")) for value in values]
    pairs = [
        (a, b)
        for a, b in itertools.permutations(numbers, 2)
        if all(0 <= x < y for x, y in zip(numbers[a], numbers[b], strict=True))
    ]
    return pairs[0] if len(pairs) == 1 and len(numbers[pairs[0][0]]) == len(paths) else None


def _mean_letters(values: Sequence[str], code: str) -> float:
    """Letters of the language's script in a value of a column of texts; 0 of any other column."""
    if not values or len(set(values)) < _OTHERS * len(values):
        return 0.0
    scripts = {*parts(code[4:]), COMMON, INHERITED}
    letters = [c for value in values for c in value if unicodedata.category(c)[0] in "LM"]
    own = sum(script(c) in scripts for c in letters)
    signs = sum(not c.isspace() for value in values for c in value)
    return own / len(values) if own > _LETTERS * signs else 0.0


def _alike(texts: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two columns say the same, but for case, signs, and numbers in digits or words."""
    shares = []
    for one, other in zip(texts, others, strict=False):
        a, b = Counter(_words(one)), Counter(_words(other))
        shares.append((a & b).total() / max(a.total(), b.total(), 1))
    return sum(shares) >= _SAME * len(shares)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFC", text).casefold())
