"""Errors that a user can mend. The command line prints them without a traceback and exits with status 2."""


class XltError(Exception):
    """Base of all errors caused by input, settings or the machine rather than by a defect of xlt."""


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
