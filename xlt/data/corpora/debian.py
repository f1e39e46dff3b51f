"""Corpora in Debian packages: fetched with apt-get, or given as .deb files; unpacked into the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.core.log import say
from xlt.fetch.files import cache_root
from xlt.fetch.packages import apt_download, unpacked

# the versions that the recipes were made with
_KNOWN = {
    "asterisk-core-sounds-en": "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    "asterisk-core-sounds-en-wav": "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
    "asterisk-core-sounds-es": "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
    "asterisk-core-sounds-es-wav": "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
    "asterisk-core-sounds-fr": "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
    "asterisk-core-sounds-fr-wav": "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
    "asterisk-core-sounds-it": "3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b",
    "asterisk-core-sounds-it-wav": "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
    "asterisk-core-sounds-ru": "28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab",
    "asterisk-core-sounds-ru-wav": "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
    "festvox-ru": "21ef3f0f2978ecf2e2eddb367cb0ff4a72572196d28dc69feb84f4177af5e6c4",
    "fillets-ng-data": "25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
    "fillets-ng-data-cs": "3ecef99b9456f1c80c9625c6f2418642b52d58e7167a46bad7a412db17991b14",
    "fillets-ng-data-nl": "afb4443fda9ab507dee578b75be857d121718a1cd6017a474f30e0eb13dc9d10",
}


def package_folder(cfg: Config, package: str, wanted: Callable[[str], bool], expected: str) -> Path:
    """The files of ``package`` whose path ``wanted`` accepts, in a folder of the cache.

    The package is the .deb file that data.dir or data.archive names, or the one in the folder that
    data.archive names; else apt-get fetches it. ``expected``: what it should hold, for the error. DataError
    if the package cannot be had or holds no such file.
    """
    cache = cache_root(cfg.data.cache)
    deb = given_deb(cfg, package) or apt_download(package, None, cache / "apt")
    if package in _KNOWN and sha256(deb) != _KNOWN[package]:
        say(f"  note: {deb.name} is another version than the recipes were made with; their sets may differ")
    return unpacked(deb, cache, wanted, f"{expected}; expected {package}_*.deb")


def given_deb(cfg: Config, package: str) -> Path | None:
    """The file of ``package`` that data.dir or data.archive names, or that is in the folder data.archive;
    None if neither is about packages. DataError if it is not there.
    """
    key = "data.dir" if cfg.data.dir and cfg.data.dir.endswith(".deb") else "data.archive"
    given = cfg.data.dir if key == "data.dir" else None if cfg.data.dir else cfg.data.archive
    if not given:
        return None
    place = Path(given)
    found = sorted(place.glob(f"{package}_*.deb")) if place.is_dir() else [place] if place.is_file() else []
    if not found:
        raise DataError(f"{key}: {place}: no such file; expected {package}_*.deb")
    return found[-1]
