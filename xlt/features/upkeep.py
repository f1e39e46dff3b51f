"""Upkeep of the shared store: what is there, what nobody uses, what is damaged, and its repair in place.

A repaired matrix has the size of the damaged one, which depends on shape and storage only, so every scp stays
valid; its last bits may differ, since it was encoded in another batch, and so its checksum is written anew.
"""

from __future__ import annotations

import functools
import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.augment import Copy
from xlt.audio.augment.sounds import Sounds
from xlt.core import jsons
from xlt.core.errors import DataError, UpstreamError
from xlt.core.stage import atomic_text, renew
from xlt.features.cache import Key, partial_of, run_of
from xlt.features.copies import Source, read_sources
from xlt.formats.archives import Entry, index_line, read_index
from xlt.formats.matrix import read_stored, stored_size
from xlt.formats.tables import read_table, write_table

if TYPE_CHECKING:
    from xlt.features.extract import Clip

UNLISTED, UNREADABLE = "not in the index", "lines of the index cannot be read"
OUTDATED = "the checksum in utt2crc is an older one"


@dataclass
class Damage:
    """A matrix that is not what was stored, and the utterances that need it: ``(dump folder, utterance)``."""

    ark: Path
    content: str  # content key
    entry: Entry
    what: str
    users: list[tuple[Path, str]] = field(default_factory=list)


def used(key: Key) -> set[Path]:
    """Archives that a living dump folder points to, or that an interrupted run needs to go on."""
    found, planned = set(), set()
    for dump in key.users():
        planned |= _planned(partial_of(dump))
        for folder in (partial_of(dump), dump):  # in this order: the one may become the other just now
            if (folder / "feats.scp").exists():
                found |= {
                    Path(place.rpartition(":")[0]) for place in read_table(folder / "feats.scp").values()
                }
    found |= {ark for ark, _ in key.entries(planned).values()}
    return {ark for ark in key.archives() if ark in found}


def _planned(partial: Path) -> set[str]:
    """Content keys of the set that a run was working on."""
    try:
        return set(jsons.parse((partial / "plan.json").read_text(encoding="utf-8"))["needs"])
    except (OSError, ValueError, KeyError):
        return set()


def size_of(key: Key) -> int:
    """Bytes of all files of a key."""
    return sum(p.stat().st_size for p in key.folder.rglob("*") if p.is_file())


def frames_of(key: Key) -> int:
    """Frames of the different audio that is stored."""
    return sum(
        {
            content: e.frames for ark in key.archives() if ark.exists() for content, e in read_index(ark)
        }.values()
    )


def collect(key: Key, dry_run: bool) -> tuple[list[Path], int] | None:
    """Remove archives that nothing uses, and the key if none is left; what went, and its bytes. None if it is
    in use.
    """
    with key.writing("xlt cache gc", wait=False) as mine:
        if not mine:
            return None
        keep = used(key)
        if not keep:
            size = size_of(key)
            if not dry_run:
                shutil.rmtree(key.folder)
            return [key.folder], size
        gone = [ark for ark in key.archives() if ark not in keep]
        files = [p for ark in gone for p in (ark, ark.with_suffix(".idx")) if p.exists()] + [
            *key.folder.glob("repair.*")
        ]
        size = sum(p.stat().st_size for p in files)
        for path in files if not dry_run else []:
            path.unlink()
        return gone, size


def damages(key: Key) -> Iterator[Damage]:
    """Matrices that are missing, cut short, or whose checksum differs; where an index is lost, what scp files
    point to.
    """
    points = _pointers(key)
    crcs = functools.cache(_crcs)
    for ark in sorted({*key.archives(), *(ark for ark, _ in points)}, key=lambda a: (run_of(a), a.name)):
        entries, lines = _readable(ark)
        listed = {e.offset: (content, e) for content, e in entries}
        mine = {offset: users for (path, offset), users in points.items() if path == ark}
        lost = {
            offset: _from_dump(key, offset, *users[0])
            for offset, users in mine.items()
            if offset not in listed
        }
        handle = ark.open("rb") if ark.exists() else None
        try:
            for offset, (content, entry) in sorted((listed | lost).items()):
                what = _wrong(handle, entry) or (UNLISTED if offset in lost else None)
                users = mine.get(offset, [])
                if what:
                    yield Damage(ark, content, entry, what, users)
                    continue
                stored = f"{entry.crc:08x}"
                if behind := [(dump, utt) for dump, utt in users if crcs(dump).get(utt) != stored]:
                    yield Damage(ark, content, entry, OUTDATED, behind)
        finally:
            if handle:
                handle.close()
        if len(entries) < lines:
            yield Damage(ark, "", Entry(0, 0, 0, 0), UNREADABLE)


def _crcs(dump: Path) -> dict[str, str]:
    path = dump / "utt2crc"
    return read_table(path) if path.exists() else {}


def outdated(dump: Path) -> str | None:
    """The first utterance of a dump folder whose checksum in ``utt2crc`` is not that of the store's index, as
    after a repair that did not reach this folder; None if there is none.
    """
    listed: dict[str, dict[int, int]] = {}
    crcs = _crcs(dump)
    for utt, place in read_table(dump / "feats.scp").items():
        ark, _, offset = place.rpartition(":")
        if ark not in listed:
            listed[ark] = {entry.offset: entry.crc for _, entry in _readable(Path(ark))[0]}
        crc = listed[ark].get(int(offset)) if offset.isdigit() else None
        if crc is not None and crcs.get(utt) != f"{crc:08x}":
            return utt
    return None


def _wrong(handle, entry: Entry) -> str | None:
    """What is wrong with a matrix, None if it is what was stored."""
    if handle is None:
        return "its archive is gone"
    if handle.seek(0, os.SEEK_END) < entry.offset + entry.size:
        return "cut short"
    try:
        data = read_stored(handle, entry.offset)
    except EOFError:
        data = None
    return None if data is not None and zlib.crc32(data) == entry.crc else "checksum differs"


def _pointers(key: Key) -> dict[tuple[Path, int], list[tuple[Path, str]]]:
    """Which utterances of which dump folders point where: ``{(archive, offset): [(dump folder, utterance),
    …]}``.
    """
    found: dict[tuple[Path, int], list[tuple[Path, str]]] = {}
    for dump in key.users():
        if (dump / "feats.scp").exists():
            for utt, place in read_table(dump / "feats.scp").items():
                ark, _, offset = place.rpartition(":")
                if Path(ark).parent == key.folder:
                    found.setdefault((Path(ark), int(offset)), []).append((dump, utt))
    return found


def _readable(ark: Path) -> tuple[list[tuple[str, Entry]], int]:
    """The entries of an index that can be read, and the number of its lines."""
    index, found = ark.with_suffix(".idx"), []
    lines = index.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if index.exists() else []
    for line in lines:
        try:
            content, offset, frames, crc, size = line.split(" ")
            found.append((content, Entry(int(offset), int(frames), int(crc, 16), int(size))))
        except ValueError:
            continue
    return found, len(lines)


def _from_dump(key: Key, offset: int, dump: Path, utt: str) -> tuple[str, Entry]:
    """An entry as the tables of a dump folder have it."""
    content, frames, crc = (
        read_table(dump / name)[utt] for name in ("utt2audio", "utt2num_frames", "utt2crc")
    )
    facts = key.facts
    size = stored_size(int(frames), facts["dim"], facts["storage"])
    return content, Entry(offset, int(frames), int(crc, 16), size)


def repair(key: Key, cache: Path, damaged: list[Damage]) -> list[Damage]:
    """Encode the damaged audio again and write it where it stood; those that could not be mended come back.

    What no living recipe uses is dropped from the index instead. UpstreamError if the weights are not those
    of the key.
    """
    with key.writing("xlt cache verify --repair"):
        encoder = None
        mended = [d for d in damaged if d.what in (UNLISTED, OUTDATED)]
        for damage in damaged:
            if damage.users and damage.what not in (UNLISTED, OUTDATED):
                encoder = encoder or _Encoder(key, cache)
                try:
                    damage.entry = encoder.put(damage)
                except DataError as err:
                    damage.what += f", and cannot be encoded again: {err}"
                else:
                    mended.append(damage)
        for ark in {d.ark for d in damaged}:
            _rewrite_index(
                ark, [d for d in mended if d.ark == ark], {d.entry.offset for d in damaged if d.ark == ark}
            )
        for dump in {dump for d in mended for dump, _ in d.users}:
            crcs = {utt: f"{d.entry.crc:08x}" for d in mended for folder, utt in d.users if folder == dump}
            partial = dump / f".utt2crc.{os.getpid()}.partial"
            write_table(partial, _crcs(dump) | crcs)
            partial.replace(dump / "utt2crc")
            renew(dump, "utt2crc")
    return [d for d in damaged if d.users and d not in mended]


class _Encoder:
    """Encodes the audio of single matrices of a key, as stage 3 did."""

    def __init__(self, key: Key, cache: Path):
        from xlt.features.extract import Setup, Shard
        from xlt.upstreams import upstream_class

        facts = key.facts
        name = facts["upstream"]["upstream"]
        source = upstream_class(name).find(name, facts["path"], cache)
        if source.identity != facts["upstream"]:
            raise UpstreamError(
                f"{key.folder}: was made with {facts['upstream']}, but the upstream found is "
                f"{source.identity}; run stage 3 (features) of the recipes that use it"
            )
        setup = Setup(
            source,
            facts["layers"],
            facts["dtype"],
            facts["batch_s"],
            os.fspath(key.folder) if facts["mix"] else None,
            facts["storage"],
        )
        self.key, self.shard = key, Shard(setup, 1)

    def put(self, damage: Damage) -> Entry:
        """Encode and write in place; DataError if the audio is no longer there, or gives no matrix of this
        size.
        """
        fresh = self.key.folder / f"repair.{os.getpid()}.ark"
        try:
            answer = self.shard.run({"ark": os.fspath(fresh), "utts": [_order(damage)]})
            if answer["bad"]:
                raise DataError(answer["bad"][damage.content])
            ((_, made),) = read_index(fresh)
            if made.size != damage.entry.size:
                raise DataError(f"it now has {made.frames} frames, not {damage.entry.frames}")
            data = fresh.read_bytes()[made.offset :]
        finally:
            for path in (fresh, fresh.with_suffix(".idx")):
                path.unlink(missing_ok=True)
        damage.ark.touch()
        with damage.ark.open("r+b") as handle:
            name = f"{damage.content} ".encode()
            handle.seek(damage.entry.offset - len(name))
            handle.write(name + data)
        return made._replace(offset=damage.entry.offset)


def _order(damage: Damage) -> Clip:
    """What is to be encoded again, of audio that a recipe still has; DataError if none has it."""
    from xlt.features.extract import Clip

    for dump, name in damage.users:
        recipe = dump.parents[2]  # <recipe>/dump/<upstream>/<set>
        utt, copy = read_sources(dump).get(name, Source(name, Copy()))
        tables = (recipe / "data" / part / "wav.scp" for part in (dump.name, "all"))  # a fold's sets: in all
        wav = next((rows[utt] for scp in tables if scp.exists() and utt in (rows := read_table(scp))), None)
        if wav and (recipe / wav).exists():
            path = os.fspath((recipe / wav).absolute())
            noise = recipe / "data" / "noise"
            sounds = Sounds.open(noise, "train") if copy.draws and noise.exists() else None
            return Clip(damage.content, utt, path, copy.audio_hash(damage.content), copy.recipe, sounds)
    raise DataError("its audio is no longer in data/; run stages 1 (data) and 3 (features) again")


def _rewrite_index(ark: Path, mended: list[Damage], touched: set[int]) -> None:
    """List what is whole and what was mended; what could not be mended, and nobody uses, is listed no
    longer.
    """
    kept = {e.offset: (content, e) for content, e in _readable(ark)[0] if e.offset not in touched}
    kept |= {d.entry.offset: (d.content, d.entry) for d in mended}
    atomic_text(ark.with_suffix(".idx"), "".join(index_line(*kept[offset]) for offset in sorted(kept)))
