"""Errors that a user can mend. The command line prints them without a traceback and exits with status 2."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_type_hints

from xlt.core.settings import Settings

_KINDS = {name: dataclasses.is_dataclass(kind) for name, kind in get_type_hints(Settings).items()}
_SECTIONS = "|".join(name for name, is_section in _KINDS.items() if is_section)
_ALONE = "|".join(name for name, is_section in _KINDS.items() if not is_section)
_PLACE = re.compile(
    rf"""(?:
    command[ ]line[ ](?P<quote>['"]).*?(?P=quote)  # where a setting may be
    | --[a-z][\w-]*(?:[ ]\S+)?
    | (?P<setting>(?:{_ALONE})|(?:{_SECTIONS})\.(?!(?:json|log|tsv|txt|yaml)\b)\w+(?:\.\w+)*)
      (?:=(?:\[.*?\]|\{{.*?\}}|'.*?'|".*?"|\S+?))?
    | (?P<file>(?:https?://)?
      (?:[^\s:;,]+|[^\s:;,=]*/(?:(?![ ]and[ ])[^:;,\n])+))  # one word, or a path with spaces behind a slash
      (?::(?P<line>\d+))?
    )(?=:[ ])""",
    re.VERBOSE,
)


class XltError(Exception):
    """Base of all errors caused by input, settings or the machine rather than by a defect of xlt.

    The message reads ``where: what was found, what was expected; remedy``, and the fields are read from it,
    so that they follow a change of it, such as :func:`xlt.core.paths.plain`. ``where`` is a file, with the
    line if one is meant, a setting, an option of the command, or one word, such as the name of an upstream.
    A file may be followed by a setting in it, and a setting by the file that it names.

    >>> error = XltError("data/dev/text:3: duplicate id 'u7' (first on line 1); keep one")
    >>> error.where, error.file, error.line, error.setting, error.remedy
    ('data/dev/text:3', 'data/dev/text', 3, '', 'keep one')
    >>> error = XltError("train.lr: found 'fast', expected a number")
    >>> error.where, error.file, error.line, error.setting, error.remedy
    ('train.lr', '', None, 'train.lr', '')
    >>> XltError("recipe.yaml: train.lrr: unknown key; did you mean train.lr?").setting
    'train.lrr'
    >>> XltError("data.dir: /corpora/my ron: no such folder").file
    '/corpora/my ron'
    >>> XltError("phones.g2p=tsv: no table for ron; give phones.table").where
    'phones.g2p=tsv'
    >>> XltError("data.keep=' ': no sign; name signs only").where
    "data.keep=' '"

    A message that begins otherwise, such as with two settings, has no place:

    >>> XltError("train.freeze=none and train.adapter=lora do not fit: adapters are for others").where
    ''
    """

    @property
    def where(self) -> str:
        """The first place: a file (with line), a setting (with value), an option or a name; "" if none."""
        return next((place[0] for place in _places(str(self))), "")

    @property
    def file(self) -> str:
        """The first file or folder among the places, without the line; "" if there is none."""
        place = self._file
        return place["file"] if place else ""

    @property
    def line(self) -> int | None:
        """The line in ``file`` that is meant, from 1."""
        place = self._file
        return int(place["line"]) if place and place["line"] else None

    @property
    def setting(self) -> str:
        """The first setting among the places, without its value; "" if there is none."""
        return next((place["setting"] for place in _places(str(self)) if place["setting"]), "")

    @property
    def remedy(self) -> str:
        """What to do: what follows the last semicolon; "" if the message has none."""
        return str(self).rpartition("; ")[2] if "; " in str(self) else ""

    @property
    def _file(self) -> re.Match[str] | None:
        files = (place for place in _places(str(self)) if place["file"])
        return next((place for place in files if place["line"] or re.search(r"[./]", place["file"])), None)

    def __reduce__(self):  # what a worker process raises keeps its type and fields, whatever __init__ takes
        return _again, (type(self), self.args, self.__dict__)


def _places(message: str) -> list[re.Match[str]]:
    """The places that a message begins with, each with a colon behind it."""
    found: list[re.Match[str]] = []
    while place := _PLACE.match(message, found[-1].end() + 2 if found else 0):
        found.append(place)
    return found


def _again(kind: type[XltError], args: tuple[Any, ...], fields: dict[str, Any]) -> XltError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class ConfigError(XltError):
    """A setting is unknown, of the wrong type, or out of range."""


class DataError(XltError):
    """A corpus, a Kaldi directory or an archive is missing, damaged or inconsistent."""


class UpstreamError(XltError):
    """A pretrained model cannot be found, is damaged, or does not fit."""


class StageError(XltError):
    """A stage cannot run: its inputs are missing, or another process is writing its output."""


class MissingInput(StageError):
    """An earlier stage, called ``stage``, has not made what this one reads."""

    def __init__(self, message: str, stage: str):
        super().__init__(message)
        self.stage = stage
