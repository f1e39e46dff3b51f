"""Whether the speech that `xlt suggest` chooses teaches more than as much chosen by chance, and whether the
forecast holds; on a recipe with more transcribed speech than is learned at first.

    python -m tests.bench.suggested egs/ces --labelled 10 --curve 5 7.5 --more 10 --seeds 0 1 2 \\
        preset=fast features.layers=5 train.freeze=upstream

For each seed it trains on the amounts of --curve and on --labelled minutes, takes the rest of train for
recordings without texts, and trains on --labelled and --more minutes that were suggested, and that were drawn
by chance. Texts are those of the corpus: what a person would write. Everything is resumed, so the command can be
stopped and given again; a training is an ordinary experiment sim_… of the recipe. The figures go to --out as JSON
and are printed as a table.

``--drafts`` trains nothing more: it compares the drafts of what is suggested with those of the rest.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xlt.core.config import ROOT
from xlt.formats.markdown import table
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.metrics.align import count_edits
from xlt.metrics.cer import tokens
from xlt.report import forecast
from xlt.report.results import load as results
from xlt.score.compare import compare, read

SLACK = 1.3  # the pieces of a clip are shorter than the clip


def run(*words: str) -> None:
    """`xlt` with these words, politely; ends with its status if it fails."""
    say = " ".join(map(shlex.quote, words))
    print(f"$ xlt {say}", flush=True)
    done = subprocess.run(
        ["nice", "-n", "10", sys.executable, "-m", "xlt.cli", *words], cwd=ROOT, check=False
    )
    if done.returncode:
        raise SystemExit(done.returncode)


def train(recipe: Path, tag: str, settings: Iterable[str]) -> None:
    run("run", "--recipe", str(recipe), f"tag={tag}", "nj=1", *settings)


def filled(order: Iterable[str], durations: Mapping[str, float], minutes: float) -> list[str]:
    """The first utterances of ``order`` that ``minutes`` have room for; one that is too long is passed over.

    >>> filled(["a", "b", "c"], {"a": 30.0, "b": 50.0, "c": 20.0}, 1.0)
    ['a', 'c']
    """
    found, left_s = [], 60 * minutes
    for utt in order:
        if durations[utt] <= left_s:
            found.append(utt)
            left_s -= durations[utt]
    return found


def link(waves: Mapping[str, str], folder: Path) -> None:
    """The recordings without texts, each under the name of its utterance."""
    folder.mkdir(parents=True, exist_ok=True)
    for utt, path in waves.items():
        place = folder / f"{utt}.wav"
        if not place.exists():
            place.symlink_to(os.path.abspath(path))


def ranked(path: Path) -> list[str]:
    """The utterances of a template, the best first; one that was cut in two stands where its first piece does."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    rows.sort(key=lambda row: int(row["rank"]))
    return list(dict.fromkeys(Path(row["path"]).stem for row in rows))


class Simulation:
    """One seed of one recipe; ``folder``: for lists and links."""

    def __init__(self, args: argparse.Namespace, seed: int):
        self.args, self.seed, self.recipe = args, seed, args.recipe.resolve()
        self.folder = self.recipe / "log" / f"sim_s{seed}"
        self.settings = [*args.settings, f"seed={seed}"]

    def tag(self, what: str) -> str:
        return f"sim_{what}_s{self.seed}"

    def budget(self, minutes: float) -> str:
        """Train on the first minutes of the corpus; the tag."""
        tag = self.tag(f"{minutes:g}min")
        train(self.recipe, tag, [*self.settings, f"data.train_minutes={minutes:g}"])
        return tag

    def pool(self) -> tuple[dict[str, str], dict[str, float], dict[str, str]]:
        """Sound files, seconds and texts of what train has beyond what is learned at first."""
        data = self.recipe / "data"
        learned = read_table(data / f"train_{self.args.labelled:g}min" / "text")
        split = read_table(data / "all" / "utt2split")
        utts = [utt for utt, name in split.items() if name == "train" and utt not in learned]
        waves, texts = read_scp(data / "all" / "wav.scp", self.recipe), read_table(data / "all" / "text")
        seconds = {utt: float(value) for utt, value in read_table(data / "all" / "utt2dur").items()}
        utts = random.Random(f"pool {self.seed}").sample(utts, len(utts))
        utts = filled(utts, seconds, self.args.pool) if self.args.pool else utts
        return {utt: waves[utt] for utt in utts}, seconds, texts

    def suggest(self, base: str, waves: Mapping[str, str], minutes: float) -> Path:
        """The template of `xlt suggest`."""
        out = self.folder / f"suggested_{minutes:g}.tsv"
        if not out.exists():
            link(waves, self.folder / "pool")
            bundle = self.recipe / "exp" / base / "bundle"
            run(
                "suggest",
                str(bundle),
                str(self.folder / "pool"),
                "--minutes",
                f"{minutes:g}",
                "--out",
                str(out),
            )
        return out

    def train_on(self, what: str, chosen: Sequence[str], waves: Mapping[str, str]) -> str:
        """Train on what is learned at first and ``chosen``; the tag."""
        tag, drop = self.tag(what), self.folder / f"{what}.drop"
        data = self.recipe / "data"
        learned = read_table(data / f"train_{self.args.labelled:g}min" / "text")
        split = read_table(data / "all" / "utt2split")
        kept = {*learned, *chosen}
        write_table(drop, {u: what for u, name in split.items() if name == "train" and u not in kept})
        train(self.recipe, tag, [*self.settings, "data.train_minutes=null", f"data.drop={drop}"])
        return tag

    def drafts(self, path: Path, seconds: Mapping[str, float], texts: Mapping[str, str]) -> dict[str, Any]:
        """Of the utterances that come first, and of all: confidence, and characters wrong in the drafts; words
        that training lacks, in as many minutes of each.
        """
        with path.open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file, delimiter="\t"), key=lambda row: int(row["rank"]))
        order = ranked(path)
        whole = {
            utt: " ".join(
                row["text"]
                for row in sorted(
                    (row for row in rows if Path(row["path"]).stem == utt),
                    key=lambda row: float(row["start"]),
                )
            )
            for utt in order
        }
        sure = {Path(row["path"]).stem: float(row["confidence"]) for row in rows}
        known = read_table(self.recipe / "data" / f"train_{self.args.labelled:g}min" / "text").values()
        words = {word for text in known for word in text.split()}
        by_chance = random.Random(self.seed).sample(order, len(order))
        found = {}
        for name, some in (
            ("suggested", filled(order, seconds, self.args.more)),
            ("random", filled(by_chance, seconds, self.args.more)),
            ("all", order),
        ):
            counts = [count_edits(tokens(texts[utt]), tokens(whole[utt])) for utt in some]
            found[name] = {
                "utterances": len(some),
                "minutes": round(sum(seconds[utt] for utt in some) / 60, 2),
                "confidence": round(sum(sure[utt] for utt in some) / len(some), 3),
                "draft_cer": round(100 * sum(c.errors for c in counts) / sum(c.n_ref for c in counts), 1),
                "characters": sum(len(texts[utt]) for utt in some),
                "new_words": len({word for utt in some for word in texts[utt].split()} - words),
            }
        return found

    def go(self) -> dict[str, Any]:
        """All trainings of this seed; what came out."""
        args = self.args
        tags = [self.budget(minutes) for minutes in ([] if args.drafts else args.curve)]
        base = self.budget(args.labelled)
        waves, seconds, texts = self.pool()
        path = self.suggest(
            base, waves, SLACK * sum(seconds[u] for u in waves) / 60 if args.drafts else SLACK * args.more
        )
        if args.drafts:
            return {"seed": self.seed, "drafts": self.drafts(path, seconds, texts)}
        chosen = filled(ranked(path), seconds, args.more)
        by_chance = filled(random.Random(self.seed).sample(list(waves), len(waves)), seconds, args.more)
        made = {
            "labelled": base,
            "suggested": self.train_on(f"suggested{args.more:g}", chosen, waves),
            "random": self.train_on(f"random{args.more:g}", by_chance, waves),
        }
        curve = forecast.points(results(self.recipe / "results"), base)
        expected = None
        if len(curve) >= forecast.FEWEST:
            expected = forecast.forecast(curve, args.labelled + args.more)._asdict()
        exp = self.recipe / "exp"
        systems = {name: read(exp / tag, tag) for name, tag in made.items()}
        rates = {
            name: {s: one.scores["sets"][s]["cer"]["value"] for s in one.sets}
            for name, one in systems.items()
        }
        difference = compare(systems["random"], systems["suggested"], "dev")[0].paired
        return {
            "seed": self.seed,
            "curve": [*tags, base],
            "cer": rates,
            "forecast": expected,
            "suggested_less_random": [difference.difference, *difference.difference_ci95],
        }


def shown(found: Sequence[Mapping[str, Any]]) -> str:
    """The closing table."""
    rows = []
    for one in found:
        if "drafts" in one:
            rows += [[one["seed"], name, *own.values()] for name, own in one["drafts"].items()]
            continue
        expected, cer = one["forecast"], one["cer"]
        said = f"{expected['cer']:.1f} [{expected['low']:.1f}, {expected['high']:.1f}]" if expected else "–"
        value, low, high = one["suggested_less_random"]
        dev = [f"{cer[name]['dev']:.1f}" for name in ("labelled", "random", "suggested")]
        rows.append([one["seed"], *dev, f"{value:+.1f} [{low:+.1f}, {high:+.1f}]", said])
    if found and "drafts" in found[0]:
        head = [
            "seed",
            "set",
            "utterances",
            "minutes",
            "confidence",
            "CER of drafts",
            "characters",
            "new words",
        ]
    else:
        head = ["seed", "labelled", "random", "suggested", "suggested less random", "forecast"]
    return table(head, rows)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("recipe", type=Path)
    add("settings", nargs="*", metavar="key=value")
    add("--labelled", type=float, default=10.0, help="minutes that are learned at first")
    add("--curve", type=float, nargs="*", default=[5.0, 7.5], help="further minutes, for the learning curve")
    add("--more", type=float, default=10.0, help="minutes that are transcribed then")
    add("--pool", type=float, help="minutes of recordings to choose from (default: all the rest)")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--drafts", action="store_true", help="compare drafts, train nothing more")
    add("--out", type=Path, default=Path(__file__).parent / "results" / "suggested.json")
    args = parser.parse_intermixed_args(words)
    found = []
    for seed in args.seeds:
        found.append(Simulation(args, seed).go())
        args.out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(shown(found))


if __name__ == "__main__":
    main()
