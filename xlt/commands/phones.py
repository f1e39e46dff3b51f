"""`xlt phones TARGET --sources A,B`: what sources have of a target's phones, their ranking, URIEL's opinion,
a heatmap.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlt.core.config import Config
    from xlt.phones.choice import Choice
    from xlt.phones.compare import Overlap

SHOWN = 10  # missing phones in a row of the table; the JSON has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", help="target language: recipe folder or its name in egs/, e.g. egs/cat or cat"
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="settings for all recipes, e.g. phones.g2p=epitran or data.train_minutes=null",
    )
    parser.add_argument(
        "--sources", required=True, metavar="A,B", help="source languages: recipes separated by commas"
    )
    parser.add_argument(
        "--within",
        type=float,
        metavar="DISTANCE",
        help=(
            "two phones are near if they differ by at most this share of panphon's feature weights "
            "(default: 0.035)"
        ),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to this file")
    parser.add_argument(
        "--heatmap", type=Path, metavar="FILE", help="write a PNG heatmap of all recipes that have data"
    )


def main(args: argparse.Namespace) -> None:
    """Print tables; ConfigError or DataError for a recipe that is missing, has no data, or no way to
    phones.
    """
    from xlt.core.config import load
    from xlt.core.stage import write_json
    from xlt.phones.choice import refuse_shared_tables
    from xlt.phones.compare import NEAR, RARE, as_dict, common, inventory, rank

    within = NEAR if args.within is None else args.within
    words = [args.target, *filter(None, args.sources.split(","))]
    folders = {folder.resolve().name: folder for folder in map(find_recipe, words)}
    target = find_recipe(args.target).resolve().name
    texts, isos = {}, {}
    read = functools.partial(load, overrides=args.settings, cwd=args.cwd)
    used = {f.name: f for f in with_data(read)} | folders
    refuse_shared_tables(filter(None, (choice_of(read(folder)) for folder in used.values())))
    for name, folder in used.items():
        texts[name], isos[name] = phone_texts(read(folder))
    found = rank(texts[target], {name: texts[name] for name in folders if name != target}, within)
    if not found:
        raise DataError(
            f"--sources {args.sources}: no recipe but the target itself; name others, e.g. spa,ron"
        )
    own = inventory(texts[target])
    say(
        f"\n{target}: {len(common(own))} phones, {sum(own.values())} in {len(texts[target])} texts; phones"
        f" that are rarer than {100 * RARE:g}% are not counted"
    )
    _print(found, {name: common(inventory(texts[name])) for name in folders}, within)
    made = {
        "target": target,
        "within": within,
        "inventories": {n: dict(inventory(t).most_common()) for n, t in texts.items()},
        "ranking": [as_dict(o) for o in found],
        "uriel": _validate(texts, isos, within),
    }
    if args.json is not None:
        write_json(args.json, made)
    if args.heatmap is not None:
        _heatmap(texts, args.heatmap, within)


def find_recipe(word: str) -> Path:
    """The recipe directory ``word``, or the one of that name in egs/; DataError if there is neither."""
    from xlt.core.config import ROOT

    for folder in (Path(word), ROOT / "egs" / word):
        if (folder / "recipe.yaml").is_file():
            return folder
    raise DataError(
        f"{word}: no recipe: neither a folder with recipe.yaml nor the name of one in egs/, such as cat"
    )


def with_data(read: Callable[[Path], Config]) -> list[Path]:
    """The recipes in egs/ of one language each whose stage 1 has run; says which have no way to phones.

    ``read`` gives the configuration of a recipe.
    """
    from xlt.core.config import ROOT

    found = []
    for folder in sorted(path.parent for path in (ROOT / "egs").glob("*/recipe.yaml")):
        cfg = read(folder)
        if (
            folder.name == "TEMPLATE"
            or cfg.language.startswith("mul_")
            or not (folder / "data" / cfg.train_set / "text").exists()
        ):
            continue
        try:
            choice_of(cfg)
        except ConfigError as err:
            say(f"  {folder.name} is left out: {str(err).partition(';')[0]}")
        else:
            found.append(folder)
    return found


def choice_of(cfg: Config) -> Choice | None:
    """The converter of a recipe's language; None if it has several. ConfigError if there is none."""
    from xlt.phones.choice import choose
    from xlt.text.languages import MULTIPLE

    if cfg.lang == MULTIPLE:
        return None
    return choose(cfg.language, cfg.phones)


def phone_texts(cfg: Config) -> tuple[list[str], str]:
    """The phone texts of a recipe's training set, and its language by ISO 639-3; DataError before stage 1."""
    from xlt.core.context import Context
    from xlt.formats.tables import read_table
    from xlt.phones.corpus import languages_of
    from xlt.phones.g2p import phones_of

    recipe = cfg.recipe
    text = recipe / "data" / cfg.train_set / "text"
    if not text.exists():
        raise DataError(f"{text}: not found; stage 1 (data) makes it: xlt data --recipe {recipe}")
    made, _ = phones_of(
        {text: read_table(text)}, {text: languages_of(Context(recipe, cfg), cfg.train_set)}, cfg.phones
    )
    return list(made[text].values()), cfg.language[:3]


def _print(found: list[Overlap], inventories: dict, within: float) -> None:
    say(
        "Shares of the target's phone tokens, %; distance: mean of the nearest phones, in thousandths of"
        " panphon's weights"
    )
    rows = [["rank", "source", "phones", "Jaccard", "exact", f"within {within:g}", "distance"]]
    rows += [
        [
            str(k),
            o.name,
            str(len(inventories[o.name])),
            f"{o.jaccard:.2f}",
            f"{100 * o.exact:.1f}",
            f"{100 * o.near:.1f}",
            f"{1000 * o.cost:.1f}",
        ]
        for k, o in enumerate(found, 1)
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        say("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    say("Missing phones → the source's nearest:")
    for o in found:
        shown = ", ".join(f"{phone} {count}× → {near or '?'}" for phone, count, near, _ in o.missing[:SHOWN])
        more = len(o.missing) - SHOWN
        say(f"  {o.name}: {shown or 'none'}" + (f", and {more} more" if more > 0 else ""))


def _validate(texts: dict[str, list[str]], isos: dict[str, str], within: float) -> dict:
    """Spearman's correlation of our distances with URIEL's, over all pairs of recipes at hand; says and
    returns it.
    """
    from xlt.phones.compare import inventory, overlap
    from xlt.phones.uriel import SETS, distances, spearman

    inventories = {isos[name]: inventory(of) for name, of in texts.items()}
    result: dict[str, dict] = {}
    for kind in SETS:
        theirs, lacking = distances(list(inventories), kind)
        both = {
            pair: [overlap(inventories[a], inventories[b], b, within) for a, b in (pair, pair[::-1])]
            for pair in theirs
        }
        ours = {
            "distance": [sum(o.cost for o in both[p]) / 2 for p in theirs],
            "Jaccard": [-both[p][0].jaccard for p in theirs],
            "exact": [-sum(o.exact for o in both[p]) / 2 for p in theirs],
        }
        result[kind] = {
            "n": len(theirs),
            "lacking": lacking,
            "spearman": {key: round(spearman(of, list(theirs.values())), 3) for key, of in ours.items()},
        }
        scores = ", ".join(f"{key} {value:.2f}" for key, value in result[kind]["spearman"].items())
        say(
            f"Spearman's correlation with URIEL's {kind} distances, {len(theirs)} pairs: {scores}"
            + (f"; URIEL lacks {', '.join(lacking)}" if lacking else "")
        )
    return result


def _heatmap(texts: dict[str, list[str]], path: Path, within: float) -> None:
    from xlt.phones.compare import inventory, overlap
    from xlt.phones.heatmap import draw

    inventories = {name: inventory(of) for name, of in sorted(texts.items())}
    cells = {
        (a, b): 100 * overlap(inventories[a], inventories[b], b, within).exact
        for a in inventories
        for b in inventories
        if a != b
    }
    draw("Phone tokens of the target (row) that the source (column) has, %", list(inventories), cells, path)
    say(f"wrote {path}")
