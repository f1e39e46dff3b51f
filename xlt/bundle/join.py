"""Bundles of one language → one of several over their common backbone, and what is added to it or taken out.

Heads are copied as they are, so that none of them changes when others come or go. A new bundle is made in a
sibling that is renamed; in an existing one the last thing written, or the first in a removal, is
``bundle.json``: what a killed command leaves is no part of the bundle.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.bundle.joined import Foundation, Head, Joined, is_name, refuse_links
from xlt.bundle.manifest import MANIFEST, PARTNER, check_files, is_joined, read_manifest, write_manifest
from xlt.core.digests import files_in
from xlt.core.errors import ConfigError, DataError, StageError
from xlt.core.files import sha256, whole_folder
from xlt.core.locks import hold
from xlt.formats import int8
from xlt.formats.model_folder import BACKBONE, HEADS, ONNX, UPSTREAM, family_of, packed_upstream, read_info
from xlt.formats.weights import read_weights, stored, write_weights

if TYPE_CHECKING:
    from xlt.lid.classifier import Classifier

ALONE = "use it as a bundle of its own, or train with preset=fast"


@dataclass(frozen=True)
class Source:
    """A bundle of one language that can be a head. ``files``: their names, without those of the backbone;
    ``weights``: paths of the latter, none where they are found by name.
    """

    folder: Path
    manifest: dict[str, Any]
    head: Head
    foundation: Foundation
    files: tuple[str, ...]
    weights: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Of the head: in a bundle of several it has one already, else that of its language."""
        return self.folder.name if self.folder.parent.name == HEADS else self.head.lang


def join(sources: Sequence[Path], out: Path, names: Sequence[str] = (), in_int8: bool = False) -> Joined:
    """Write the bundle ``out`` with the heads of ``sources``, bundles of one language or of several.

    ``names``: of the heads in their order; without, they are called after their languages, and heads of
    several as there. ``in_int8``: store their weights in a byte each. ConfigError for a
    head that cannot share a backbone with the others, and for two of one name; DataError for what is damaged.
    """
    if out.exists():
        raise DataError(f"{out}: already exists; name a new folder, or use: xlt bundle add {out}")
    found = [read_source(folder) for place in sources for folder in _singles(place)]
    named = _named(found, names)
    with whole_folder(out) as partial:
        (partial / HEADS).mkdir()
        made = _copy_heads(partial, Joined(found[0].foundation), named, in_int8)
        made = _copy_backbone(partial, made, found)
        made.write(partial)
    return made


def add(bundle: Path, sources: Sequence[Path], names: Sequence[str] = (), in_int8: bool = False) -> Joined:
    """Add heads to a bundle of several languages, in place; it is unchanged where :func:`join` would raise an
    error.
    """
    found = [read_source(folder) for place in sources for folder in _singles(place)]
    with _alone(bundle):
        made = Joined.read(bundle)
        made.check_backbone(bundle)
        named = _named(found, names, made)
        made = _copy_heads(bundle, made, named, in_int8)
        made.write(bundle)
    return made


def remove(bundle: Path, names: Sequence[str]) -> Joined:
    """Take heads out of a bundle, in place; ConfigError for one that is not there, and for all of them."""
    with _alone(bundle):
        made = Joined.read(bundle)
        for name in names:
            if name not in made.heads:
                raise ConfigError(f"{name}: no head of {bundle}; it has {', '.join(made.heads)}")
        if not set(made.heads) - set(names):
            raise ConfigError(
                f"{bundle}: has only {', '.join(made.heads)}, and needs one; keep one, or delete the folder"
            )
        for name in names:
            made = made.without(name)
        made.write(bundle)
        for name in names:
            shutil.rmtree(bundle / HEADS / name)
    return made


def verify(bundle: Path) -> list[str]:
    """What is wrong with a bundle of several languages, a line each; DataError if its ``bundle.json`` is."""
    refuse_single(bundle)
    made, faults = Joined.read(bundle), []
    looks: list[Callable[[Path], None]] = [made.check_backbone, functools.partial(_check_lid, made)]
    looks += [functools.partial(_check_whole, made, name) for name in made.heads]
    for look in looks:
        try:
            look(bundle)
        except DataError as err:
            faults.append(str(err))
    return faults + [f"{path}: no part of the bundle; delete it" for path in made.strangers(bundle)]


def set_lid(
    bundle: Path,
    classifier: Classifier,
    layers: Sequence[int],
    clips: Mapping[str, int],
    held_out: Mapping[str, int],
) -> Joined:
    """Store language identification in a bundle, in place of what it has; see :func:`xlt.lid.store.write`."""
    from xlt.lid import store

    with _alone(bundle):
        before = Joined.read(bundle)
        made = before.with_lid(*store.write(bundle, classifier, layers, clips, held_out))
        made.write(bundle)
        if before.lid and made.lid and before.lid.file != made.lid.file:
            (bundle / before.lid.file).unlink(missing_ok=True)
    return made


def _check_lid(made: Joined, bundle: Path) -> None:
    """DataError if language identification is damaged."""
    from xlt.lid import store

    made.check_lid(bundle)
    if made.lid:
        store.read(bundle, made.lid)


def _check_whole(made: Joined, name: str, bundle: Path) -> None:
    """DataError if anything of a head is missing, altered, or no part of it."""
    manifest, head = made.check_head(bundle, name), bundle / HEADS / name
    check_files(head, manifest)
    for path in files_in(head):
        if path.relative_to(head).as_posix() not in {MANIFEST, *manifest["files"]}:
            raise DataError(f"{path}: no part of the bundle; delete it")


def read_source(folder: Path) -> Source:
    """The bundle of one language in ``folder``, looked at without loading it; ConfigError if its model shares
    no backbone, DataError if it is damaged.
    """
    manifest = read_manifest(folder)
    info = read_info(folder, "copy the bundle again")
    features = info["features"]
    if info["family"] == ONNX:
        raise ConfigError(
            f"{folder}: is exported, and stays as it is; join the bundles that were exported, and export what"
            " comes of it: xlt export onnx NEW"
        )
    if features.get("on_the_fly") or features.get("tuning") or family_of(folder, info).holds_upstream:
        raise ConfigError(
            f"{folder}: its encoder belongs to its model (family {info['family']}, trained or tuned with it),"
            f" so it can share none; {ALONE}"
        )
    if (folder / PARTNER).exists():
        raise ConfigError(
            f"{folder}: has a second model (decode.partner), which no head has; make the bundle again with"
            " decode.partner=null"
        )
    for file in manifest["files"]:
        refuse_links(folder, file)
    check_files(folder, manifest)
    from xlt.features import trained_setup

    setup = trained_setup(features, folder)
    head = Head(info["lang"], str(manifest.get("tag", "")), _layers(folder, setup.layers))
    files = tuple(name for name in manifest["files"] if not name.startswith(f"{UPSTREAM}/"))
    weights = tuple(map(Path, setup.source.files)) if packed_upstream(folder) else ()
    return Source(folder, manifest, head, Foundation(setup.source.identity, setup.dtype), files, weights)


def _layers(folder: Path, layers: str | int | list) -> str | int | list:
    from xlt.features.mix import Mix

    return Mix.load(folder).layers if layers == "mix" else layers


def _singles(place: Path) -> Iterator[Path]:
    """The bundles of one language in a bundle: itself, or its heads, whose digests are compared."""
    if is_joined(place):
        made = Joined.read(place)
        made.check_backbone(place)
        for name in made.heads:
            made.check_head(place, name)
            yield place / HEADS / name
    else:
        yield place


def _named(found: Sequence[Source], names: Sequence[str], there: Joined | None = None) -> dict[str, Source]:
    """The sources by the names of their heads, each over the backbone of the first, or of the bundle."""
    if names and len(names) != len(found):
        raise ConfigError(f"--as {','.join(names)}: names {len(names)} heads, found {len(found)}; name each")
    base = there.foundation if there else found[0].foundation
    taken: dict[str, str] = {name.lower(): "the bundle" for name in there.heads} if there else {}
    named = {}
    for one, name in zip(found, names or [one.name for one in found], strict=True):
        if one.foundation != base:
            raise ConfigError(
                f"{one.folder}: stands on another backbone: {_said(one.foundation)}; the others stand on"
                f" {_said(base)}: {ALONE} on theirs"
            )
        if not is_name(name):
            raise ConfigError(f"--as {name}: found {name!r}, expected letters, digits, - and _; rename it")
        if name.lower() in taken:  # one folder to many a file system
            raise ConfigError(
                f"{one.folder}: {taken[name.lower()]} has a head {name} already; rename one of them"
                f" in --as, e.g. --as {name}-2"
            )
        taken[name.lower()], named[name] = str(one.folder), one
    return named


def _said(foundation: Foundation) -> str:
    weights = foundation.upstream.get("weights_sha256")
    shown = f" (weights {str(weights)[:12]}…)" if weights else ""
    return f"{foundation.name}{shown} in {foundation.dtype}"


def _copy_heads(bundle: Path, made: Joined, named: dict[str, Source], in_int8: bool) -> Joined:
    """Copies that are not in ``bundle.json`` yet."""
    for name, one in named.items():
        place, partial = bundle / HEADS / name, bundle / HEADS / f".{name}.{os.getpid()}.partial"
        try:
            for file in one.files:
                (partial / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(one.folder / file, partial / file)
            if in_int8:
                _store_in_int8(partial)
            write_manifest(partial, {k: v for k, v in one.manifest.items() if k not in ("files", "format")})
            if place.exists():  # of a command that was killed
                shutil.rmtree(place)
            partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        made = made.with_head(name, one.head, sha256(place / MANIFEST))
    return made


def _store_in_int8(head: Path) -> None:
    """Rewrite the weights of a head; those that are stored so already keep their values."""
    info = read_info(head, "copy the bundle again")
    path = stored(head / family_of(head, info).weights[0])
    write_weights(path, int8.packed(read_weights(path, "copy the bundle again")))


def _copy_backbone(bundle: Path, made: Joined, found: Sequence[Source]) -> Joined:
    """With the weights of the first source that has them."""
    files = {}
    for path in next((one.weights for one in found if one.weights), ()):
        (bundle / BACKBONE).mkdir(exist_ok=True)
        shutil.copyfile(path, bundle / BACKBONE / path.name)
        files[f"{BACKBONE}/{path.name}"] = sha256(bundle / BACKBONE / path.name)
    return replace(made, files={**made.files, **files})


def refuse_single(bundle: Path) -> None:
    """DataError unless ``bundle`` is one of several languages."""
    if not is_joined(bundle):
        read_manifest(bundle)  # what is no bundle at all is told by it
        raise DataError(
            f"{bundle / MANIFEST}: is of one language; make one of several with: xlt bundle join {bundle}"
            " MORE --out NEW"
        )


@contextlib.contextmanager
def _alone(bundle: Path) -> Iterator[None]:
    """StageError if another process changes the bundle; DataError as :func:`refuse_single`."""
    refuse_single(bundle)
    with (bundle / ".lock").open("w") as handle:
        if not hold(handle):
            raise StageError(f"{bundle}: another process changes it; wait for it")
        yield
