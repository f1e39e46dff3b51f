"""What the values of a setting must be beside their type; written with it, in :mod:`xlt.core.settings`:
``lr: Annotated[float, Positive()]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Limit:
    """A range of numbers; ``null`` is in each."""

    expected = "a number"

    def holds(self, value: Any) -> bool:
        """Whether ``value``, which has the right type, is in it."""
        raise NotImplementedError


class Positive(Limit):
    """
    >>> Positive().holds(0.1), Positive().holds(0)
    (True, False)
    """

    expected = "a number above 0"

    def holds(self, value: Any) -> bool:
        return value > 0


class Count(Limit):
    expected = "a number not below 0"

    def holds(self, value: Any) -> bool:
        return value >= 0


class AtLeast(Limit):
    """
    >>> AtLeast(3).holds(3), AtLeast(3).holds(2), AtLeast(3).expected
    (True, False, 'a number not below 3')
    """

    def __init__(self, low: int):
        self.low, self.expected = low, f"a number not below {low}"

    def holds(self, value: Any) -> bool:
        return value >= self.low


class Share(Limit):
    expected = "a share between 0 and 1"

    def holds(self, value: Any) -> bool:
        return 0 <= value <= 1


class ShareOrTag(Limit):
    """
    >>> [ShareOrTag().holds(value) for value in (0.5, {"accent": 0.5})]
    [True, True]
    >>> [ShareOrTag().holds(value) for value in (2, {"accent": 2}, {"accent": 0.5, "lang": 0.5}, {})]
    [False, False, False, False]
    """

    expected = "a share between 0 and 1, or that of a tag, e.g. {accent: 0.5}"

    def holds(self, value: Any) -> bool:
        if isinstance(value, dict):
            tag, share = next(iter(value.items()), ("", None)) if len(value) == 1 else ("", None)
            if not tag or not isinstance(tag, str) or not isinstance(share, (int, float)):
                return False
            value = share
        return 0 <= value <= 1 and not isinstance(value, bool)


@dataclass(frozen=True)
class FilePath:
    """A file or a folder, or a list or a mapping of them. Relative ones count from the recipe, those on the
    command line from where the user stands.

    ``beside``: mostly another recipe: an absolute path to what is beside this one, given on the command line,
    is kept as recipe.yaml would name it; ``part_of``: mappings with settings of this section, of which those
    are located that are paths themselves; ``words``: values that are no paths; ``scheme``: a beginning such
    as ``hunspell:``, behind which a path has a slash or the ending ``.dic``, and all else is a name.
    """

    beside: bool = False
    part_of: str = ""
    words: tuple[str, ...] = ()
    scheme: str = ""

    def split(self, text: str) -> tuple[str, str | None]:
        """A text as what stays and the path behind it, None without one.

        >>> mark = FilePath(words=("auto",), scheme="hunspell:")
        >>> mark.split("auto"), mark.split("words.txt")
        (('auto', None), ('', 'words.txt'))
        >>> mark.split("hunspell:be_BY"), mark.split("hunspell:dicts/be_BY.dic")
        (('hunspell:be_BY', None), ('hunspell:', 'dicts/be_BY.dic'))
        """
        if text in self.words:
            return text, None
        if self.scheme and text.startswith(self.scheme):
            name = text.removeprefix(self.scheme)
            return (self.scheme, name) if "/" in name or name.endswith(".dic") else (text, None)
        return "", text


@dataclass(frozen=True)
class FreeForm:
    """A mapping whose keys are the user's own: one setting, not a section of settings."""
