"""``bundle.json`` of a bundle of several languages: small networks ("heads") over one frozen backbone.

    bundle.json              format 3: the backbone, the heads, digests of files and of itself
    backbone/                the weights, once; empty where they are found by name
    heads/<name>/            a bundle of one language without the backbone's weights, as stage 10 makes it
    lid/                     language identification, if it was trained (xlt/lid/store.py)

What is in a head is described by its own ``bundle.json``, whose digest stands in the one above it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from xlt import __version__
from xlt.bundle.manifest import MANIFEST, MANY, is_inside, read_manifest
from xlt.core.digests import files_in
from xlt.core.errors import DataError
from xlt.core.files import sha256
from xlt.core.stage import write_json
from xlt.formats.model_folder import BACKBONE, HEADS
from xlt.formats.typed import check
from xlt.formats.versioned import Format
from xlt.lid.store import LID, Entry

FORMAT = Format(MANIFEST, MANY, oldest=MANY)
AGAIN = "copy the whole bundle again"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_name(name: str) -> bool:
    """Whether a head may be called so: it is a folder's name, too."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class Foundation:
    """What the heads stand on. ``upstream``: its identity, as in ``xlt.json``; ``dtype``: the arithmetic."""

    upstream: Mapping[str, Any]
    dtype: str

    @property
    def name(self) -> str:
        """Its name in the registry of upstreams."""
        return str(self.upstream["upstream"])

    @property
    def hash(self) -> str:
        """First 20 hex digits of a SHA-256 over both."""
        text = json.dumps([self.upstream, self.dtype], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Head:
    """``lang``: of the model; ``tag``: of its experiment; ``layers`` of the backbone that it reads."""

    lang: str
    tag: str
    layers: str | int | list  # last, a number, or a list of them


KEYS = ("lang", "tag", "layers")


class _BackboneJson(TypedDict):
    hash: str
    dtype: str
    upstream: dict[str, Any]


class _HeadJson(TypedDict):
    lang: str
    tag: str
    layers: Any


class _Document(TypedDict):
    backbone: _BackboneJson
    heads: dict[str, _HeadJson]
    files: dict[str, str]


def _are_layers(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return bool(parts) and all(part == "last" or (type(part) is int and part >= 0) for part in parts)


@dataclass(frozen=True)
class Joined:
    """A ``bundle.json``. ``files``: SHA-256 of the backbone's files, of each head's ``bundle.json`` and of
    ``lid``'s arrays, by their paths in the bundle; ``lid``: language identification, None if there is none.
    """

    foundation: Foundation
    heads: Mapping[str, Head] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    lid: Entry | None = None

    def without(self, name: str) -> Joined:
        """The same but for a head."""
        heads = {key: head for key, head in self.heads.items() if key != name}
        files = {file: digest for file, digest in self.files.items() if file != manifest_of(name)}
        return replace(self, heads=heads, files=files)

    def with_head(self, name: str, head: Head, digest: str) -> Joined:
        """The same and a head, whose ``bundle.json`` has ``digest``."""
        return replace(
            self, heads={**self.heads, name: head}, files={**self.files, manifest_of(name): digest}
        )

    def with_lid(self, entry: Entry, digest: str) -> Joined:
        """The same with language identification, whose file of arrays has ``digest``."""
        files = {file: known for file, known in self.files.items() if not file.startswith(f"{LID}/")}
        return replace(self, lid=entry, files={**files, entry.file: digest})

    def write(self, folder: Path) -> None:
        """Write ``bundle.json``, whole or not at all."""
        document = FORMAT.stamped(
            {
                "xlt": __version__,
                "backbone": {
                    "hash": self.foundation.hash,
                    "dtype": self.foundation.dtype,
                    "upstream": dict(self.foundation.upstream),
                },
                "heads": {name: asdict(self.heads[name]) for name in sorted(self.heads)},
                "files": dict(sorted(self.files.items())),
                **({LID: self.lid.to_json()} if self.lid else {}),
            }
        )
        write_json(folder / MANIFEST, {**document, "digest": digest_of(document)})

    @classmethod
    def read(cls, folder: Path) -> Joined:
        """Of the bundle in ``folder``; DataError if it is damaged, altered, of a newer xlt, or names what is
        no part of a bundle.
        """
        path = folder / MANIFEST
        document = FORMAT.read(path, AGAIN)
        if document.pop("digest", None) != digest_of(document):
            raise DataError(f"{path}: altered or damaged since the bundle was made; {AGAIN}")
        try:
            check(document, _Document)
            backbone, files = document["backbone"], document["files"]
            foundation = Foundation(backbone["upstream"], backbone["dtype"])
            heads = {
                name: Head(**{key: head[key] for key in KEYS}) for name, head in document["heads"].items()
            }
            check(foundation.upstream.get("upstream"), str, "backbone.upstream.upstream")
            if not heads or backbone["hash"] != foundation.hash:
                raise ValueError("backbone.hash" if heads else "no heads")
            lid = Entry.from_json(document[LID], path) if LID in document else None
            if odd := [name for name, head in heads.items() if not _are_layers(head.layers)]:
                raise ValueError(f"heads.{odd[0]}.layers")
        except ValueError as err:
            raise DataError(f"{path}: damaged ({err}); {AGAIN}") from None
        expected = {manifest_of(name) for name in heads} | ({lid.file} if lid else set())
        odd = [name for name in heads if not is_name(name)] + [
            name
            for name in files
            if not is_inside(name) or (name not in expected and not name.startswith(f"{BACKBONE}/"))
        ]
        if odd:
            raise DataError(
                f"{path}: names {odd[0][:80]!r}, which is no part of a bundle; take it from whom you trust"
            )
        if lacking := sorted(expected - files.keys()):
            raise DataError(f"{path}: damaged: no digest of {lacking[0]}; {AGAIN}")
        return cls(foundation, heads, files, lid)

    def check_backbone(self, folder: Path) -> None:
        """DataError unless the files of the backbone are unchanged and lie in the bundle ``folder``."""
        for name in self.files:
            if name.startswith(f"{BACKBONE}/"):
                self._check(folder, name)

    def check_lid(self, folder: Path) -> None:
        """DataError unless the arrays of language identification are unchanged, if there is any."""
        if self.lid:
            self._check(folder, self.lid.file)

    def check_head(self, folder: Path, name: str) -> dict[str, Any]:
        """The ``bundle.json`` of a head, after a look at its digest; whoever loads the head compares those of
        its files. DataError as :meth:`check_backbone`.
        """
        self._check(folder, manifest_of(name))
        manifest = read_manifest(folder / HEADS / name)
        for file in manifest["files"]:
            refuse_links(folder, f"{HEADS}/{name}/{file}")
        return manifest

    def _check(self, folder: Path, name: str) -> None:
        refuse_links(folder, name)
        if not (folder / name).is_file():
            raise DataError(f"{folder / name}: missing; {AGAIN}")
        if sha256(folder / name) != self.files[name]:
            raise DataError(f"{folder / name}: altered or damaged since the bundle was made; {AGAIN}")

    def strangers(self, folder: Path) -> Iterator[Path]:
        """What lies in ``folder`` and is no part of the bundle; not what is hidden, what is in heads, nor a
        README.md, as published ones have it.
        """
        for path in files_in(folder):
            name = path.relative_to(folder).as_posix()
            in_head = any(name.startswith(f"{HEADS}/{head}/") for head in self.heads)
            if name not in self.files and name not in (MANIFEST, "README.md") and not in_head:
                yield path


def manifest_of(name: str) -> str:
    """Where the ``bundle.json`` of a head lies in the bundle."""
    return f"{HEADS}/{name}/{MANIFEST}"


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a ``bundle.json`` without its key ``digest``, however it is laid out."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_links(folder: Path, name: str) -> None:
    """DataError if the file ``name`` of the bundle in ``folder`` is a link, or lies behind one."""
    path = folder
    for part in Path(name).parts:
        path /= part
        if path.is_symlink():
            raise DataError(f"{path}: a link, which no part of a bundle is; take it from whom you trust")
