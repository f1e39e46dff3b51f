"""Dictionaries of hunspell, from Debian's packages or the user's own folder: which there is of a language,
where it is, and its licence.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from xlt.core.config import Config
from xlt.core.errors import ConfigError, DataError
from xlt.fetch.files import cache_root
from xlt.fetch.packages import apt_download, unpacked
from xlt.text import languages

# ISO 639-3 and Debian's package: hunspell-CODE with the language's shortest code, unless it says another
_PACKAGES = """
afr ara=hunspell-ar arg bel ben bod bos bre bul cat ces dan deu=hunspell-de-de dzo ell eng=hunspell-en-us
epo=myspell-eo est=myspell-et eus fao=myspell-fo fas=myspell-fa fra=hunspell-fr-comprehensive gla
gle=myspell-ga glg glv=myspell-gv grn=hunspell-gug guj heb=hunspell-he hin hrv hun hye=myspell-hy
ind=hunspell-id isl ita kaz kmr=hunspell-kmr kor lao lav lit mal mon nep nld nob=hunspell-no nno=hunspell-no
oci pol por=hunspell-pt-br ron rus sin slk slv spa sqi=myspell-sq srp swa=hunspell-sw swe tel
tgl=myspell-tl tha tur ukr uzb vie
"""
_FOLDERS = ("./usr/share/hunspell/", "./usr/share/myspell/dicts/")
_LICENCES = {  # what old copyright files say in words
    r"Mozilla Public License": "MPL",
    r"Lesser General Public|Library General Public|\bLGPL\b": "LGPL",
    r"(?<!Lesser )(?<!Library )General Public License|\bGPL\b": "GPL",
    r"Creative Commons|\bCC-BY": "CC",
    r"\bBSD\b": "BSD",
    r"public domain": "public domain",
}


class Dictionary(NamedTuple):
    """``dic``: the file with the stems, which has an .aff beside it; ``name``: such as ``be_BY``;
    ``licence``, ``url``: as the package says, None of a user's own."""

    dic: Path
    name: str
    licence: str | None = None
    url: str | None = None


def packages() -> dict[str, str]:
    """``{"bel": "hunspell-be", …}``: the packages by language."""
    found = {}
    for entry in _PACKAGES.split():
        iso, _, package = entry.partition("=")
        found[iso] = package or f"hunspell-{languages.tag(iso)}"
    return found


def of_language(cfg: Config) -> Dictionary:
    """The dictionary of the recipe's own language and script; DataError if none can be had."""
    lang = languages.get(cfg.language)
    known = packages()
    package = next((known[iso] for iso in languages.names_of(lang.iso) if iso in known), None)
    if package is None:
        raise DataError(
            f"lm.words={cfg.lm.words}: Debian has no hunspell dictionary of {lang.name}; name a file, or none"
        )
    folder = _unpacked(package, cfg)
    names = sorted(_names(folder), key=lambda name: _rank(name, lang.code[4:]))
    own = [name for name in names if _code(name) in _codes(lang.iso) and _script(name, lang.code[4:])]
    if not own:
        raise DataError(
            f"lm.words={cfg.lm.words}: {package} has no dictionary of {lang.code}, but {', '.join(names)};"
            " name one of them, a file, or none"
        )
    return _found(folder, own[0], package)


def named(name: str, cfg: Config) -> Dictionary:
    """The dictionary ``be_BY`` of a package, or the file ``/…/be_BY.dic``; ConfigError if there is none of
    that name, DataError if it cannot be had.
    """
    where = f"lm.words={cfg.as_given('lm.words')}"
    if "/" in name:
        dic = Path(name)
        if dic.suffix != ".dic" or not dic.is_file():
            raise ConfigError(
                f"{where}: {dic}: no such dictionary; name the .dic, which has an .aff beside it"
            )
        return Dictionary(dic, dic.stem)
    known = packages()
    package = next((known[iso] for iso in known if _code(name) in _codes(iso)), None)
    if package is None:
        raise ConfigError(
            f"{where}: no package of Debian is known for {name!r}; give the path of its .dic file, with an"
            " .aff beside it"
        )
    folder = _unpacked(package, cfg)
    if name not in _names(folder):
        raise ConfigError(f"{where}: {package} has no {name!r}; name one of {', '.join(_names(folder))}")
    return _found(folder, name, package)


def _codes(iso: str) -> set[str]:
    """The codes by which dictionaries call a language."""
    listed = {lang.iso1 for lang in languages.LANGUAGES.values() if lang.iso in languages.names_of(iso)}
    names = {code for name in languages.names_of(iso) for code in (name, languages.tag(name))}
    own = packages().get(iso, "").partition("-")[2].partition("-")[0]
    return (listed | names | ({own} if own != "no" else set())) - {""}


def _code(name: str) -> str:
    """``be_BY`` → ``be``."""
    return re.split("[_-]", name)[0].lower()


def _script(name: str, own: str) -> bool:
    """Whether a dictionary's name has no script, or this one: ``sr_Latn_RS``."""
    return all(part == own for part in re.findall(r"(?<=[_-])[A-Z][a-z]{3}(?![a-z])", name))


def _rank(name: str, script: str) -> tuple:
    """The script's own dictionary first, then the language's own country's, then the shortest name."""
    return script not in name, f"{_code(name)}_{_code(name).upper()}" != name, len(name), name


def _unpacked(package: str, cfg: Config) -> Path:
    """The folder in the cache with the dictionaries of a package and its copyright file; DataError."""
    cache = cache_root(cfg.data.cache)
    try:
        deb = apt_download(package, None, cache / "apt")
    except DataError as err:
        said = str(err).partition(". Ways out:")[0].partition(": ")[2] or str(err)
        raise DataError(
            f"lm.words={cfg.as_given('lm.words')}: {package}: {said}; connect this machine to its Debian or"
            " Ubuntu mirror, give lm.words=hunspell:PATH.dic or a file, or set lm.words=none"
        ) from None
    return unpacked(
        deb,
        cache,
        lambda name: name.startswith(_FOLDERS) or name.endswith("/copyright"),
        "dictionary; give lm.words a file, or none",
    )


def _names(folder: Path) -> list[str]:
    """The dictionaries in an unpacked package."""
    return sorted(path.stem for path in folder.rglob("*.dic") if path.with_suffix(".aff").exists())


def _found(folder: Path, name: str, package: str) -> Dictionary:
    dic = next(path for path in folder.rglob(f"{name}.dic") if path.with_suffix(".aff").exists())
    copyright_file = folder / "usr/share/doc" / package / "copyright"
    text = copyright_file.read_text("utf-8", "replace") if copyright_file.is_file() else ""
    source = re.search(r"^Source: *(\S+)", text, re.MULTILINE)
    return Dictionary(dic, name, licence(text, name, package), source[1] if source else None)


def licence(text: str, name: str, package: str) -> str:
    """The licence of the dictionary ``name`` in one line, from Debian's copyright file of its package."""
    found = ""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(Files|License): *(\S.*(?:\n +\S.*)*)", stanza, re.MULTILINE))
        patterns = fields.get("Files", "").split()
        places = [f"dictionaries/{part}/{name}.dic" for part in (name, _code(name))] + [f"{name}.dic"]
        if "License" in fields and any(fnmatch(place, one) for place in places for one in patterns):
            found = fields["License"].splitlines()[0].strip()  # of several stanzas the last holds
    if not found:
        found = ", ".join(
            short for words, short in _LICENCES.items() if re.search(words, text, re.IGNORECASE)
        )
    return found or f"not stated; see usr/share/doc/{package}/copyright"
