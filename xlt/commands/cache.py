"""`xlt cache ls|gc|verify`: sizes and users of the shared store, removal of what nothing uses, checksums and
repair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.features.cache import Key, keys, store_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=["ls", "gc", "verify"],
        help=(
            "ls: list stored features and their users; gc: delete features that no recipe uses; "
            "verify: compare all checksums"
        ),
    )
    parser.add_argument("--cache", metavar="DIR", help="cache root (default: $XLT_CACHE, or ~/.cache/xlt)")
    parser.add_argument(
        "--dry_run", action="store_true", help="gc: show what would be deleted, delete nothing"
    )
    parser.add_argument(
        "--repair", action="store_true", help="verify: encode damaged utterances again, in place"
    )


def main(args: argparse.Namespace) -> None:
    from xlt.fetch.files import cache_root

    cache = cache_root(args.cache)
    found = keys(cache)
    if not found:
        say(f"cache: {store_root(cache)} holds no features")
    elif args.action == "ls":
        _list(found)
    elif args.action == "gc":
        _collect(found, args.dry_run)
    else:
        _verify(found, cache, args.repair)


def _list(found: list[Key]) -> None:
    from xlt.features.upkeep import frames_of, size_of

    rows = [["folder", "layers", "storage", "arithmetic", "hours", "MB", "used by"]]
    total = 0
    for key in found:
        facts = key.facts
        layers = facts["layers"] if not facts["mix"] else f"mix {facts['mix'][:8]}"
        hours = frames_of(key) / facts["frame_rate"] / 3600 if "frame_rate" in facts else 0.0
        size = size_of(key)
        total += size
        users = [str(dump) for dump in key.users()] or ["nothing"]
        rows.append(
            [
                key.folder.name,
                str(layers),
                facts["storage"],
                facts["dtype"],
                f"{hours:.2f}",
                f"{size / 1e6:.1f}",
                users[0],
            ]
        )
        rows += [[""] * 6 + [user] for user in users[1:]]
    widths = [max(len(row[n]) for row in rows) for n in range(6)]
    for row in rows:
        cells = [
            c.rjust(w) if n in (4, 5) else c.ljust(w)
            for n, (c, w) in enumerate(zip(row, widths, strict=False))
        ]
        say("  ".join([*cells, row[6]]).rstrip())
    say(f"{total / 1e6:.1f} MB in {found[0].folder.parent}")


def _collect(found: list[Key], dry_run: bool) -> None:
    from xlt.features.upkeep import collect

    total = 0
    for key in found:
        result = collect(key, dry_run)
        if result is None:
            say(f"{key.folder.name}: is being written and is kept")
            continue
        gone, size = result
        total += size
        if gone == [key.folder]:
            say(f"{key.folder.name}: nothing uses it, {size / 1e6:.1f} MB")
        elif gone:
            say(
                f"{key.folder.name}: nothing uses {', '.join(path.name for path in gone)},"
                f" {size / 1e6:.1f} MB"
            )
    say(f"cache: {'would free' if dry_run else 'freed'} {total / 1e6:.1f} MB")


def _verify(found: list[Key], cache: Path, mend: bool) -> None:
    from xlt.features.upkeep import damages, frames_of, repair

    left = count = 0
    for key in found:
        damaged = list(damages(key))
        for damage in damaged:
            users = [f"utterance {utt} of {dump}" for dump, utt in damage.users] or ["nothing uses it"]
            say(f"{damage.ark}: {damage.content or 'the index'}: {damage.what}: {', '.join(users)}")
        count += len(damaged)
        if mend and damaged:
            rest = repair(key, cache, damaged)
            left += len(rest)
            for damage in rest:
                say(f"  not repaired: {', '.join(utt for _, utt in damage.users)}: {damage.what}")
        elif not damaged:
            say(f"{key.folder.name}: all checksums agree, {frames_of(key)} frames")
    if mend and count:
        say(f"cache: repaired {count - left} of {count}")
    if left or (count and not mend):
        raise DataError(
            f"{left or count} matrices are damaged"
            + ("" if mend else "; repair them with: xlt cache verify --repair")
            + ", or run stage 3 (features) again"
        )
