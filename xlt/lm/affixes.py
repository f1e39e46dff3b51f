"""The word forms of a hunspell dictionary: stems with their prefixes and suffixes, as in hunspell(5), without
compounds.

Agglutinative languages have billions of forms. As many as are wanted are taken by their number of affixes,
stems first, and of each stem as many as of any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xlt.core.errors import DataError

if TYPE_CHECKING:
    from spylls.hunspell.data.aff import Aff, Affix

    Way = tuple[Affix, ...]  # the affixes that make a form of a stem, in the order in which they are put on

_SYMBOL = re.compile(r"\[[^\]]*\]|.")  # of a condition: one character, or a class of them
_DEEPEST = 2  # affixes of a form
_EACH = 5000  # forms of a stem that are looked at: a bound on the time
_SPREAD = (5**0.5 - 1) / 2  # stems of one paradigm give different forms of it


class Forms(NamedTuple):
    """``words``: at most as many as were asked for; ``stems``: of the dictionary; ``affixes``: the most in a
    word; ``beyond``: forms left out, at least (with up to ``affixes`` affixes); ``whole``: whether
    ``words`` are all."""

    words: list[str]
    stems: int
    affixes: int
    beyond: int
    whole: bool


def expand(dic: Path, most: int) -> Forms:
    """The forms of the dictionary ``dic``, whose .aff is beside it; DataError if it cannot be read."""
    aff, entries = _read(dic)
    affixes = _Affixes(aff)
    refused = affixes.odd - {aff.NEEDAFFIX}
    forbidden = {stem for stem, flags in entries if aff.FORBIDDENWORD in flags}
    stems = [(stem, flags) for stem, flags in entries if refused.isdisjoint(flags)]
    known: dict[str, None] = {}
    depth, beyond = 0, 0
    for depth in range(_DEEPEST + 1):
        counts = [affixes.count(stem, flags, depth) for stem, flags in stems]
        each = _even(counts, most - len(known))
        for place, (stem, flags) in enumerate(stems):
            for way in _spread(affixes.ways(stem, flags, depth), each, place) if counts[place] else ():
                known[affixes.form(stem, way)] = None
        beyond = sum(max(0, count - each) for count in counts)
        if beyond:
            break
    words = (affixes.written(form) for form in known if form not in forbidden)
    return Forms(list(islice(words, most)), len(stems), depth, beyond, not beyond)


def _even(counts: list[int], most: int) -> int:
    """The largest number of forms that each stem can give, so that together they are at most ``most``."""
    low, high = 0, max(counts, default=0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(n, middle) for n in counts) <= most else (low, middle - 1)
    return low


def _spread(ways: list[Way], most: int, place: int) -> Iterator[Way]:
    """At most so many of the ways, at even distances; from where depends on the stem's place."""
    if len(ways) <= most:
        yield from ways
    else:
        first = int(place * _SPREAD % 1 * len(ways))
        yield from (ways[(first + i * len(ways) // most) % len(ways)] for i in range(most))


class _Affixes:
    """The affixes of a dictionary, and which of them a stem takes."""

    def __init__(self, aff: Aff):
        self.aff = aff
        self.odd = {aff.FORBIDDENWORD, aff.ONLYINCOMPOUND, aff.NEEDAFFIX} - {None}
        self.sizes = {  # of the end, or the beginning, of a stem that says whether an affix fits
            (kind, flag): max(max(len(_SYMBOL.findall(one.condition)), len(one.strip)) for one in group) + 1
            for kind, table in (("s", aff.SFX), ("p", aff.PFX))
            for flag, group in table.items()
            if group
        }
        self.fitting: dict[tuple[str, str, str], list[Affix]] = {}
        self.single: dict[tuple[str, str, str], list[Way]] = {}

    def written(self, form: str) -> str:
        """How a form is written: some dictionaries have another spelling inside."""
        return self.aff.OCONV(form) if self.aff.OCONV else form

    def form(self, stem: str, way: Way) -> str:
        for affix in way:
            stem = self._put(stem, affix)
        return stem

    @staticmethod
    def _put(stem: str, affix: Affix) -> str:
        if type(affix).__name__ == "Suffix":
            return stem[: len(stem) - len(affix.strip)] + affix.add
        return affix.add + stem[len(affix.strip) :]

    def count(self, stem: str, flags: Iterable[str], depth: int) -> int:
        """How many :meth:`ways` there are."""
        if depth != 1:
            return len(self.ways(stem, flags, depth))
        return sum(len(ways) for ways in self._single(stem, flags))

    def ways(self, stem: str, flags: Iterable[str], depth: int) -> list[Way]:
        """The ways to make forms of a stem with ``depth`` affixes."""
        if depth == 0:
            return [] if self.aff.NEEDAFFIX in flags else [()]
        if depth == 1:
            return list(chain.from_iterable(self._single(stem, flags)))
        suffixes, prefixes = self._fit("s", stem, flags), self._fit("p", stem, flags)
        found: list[Way] = []
        for one in suffixes:
            form = self._put(stem, one)
            found += [(one, two) for two in self._fit("s", form, sorted(one.flags)) if self._alone(two)]
            if one.crossproduct:
                others = [*prefixes, *self._fit("p", form, sorted(one.flags))]
                found += [(one, two) for two in others if two.crossproduct and self._together(one, two)]
            if len(found) > _EACH:
                return found[:_EACH]
        return found

    def _single(self, stem: str, flags: Iterable[str]) -> Iterator[list[Way]]:
        """The ways with one affix, by flag."""
        for key in self._keys("s", stem, flags) + self._keys("p", stem, flags):
            if key not in self.single:
                self.single[key] = [(one,) for one in self._matching(key) if self._alone(one)]
            yield self.single[key]

    def _fit(self, kind: str, stem: str, flags: Iterable[str]) -> list[Affix]:
        """The suffixes (``s``) or prefixes (``p``) of these flags whose condition the stem meets."""
        found: list[Affix] = []
        for key in self._keys(kind, stem, flags):
            if key not in self.fitting:
                self.fitting[key] = self._matching(key)
            found += self.fitting[key]
        return found

    def _keys(self, kind: str, stem: str, flags: Iterable[str]) -> list[tuple[str, str, str]]:
        """Kind, flag, and the part of the stem that decides, of the flags that are affixes."""
        sized = [(flag, self.sizes[kind, flag]) for flag in flags if (kind, flag) in self.sizes]
        return [(kind, flag, stem[-size:] if kind == "s" else stem[:size]) for flag, size in sized]

    def _alone(self, affix: Affix) -> bool:
        """Whether a word may end with this affix and have no other on the other side."""
        return self.odd.isdisjoint(affix.flags) and self.aff.CIRCUMFIX not in affix.flags

    def _together(self, suffix: Affix, prefix: Affix) -> bool:
        round_both = (self.aff.CIRCUMFIX in suffix.flags) == (self.aff.CIRCUMFIX in prefix.flags)
        return round_both and (self.odd - {self.aff.NEEDAFFIX}).isdisjoint(suffix.flags | prefix.flags)

    def _matching(self, key: tuple[str, str, str]) -> list[Affix]:
        kind, flag, part = key
        meets = part.endswith if kind == "s" else part.startswith
        return [
            one
            for one in (self.aff.SFX if kind == "s" else self.aff.PFX)[flag]
            if meets(one.strip)
            and (len(one.strip) < len(part) or self.aff.FULLSTRIP)
            and one.cond_regexp.search(part)
        ]


def _read(dic: Path) -> tuple[Aff, list[tuple[str, list[str]]]]:
    """The affixes, and the stems with their flags."""
    from spylls.hunspell.readers.aff import read_aff
    from spylls.hunspell.readers.dic import read_dic
    from spylls.hunspell.readers.file_reader import FileReader

    path = dic.with_suffix(".aff")
    try:
        aff, context = read_aff(FileReader(str(path)))
        path = dic
        words = read_dic(FileReader(str(dic), encoding=context.encoding), aff=aff, context=context).words
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; a dictionary is a .dic and an .aff beside it") from None
    except (LookupError, ValueError, TypeError, AttributeError, re.error) as err:
        raise DataError(
            f"{path}: cannot be read as a dictionary of hunspell ({err}); name a word list"
        ) from None
    if not words:
        raise DataError(f"{path}: no words in it; expected a dictionary of hunspell, name another")
    return aff, [(word.stem, sorted(word.flags)) for word in words]
