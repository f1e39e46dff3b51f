"""Errors that a user can mend. The command line prints them without a traceback and exits with status 2."""

from __future__ import annotations

from typing import Any


class XltError(Exception):
    """Base of all errors caused by input, settings or the machine rather than by a defect of xlt."""

    def __reduce__(self):  # what a worker process raises keeps its type and fields, whatever __init__ takes
        return _again, (type(self), self.args, self.__dict__)


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
