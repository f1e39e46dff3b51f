"""How often one ``train`` stage opens the files of the model it starts from, and any recipe.yaml.

    python -m tests.bench.opens

Trains a toy recipe of two joined languages (``data.reader=recipes``) with ``train.init`` and ``train.mix``,
in this process, and prints a line a file. ``tests/train/test_resolved.py`` holds the bound.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.toy import make_toy_recipe, mix_in
from xlt.cli import main

_counts: Counter[str] | None = None


def _hook(event: str, args: tuple) -> None:
    if event == "open" and _counts is not None and isinstance(args[0], (str, os.PathLike)):
        _counts[os.path.realpath(args[0])] += 1


sys.addaudithook(_hook)  # a hook cannot be taken away again, so there is one, which may be idle


@contextlib.contextmanager
def opened() -> Iterator[Counter[str]]:
    """Count how often each file is opened inside, by its real path."""
    global _counts
    found = _counts = Counter()
    try:
        yield found
    finally:
        _counts = None


def make_recipes(egs: Path) -> Path:
    """``egs/spa``, trained, and ``egs/new``, of two joined recipes, into which it is mixed; returns
    ``egs/new``.
    """
    for name in ("spa", "new"):
        (egs / name).mkdir(parents=True)
        make_toy_recipe(egs / name)
    settings = (egs / "new/recipe.yaml").read_text()
    (egs / "spa/recipe.yaml").write_text(settings.replace("ron_Latn", "spa_Latn"))
    joined = "data: {reader: recipes, sources: [../ron, ../fra]}\n"
    (egs / "new/recipe.yaml").write_text(settings.replace("ron_Latn", "mul_Zyyy") + joined)
    for code in ("ron", "fra"):
        (egs / code).mkdir()
        (egs / code / "recipe.yaml").write_text(f"lang: {code}_Latn\ndata: {{reader: table}}\n")
    assert main(["tokens", "--recipe", str(egs / "spa")]) == 0
    assert main(["train", "--recipe", str(egs / "spa"), "train.max_epochs=1"]) == 0
    mix_in(egs / "spa", egs / "new", "spa")
    return egs / "new"


def train_stage(recipe: Path, *settings: str) -> dict[str, int]:
    """Run the stage in ``recipe``; openings of the source model's files and of each recipe.yaml, by their
    paths below egs.
    """
    words = ["--recipe", str(recipe), "train.init=../spa/exp/main", "train.init_tokens=match"]
    words += ["train.mix={spa: 0.25}", "train.average_source=0.1", "train.max_epochs=1", *settings]
    assert main(["tokens", *words]) == 0
    with opened() as counts:
        assert main(["train", *words]) == 0
    egs = recipe.parent.resolve()
    model = egs / "spa/exp/main"
    return {
        str(Path(path).relative_to(egs)): count
        for path, count in sorted(counts.items())
        if Path(path).is_relative_to(egs)
        and (Path(path).is_relative_to(model) or Path(path).name == "recipe.yaml")
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XLT_CWD"] = str(Path(scratch) / "egs/new")  # as run.sh would: paths count from the recipe
        found = train_stage(make_recipes(Path(scratch) / "egs"))
    for name, count in found.items():
        print(f"{count:4}  {name}")
    for what, part in (("source model", "exp/main"), ("recipe.yaml", "recipe.yaml")):
        print(f"{what}: {sum(count for name, count in found.items() if part in name)} openings")
