"""A bundle whose recognisers are loaded as they are asked for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.bundle.manifest import MANIFEST, read_manifest
from xlt.core.errors import ConfigError, DataError
from xlt.formats.model_folder import read_info

if TYPE_CHECKING:
    from xlt.bundle.transcribe import Transcriber


class Bundle:
    """The bundle in ``folder``. ``languages``: the names of its heads, such as ``ron_Latn``.

    DataError if it is damaged, or of a newer xlt. Threads may share it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        lang = read_manifest(folder).get("lang")
        lang = read_info(folder, "copy the bundle again")["lang"] if lang is None else lang
        if not isinstance(lang, str):
            raise DataError(f"{folder / MANIFEST}: damaged: lang is {lang!r}; copy the bundle again")
        self.languages: tuple[str, ...] = (lang,)
        self._lock = threading.Lock()
        self._loaded: dict[str, Transcriber] = {}

    def head(self, lang: str | None = None) -> Transcriber:
        """The recogniser of a language, loaded if it is not yet; None: of the only one.

        A name is one of :attr:`languages`, or what precedes its underscore where that is clear, e.g. ``ron``.
        ConfigError for a language that is not there, and for None where there are several.
        """
        from xlt.bundle.transcribe import Transcriber

        name = self.named(lang)
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = Transcriber(self.folder)
            return self._loaded[name]

    def named(self, lang: str | None) -> str:
        """The one of :attr:`languages` that ``lang`` means; ConfigError as :meth:`head`."""
        offered = ", ".join(self.languages)
        if lang is None:
            if len(self.languages) == 1:
                return self.languages[0]
            raise ConfigError(f"--lang: {self.folder} has several languages ({offered}); name one of them")
        meant = [name for name in self.languages if name == lang] or [
            name for name in self.languages if name.partition("_")[0] == lang
        ]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise ConfigError(f"--lang {lang}: may be {' or '.join(meant)}; give the whole name")
        raise ConfigError(f"--lang {lang}: {self.folder} does not have it; it has {offered}")
