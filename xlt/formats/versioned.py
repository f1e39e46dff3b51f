"""JSON documents whose version is read: older ones are upgraded, newer ones are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlt import __version__
from xlt.core import jsons
from xlt.core.errors import DataError
from xlt.core.paths import refuse_pipe

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """A kind of JSON document, e.g. bundle.json, and the version that this xlt writes.

    ``upgrades[n]`` turns a document of version n into one of version n + 1; there must be one for each
    version from ``oldest`` to ``version - 1``. ``oldest``: what a document without the key ``format`` is.

    >>> renamed = Format("example.json", 2, {1: lambda old: {"language": old.pop("lang"), **old}})
    >>> renamed.upgraded({"format": 1, "lang": "ron"}, "example.json")
    {'language': 'ron', 'format': 2}
    """

    name: str
    version: int
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict)
    oldest: int = 1

    def stamped(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """``document`` with today's version, to be written."""
        return {"format": self.version, **document}

    def upgraded(self, document: dict[str, Any], where: str | Path) -> dict[str, Any]:
        """``document``, read from ``where``, in today's version; ``where`` itself is left as it is.

        Raises DataError for a version that this xlt does not know, which is newer, or no version at all.
        """
        found = document.get("format", self.oldest)
        if isinstance(found, bool) or not isinstance(found, int) or found < self.oldest:
            raise DataError(f"{where}: damaged: format {found!r} is no version of {self.name}")
        if found > self.version:
            raise DataError(
                f"{where}: was written by a newer xlt (version {found} of {self.name}; xlt {__version__}"
                f" reads up to {self.version}); update xlt: git pull && tools/install.sh"
            )
        for version in range(found, self.version):
            document = {**self.upgrades[version](dict(document)), "format": version + 1}
        return document

    def read(self, path: Path, remedy: str) -> dict[str, Any]:
        """The document in the file ``path``, in today's version.

        Raises DataError, which ends in ``remedy``, if it is missing or no JSON object, and as
        :meth:`upgraded`.
        """
        refuse_pipe(path)
        try:
            document = jsons.parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; {remedy}") from None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise DataError(f"{path}: damaged; {remedy}")
        return self.upgraded(document, path)
