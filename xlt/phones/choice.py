"""Which converter turns a language's text into IPA: the one in ``languages.py``, or what the settings say."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.text import languages

if TYPE_CHECKING:
    from xlt.core.settings import PhonesConfig

TABLE = (
    "write a table g2p.tsv, a line each of letters (or a whole word), a tab, and IPA, e.g. `sh<tab>ʃ`, and"
    " set phones.table=g2p.tsv"
)


@dataclass(frozen=True)
class Choice:
    """``engine``: espeak, epitran or tsv; ``name``: espeak's voice, epitran's mapping, or the table's
    path.
    """

    code: str
    engine: str
    name: str

    def __str__(self) -> str:
        return f"{self.engine} {Path(self.name).name if self.engine == 'tsv' else self.name}"


def choose(code: str, settings: PhonesConfig) -> Choice:
    """The converter of language ``code``; imports none of them.

    ``phones.g2p=auto`` takes the user's table if there is one for the language, else what ``languages.py``
    says, else epitran's mapping or espeak's voice of that code, or of its macrolanguage. ConfigError if there
    is none, or if the one asked for is missing.
    """
    table = _table(code, settings.table)
    if settings.g2p == "tsv" and table is None:
        raise ConfigError(f"phones.g2p=tsv: no table for {code}; {TABLE}, or a folder that has {code}.tsv")
    if settings.g2p in ("auto", "tsv") and table is not None:
        return Choice(code, "tsv", str(table))
    language = languages.get(code)
    own = language.g2p.split()
    if own and settings.g2p in ("auto", own[0]):
        return Choice(code, *own)
    ways = {"epitran": epitran_mapping(code), "espeak": espeak_voice(code)}
    if settings.g2p != "auto":
        name = ways[settings.g2p]
        if name is None:
            raise ConfigError(
                f"phones.g2p={settings.g2p}: does not support {code}; use phones.g2p=auto, or {TABLE}"
            )
        return Choice(code, settings.g2p, name)
    if not language.listed:  # of a listed language languages.py knows best, also that nothing is good enough
        for engine, name in ways.items():
            if name is not None:
                return Choice(code, engine, name)
    there = " or ".join(f"phones.g2p={engine} ({name})" for engine, name in ways.items() if name is not None)
    if there:
        raise ConfigError(
            f"no converter of {code} to phones is reliable enough to be the default (xlt/text/languages.py);"
            f" {TABLE}, or try {there}"
        )
    raise ConfigError(
        f"no converter turns text of {code} into phones: languages.py, epitran and espeak lack it; {TABLE}"
    )


def _table(code: str, path: str | None) -> Path | None:
    """The user's table for ``code``: the file ``path`` unless it is called like another language, or
    ``<code>.tsv`` in that folder."""
    if path is None:
        return None
    if not Path(path).exists():
        raise ConfigError(f"phones.table: {path}: no such file or folder; {TABLE}")
    if Path(path).is_dir():
        found = Path(path) / f"{code}.tsv"
        return found if found.exists() else None
    return None if languages.is_code(Path(path).stem) and Path(path).stem != code else Path(path)


def choose_all(codes: Iterable[str], settings: PhonesConfig) -> dict[str, Choice]:
    """``{code: converter}``; ConfigError for a code without one, or if one table would speak for several
    languages.
    """
    found = {code: choose(code, settings) for code in sorted(codes)}
    refuse_shared_tables(found.values())
    return found


def refuse_shared_tables(choices: Iterable[Choice]) -> None:
    """ConfigError if one table would speak for several languages."""
    codes = defaultdict(set)
    for choice in choices:
        if choice.engine == "tsv":
            codes[os.path.abspath(choice.name)].add(choice.code)
    for path, own in codes.items():
        if len(own) > 1:
            raise ConfigError(
                f"phones.table: {path}: one table for several languages ({', '.join(sorted(own))}); name it"
                f" after its language, e.g. {min(own)}.tsv, or give a folder with a table"
                " for each"
            )


def _installed(package: str) -> Path:
    """The folder of a package, which is not imported. Not by the import system: a script of that name beside
    xlt's would be found first.
    """
    name = package.replace("_", "-")
    return Path(str(metadata.distribution(name).locate_file(package)))


def epitran_mapping(code: str) -> str | None:
    """``tur-Latn`` for ``tur_Latn``, ``aze-Latn`` for ``azj_Latn``, if epitran has a mapping of that name."""
    folder = _installed("epitran") / "data" / "map"
    names = (f"{iso}-{code[4:]}" for iso in languages.names_of(code[:3]))
    return next((name for name in names if (folder / f"{name}.csv").exists()), None)


def espeak_voice(code: str) -> str | None:
    """espeak's voice that is called by the language's two-letter or three-letter code, or its
    macrolanguage's.
    """
    language = languages.get(code)
    return next(
        (name for name in (language.iso1, *languages.names_of(language.iso)) if name in _espeak_voices()),
        None,
    )


@functools.cache
def _espeak_voices() -> frozenset[str]:
    """The languages that espeak's files say they are, of those whose pronunciation dictionary is there;
    without it (Faroese) a voice is silent."""
    data = _installed("espeakng_loader") / "espeak-ng-data"
    found = set()
    for path in (data / "lang").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            says = {
                key: re.findall(rf"^{key}\s+(\S+)", text, re.MULTILINE) for key in ("language", "dictionary")
            }
            dictionary = (says["dictionary"] or [path.name.split("-")[0]])[0]
            found |= set(says["language"]) if (data / f"{dictionary}_dict").exists() else set()
    return frozenset(found)
