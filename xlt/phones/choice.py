"""Which converter turns a language's text into IPA: the one in ``languages.py``, or what the settings say."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt import languages
from xlt.errors import ConfigError

if TYPE_CHECKING:
    from xlt.sections import PhonesConfig

_TABLE = ("write a table g2p.tsv, a line each of letters (or a whole word), a tab, and IPA, e.g. `sh<tab>ʃ`, and set "
          "phones.table=g2p.tsv")


@dataclass(frozen=True)
class Choice:
    """``engine``: espeak, epitran or tsv; ``name``: espeak's voice, epitran's mapping, or the table's path."""

    code: str
    engine: str
    name: str

    def __str__(self) -> str:
        return f"{self.engine} {Path(self.name).name if self.engine == 'tsv' else self.name}"


def choose(code: str, settings: PhonesConfig) -> Choice:
    """The converter of language ``code``; imports none of them.

    ``phones.g2p=auto`` takes the user's table if there is one for the language, else what ``languages.py`` says, else
    epitran's mapping or espeak's voice of that code. ConfigError if there is none, or if the one asked for is missing.
    """
    table = _table(code, settings.table)
    if settings.g2p == "tsv" and table is None:
        raise ConfigError(f"phones.g2p=tsv: no table for {code}; {_TABLE}, or a folder that has {code}.tsv")
    if settings.g2p in ("auto", "tsv") and table is not None:
        return Choice(code, "tsv", str(table))
    own = languages.get(code).g2p.split()
    if own and settings.g2p in ("auto", own[0]):
        return Choice(code, *own)
    ways = {"epitran": epitran_mapping(code), "espeak": espeak_voice(code)}
    if settings.g2p != "auto":
        name = ways[settings.g2p]
        if name is None:
            raise ConfigError(f"phones.g2p={settings.g2p}: has nothing for {code}; use phones.g2p=auto, or {_TABLE}")
        return Choice(code, settings.g2p, name)
    if code not in languages.LANGUAGES:  # of a listed language languages.py knows best, also that nothing is good enough
        for engine, name in ways.items():
            if name is not None:
                return Choice(code, engine, name)
    raise ConfigError(f"no way is known to turn text of {code} into phones: neither languages.py nor epitran nor espeak has "
                      f"it; {_TABLE}")


def _table(code: str, path: str | None) -> Path | None:
    """The user's table for ``code``: the file, or ``<code>.tsv`` in the folder ``path``."""
    if path is None:
        return None
    if not Path(path).exists():
        raise ConfigError(f"phones.table: {path}: no such file or folder; {_TABLE}")
    if Path(path).is_dir():
        found = Path(path) / f"{code}.tsv"
        return found if found.exists() else None
    return Path(path)


def _installed(package: str) -> Path:
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def epitran_mapping(code: str) -> str | None:
    """``tur-Latn`` for ``tur_Latn`` if epitran has a mapping of that name."""
    name = code.replace("_", "-")
    return name if (_installed("epitran") / "data" / "map" / f"{name}.csv").exists() else None


def espeak_voice(code: str) -> str | None:
    """espeak's voice that is called by the language's two-letter or three-letter code."""
    language = languages.get(code)
    there = {p.name for p in (_installed("espeakng_loader") / "espeak-ng-data" / "lang").rglob("*") if p.is_file()}
    return next((name for name in (language.iso1, language.iso) if name in there), None)
