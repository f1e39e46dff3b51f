"""Errors that a user can mend. The command line prints them without a traceback and exits with status 2."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any, get_type_hints

from xlt.core.settings import Settings

_SETTING = re.compile(r"(?P<name>(?P<first>[a-z]+)(?P<rest>\.(?!(?:json|log|tsv|txt|yaml)\b)\w+)*)(=\S+)?")
_OPTION = re.compile(r"--[a-z][\w-]*( \S+)?")
_FILE = re.compile(
    r"(?P<file>(?:https?://)?"
    r"(?:[^\s:;,]+|[^\s:;,=]*/(?:(?! and )[^:;,\n])+))"  # one word, or a path with spaces behind a slash
    r"(?::(?P<line>\d+))?"
)
_IS_SECTION = {name: dataclasses.is_dataclass(kind) for name, kind in get_type_hints(Settings).items()}


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

    A message that begins otherwise, such as with two settings, has no place:

    >>> XltError("train.freeze=none and train.adapter=lora do not fit: adapters are for others").where
    ''
    """

    @property
    def where(self) -> str:
        """The first place: a file (with line), a setting (with value), an option or a name; "" if none."""
        return next(iter(_places(str(self))), "")

    @property
    def file(self) -> str:
        """The first file or folder among the places, without the line; "" if there is none."""
        return self._file[0]

    @property
    def line(self) -> int | None:
        """The line in ``file`` that is meant, from 1."""
        return self._file[1]

    @property
    def setting(self) -> str:
        """The first setting among the places, without its value; "" if there is none."""
        return next(filter(None, map(_setting, _places(str(self)))), "")

    @property
    def remedy(self) -> str:
        """What to do: what follows the last semicolon; "" if the message has none."""
        return str(self).rpartition("; ")[2] if "; " in str(self) else ""

    @property
    def _file(self) -> tuple[str, int | None]:
        for place in _places(str(self)):
            found = None if _setting(place) else _FILE.fullmatch(place)
            if found and (found["line"] or re.search(r"[./]", found["file"])):  # not one word, such as a name
                return found["file"], int(found["line"]) if found["line"] else None
        return "", None

    def __reduce__(self):  # what a worker process raises keeps its type and fields, whatever __init__ takes
        return _again, (type(self), self.args, self.__dict__)


def _setting(place: str) -> str:
    found = _SETTING.fullmatch(place)
    known = found and _IS_SECTION.get(found["first"]) == bool(found["rest"])
    return found["name"] if found and known else ""


def _places(message: str) -> list[str]:
    """The parts that end in a colon, from the first one on, as long as they name something."""
    parts = message.split(": ")[:-1]
    kinds = (_setting, _OPTION.fullmatch, _FILE.fullmatch)
    return list(itertools.takewhile(lambda part: any(kind(part) for kind in kinds), parts))


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
