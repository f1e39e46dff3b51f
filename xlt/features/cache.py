"""The shared store of features: ``<cache root>/features/<upstream>-<16 hex>/``, one folder a key, for all
recipes.

A key is the hash of everything that determines the numbers (:func:`settings`). Its folder holds
``setup.json``, which says that readably, archives with an index each
(:class:`xlt.formats.archives.ArkWriter`), the layer mix if there is one, and ``uses/``, which names the dump
folders whose scp files point here. Matrices are found by the hash of their audio, the content key: ``<hash as
in utt2audio>``, for altered copies with their tag, ``<hash>-sp0.9``.

Each run numbers its archives and never continues those of an earlier one, so what an scp points to
is never moved or overwritten.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core import jsons
from xlt.core.locks import BEAT_S, READ_ONLY, hold, holder_elsewhere, signs_of_life
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.formats.archives import Entry, read_index
from xlt.formats.versioned import Format

if TYPE_CHECKING:
    from xlt.features.extract import Setup

# of the store: raised when the same settings no longer give the same bytes
FORMAT = Format("setup.json", 1)


def store_root(cache: Path) -> Path:
    """The folder of all keys below the cache root."""
    return cache / "features"


def settings(setup: Setup) -> dict:
    """Everything that determines the features."""
    from xlt.features.extract import load_mix
    from xlt.upstreams import upstream_class

    kind, mix = upstream_class(setup.source.upstream), load_mix(setup)
    return {
        "format": FORMAT.version,
        "upstream": setup.source.identity,
        "layers": setup.layers,
        "mix": mix.digest if mix else None,
        "dtype": setup.dtype,
        "storage": setup.storage,
        "padding": kind.padding,
        "versions": {p: importlib.metadata.version(p) for p in kind.packages},
    }


class Key:
    """One folder of the store."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def for_setup(cls, cache: Path, setup: Setup) -> Key:
        """The key of a setup."""
        text = json.dumps(settings(setup), sort_keys=True, ensure_ascii=False)
        name = re.sub(r"[^\w.+]", "_", setup.source.upstream)
        return cls(store_root(cache) / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}")

    def describe(self, setup: Setup, path: str | None) -> None:
        """Write ``setup.json`` and the layer mix unless they are there; ``path``: the setting
        features.path.
        """
        if setup.mix:
            for file in ("mix.json", "mix.npz", "mix.svg"):
                if (Path(setup.mix) / file).exists() and not (self.folder / file).exists():
                    _copy(Path(setup.mix) / file, self.folder / file)
        if not (self.folder / "setup.json").exists():
            write_json(
                self.folder / "setup.json", {**settings(setup), "batch_s": setup.batch_s, "path": path}
            )

    @property
    def facts(self) -> dict:
        """What ``setup.json`` says: the settings; ``dim`` and ``frame_rate`` (Hz) once something was
        encoded.
        """
        remedy = "remove it and run stage 3 (features) of a recipe that uses it"
        return FORMAT.read(self.folder / "setup.json", remedy)

    def keep(self, dim: int, frame_rate: float) -> None:
        facts = self.facts
        if "dim" not in facts:
            write_json(self.folder / "setup.json", {**facts, "dim": dim, "frame_rate": frame_rate})

    def archives(self) -> list[Path]:
        """Archives, or what their indexes say there was, in the order of their making."""
        names = {
            p.with_suffix(".ark")
            for p in [*self.folder.glob("feats.*.ark"), *self.folder.glob("feats.*.idx")]
        }
        return sorted(names, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)])

    def new_run(self) -> int:
        """A number that no archive ever had: seconds since 1970, or more; asked for under the lock."""
        return max([int(time.time()), *(run_of(p) + 1 for p in self.archives())])

    def claim_run(self) -> int:
        """A number as :meth:`new_run` gives it, taken by making its index: of two machines whose locks do not
        reach each other, one gets it, and the other the next.
        """
        run = self.new_run()
        while True:
            try:
                self.ark(run).with_suffix(".idx").touch(exist_ok=False)
            except FileExistsError:
                run += 1
            else:
                return run

    def ark(self, run: int) -> Path:
        return self.folder / f"feats.{run}.ark"

    def entries(self, wanted: set[str], since: int = 0) -> dict[str, tuple[Path, Entry]]:
        """Where the ``wanted`` content keys are, of runs from ``since`` on: the newest that its archive still
        holds.
        """
        found = {}
        for ark in self.archives():
            if run_of(ark) >= since and ark.exists():
                size = ark.stat().st_size
                found.update(
                    {
                        key: (ark, e)
                        for key, e in read_index(ark)
                        if key in wanted and e.offset + e.size <= size
                    }
                )
        return found

    @contextlib.contextmanager
    def writing(self, who: str, wait: bool = True) -> Iterator[bool]:
        """Hold the right to write archives, for ``who``; another holder is waited for, or False comes back at
        once.
        """
        with contextlib.ExitStack() as stack:
            while True:
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    handle = stack.enter_context((self.folder / ".lock").open("a+", encoding="utf-8"))
                except FileNotFoundError:  # removed between these two lines
                    continue
                except OSError as err:
                    if err.errno not in READ_ONLY:
                        raise
                    yield True  # what is complete in a store that others share can be used
                    return
                if not hold(handle):
                    if not wait:
                        yield False
                        return
                    handle.seek(0)
                    say(
                        "  features of the same settings are being made for"
                        f" {handle.read().strip().rpartition('@')[0] or 'another run'}; waiting for it"
                    )
                    hold(handle, wait=True)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(
                        os.fstat(handle.fileno()), os.stat(handle.name)
                    ):  # else gc has removed the key
                        break
            while host := holder_elsewhere(handle):
                if not wait:
                    yield False
                    return
                say(f"  features of the same settings are being made on {host}; waiting for it")
                time.sleep(BEAT_S)
            stack.enter_context(signs_of_life(handle, who))
            yield True

    def use(self, dump: Path) -> None:
        """Note that the dump folder of a set points here."""
        shown = os.fspath(dump.absolute())
        path = self.folder / "uses" / hashlib.sha256(shown.encode()).hexdigest()[:16]
        try:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                write_json(path, {"dump": shown})
        except OSError as err:
            if err.errno not in READ_ONLY:  # there nothing is removed, either
                raise

    def users(self) -> list[Path]:
        """Dump folders that have used this key and are still there, finished or interrupted."""
        found = []
        for path in sorted((self.folder / "uses").glob("[!.]*")):
            try:
                dump = Path(jsons.parse(path.read_text(encoding="utf-8"))["dump"])
            except (OSError, ValueError, KeyError):
                continue
            if dump.is_dir() or partial_of(dump).is_dir():
                found.append(dump)
        return sorted(found)


def run_of(ark: Path) -> int:
    """The number of the run that wrote an archive."""
    return int(ark.name.split(".")[1])


def partial_of(dump: Path) -> Path:
    """Where stage 3 works on the dump folder of a set before it is finished."""
    return dump.with_name(f".{dump.name}.partial")


def keys(cache: Path) -> list[Key]:
    """All keys of the store, by name."""
    return [Key(p.parent) for p in sorted(store_root(cache).glob("*-*/setup.json"))]


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)
