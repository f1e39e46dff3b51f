"""Who speaks in recordings whose labels do not say so: by what their texts begin with, and by folders."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence

from xlt.data.corpora.names import SET_OF, clean
from xlt.data.corpora.tiers import somebody
from xlt.formats.labels import Label

_NAMED = re.compile(r"\s*(?:[-–—]\s*)?(\S(?:[^:\n]{0,28}\S)?):\s+(\S.*)", re.DOTALL)
_OFTEN = 3  # labels for each name, at least, on average; rarer are sentences with a colon, unless all names
# are in capitals, or none is one


def named_in_texts(files: Sequence[Sequence[Label]]) -> list[list[Label]]:
    """The labels of each file; where most texts begin with a few names, ``Ana: text``, these are their
    speakers, and those without one go on with the speaker before.
    """
    open_ones = [label for own in files for label in own if not label.speaker and label.text.strip()]
    names = Counter(hit[1] for label in open_ones if (hit := _NAMED.fullmatch(label.text)))
    total = sum(names.values())
    plain = all(name.isupper() or somebody(name, "-") != name for name in names)
    if 2 * total <= len(open_ones) or (total < _OFTEN * len(names) and not plain):
        return [list(own) for own in files]
    found = []
    for own in files:
        last, changed = "", []
        for label in own:
            if not label.speaker and (hit := _NAMED.fullmatch(label.text)):
                last = hit[1]
                label = dataclasses.replace(label, speaker=last, text=hit[2])
            elif not label.speaker:
                label = dataclasses.replace(label, speaker=last)
            changed.append(label)
        found.append(changed)
    return found


def splits_of(folders: Sequence[Sequence[str]]) -> list[str | None]:
    """The set of each recording, given the folders that it is in, where the upper ones are train and dev or
    test, and perhaps others; else None of all.
    """
    tops = [own[0] if own else "" for own in folders]
    known = {SET_OF.get(top.casefold()) for top in tops}
    if "train" not in known or not known & {"dev", "test"} or "" in tops:
        return [None] * len(tops)
    return [SET_OF.get(top.casefold()) or clean(top) for top in tops]


def speakers_of(folders: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """The folder of each recording that tells it from others, the uppermost where they differ, and what is
    below that; "" of all where they are in one.

    >>> speakers_of([["wav", "ana", "1"], ["wav", "ana", "2"], ["wav", "ion"]])
    (['ana', 'ana', 'ion'], ['1', '2', ''])
    """
    for level in range(max((len(own) for own in folders), default=0)):
        names = [own[level] if level < len(own) else "" for own in folders]
        if len(set(names)) > 1:
            return names, ["/".join(own[level + 1 :]) for own in folders]
    return [""] * len(folders), [""] * len(folders)
