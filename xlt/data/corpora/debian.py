"""Corpora in Debian packages: fetched with apt-get, or given as .deb files; unpacked into the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.locks import only_one
from xlt.core.log import say
from xlt.fetch.deb import unpack
from xlt.fetch.files import cache_root, sha256
from xlt.fetch.packages import apt_download


def package_folder(
    cfg: Config, package: str, wanted: Callable[[str], bool], expected: str, deb: Path | None = None
) -> Path:
    """The files of ``package`` whose path ``wanted`` accepts, in a folder of the cache.

    ``deb``: the package file, None to fetch it. ``expected``: what it should hold, for the error.
    DataError if the package cannot be had or holds no such file.
    """
    cache = cache_root(cfg.data.cache)
    deb = deb or apt_download(package, None, cache / "apt")
    if not deb.is_file():
        raise DataError(
            f"{'data.dir' if cfg.data.dir else 'data.archive'}: {deb}: no such file; expected {package}_*.deb"
        )
    folder = cache / "unpacked" / f"{deb.stem}-{sha256(deb)[:12]}"
    with only_one(cache / "unpacked", deb.name):
        if not folder.is_dir():
            say(f"  unpacks {deb.name} into {folder}")
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            if not unpack(deb, partial, wanted):
                raise DataError(f"{deb}: holds no {expected}; expected {package}_*.deb")
            partial.rename(folder)
    return folder


def given_deb(cfg: Config) -> Path | None:
    """The .deb file that data.dir or data.archive names, or None."""
    given = cfg.data.dir if cfg.data.dir and cfg.data.dir.endswith(".deb") else None
    given = given or (None if cfg.data.dir else cfg.data.archive)
    return Path(given) if given else None
