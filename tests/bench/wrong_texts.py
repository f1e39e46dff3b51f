"""What wrong texts in the training data cost, and how many of them `check.align` finds: texts of a recipe exchanged
between clips of like length, so that their pace betrays nothing.

    python -m tests.bench.wrong_texts plant egs/ces FOLDER --shares 10 30 50 --minutes 20   # FOLDER/ces_wrong10 …
    python -m tests.bench.wrong_texts filter FOLDER   # two models, each of one half; what stage 2 proposes by them
    tools/xlt experiment tests/bench/wrong_texts.yaml --egs FOLDER   # no filter, filter, the clean part alone

The recipe needs its data (stage 1). What is planted lies in FOLDER and is no setting of xlt. Dev and test keep their
texts. The same clips each time.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xlt.core.config import ROOT, load
from xlt.data.groups import budget
from xlt.formats.markdown import table
from xlt.formats.tables import read_scp, read_table, write_table

PLANTED, FILTERED = "planted.txt", "filtered.txt"  # for data.drop, beside recipe.yaml
HALVES = ("half1.txt", "half2.txt")  # for data.drop: what the other half's model learns
SETTINGS = (
    "preset=fast",
    "features.upstream=whisper_base",
    "features.layers=5",
    "train.freeze=upstream",
    "lm.type=none",
)


def exchanged(texts: Mapping[str, str], share: float, seed: int) -> dict[str, str]:
    """A share of the utterances, drawn by chance, with the text of another one among them that is as long, as
    nearly as can be: two exchange theirs, or three. Those that say the same are left as they are.

    >>> exchanged({"a": "x", "b": "yy", "c": "zzz", "d": "zzzz"}, 1.0, 0)
    {'a': 'yy', 'b': 'x', 'c': 'zzzz', 'd': 'zzz'}
    """
    chosen = random.Random(f"wrong {seed}").sample(sorted(texts), round(share * len(texts)))
    chosen.sort(key=lambda utt: (len(texts[utt]), utt))
    found = {}
    for at in range(0, len(chosen) - 1, 2):  # pairs, and three at the end of an odd number
        group = chosen[at : at + 2] if at + 3 != len(chosen) else chosen[at:]
        for utt, other in zip(group, [*group[1:], group[0]], strict=True):
            if texts[utt] != texts[other]:
                found[utt] = texts[other]
    return found


class Verdict(NamedTuple):
    """Of ``planted`` wrong texts ``found`` are proposed for removal, and ``right`` ones of ``total`` clips."""

    planted: int
    found: int
    right: int
    total: int


def judged(planted: set[str], proposed: set[str], texts: set[str]) -> Verdict:
    """Only clips that training has count: stage 1 may have left some out."""
    planted, proposed = planted & texts, proposed & texts
    return Verdict(len(planted), len(planted & proposed), len(proposed - planted), len(texts))


def plant(recipe: Path, folder: Path, shares: list[int], minutes: float | None, seed: int) -> None:
    """Write a Kaldi directory and a recipe for each share."""
    data, lang = recipe / "data", load(recipe).lang
    texts, seconds = read_table(data / "train" / "text"), read_table(data / "train" / "utt2dur")
    if minutes is not None:
        durations = {utt: float(value) for utt, value in seconds.items()}
        kept = budget(durations, {utt: utt for utt in durations}, minutes)
        texts = {utt: texts[utt] for utt in texts if utt in kept}
    for share in shares:
        own = folder / f"{recipe.resolve().name}_wrong{share}"
        wrong = exchanged(texts, share / 100, seed)
        for name in ("train", "dev", "test"):
            said = texts | wrong if name == "train" else read_table(data / name / "text")
            out = own / "corpus" / name
            out.mkdir(parents=True, exist_ok=True)
            write_table(out / "text", said)
            waves, speakers = read_scp(data / name / "wav.scp", recipe), read_table(data / name / "utt2spk")
            write_table(out / "wav.scp", {utt: str(Path(waves[utt]).resolve()) for utt in said})
            write_table(out / "utt2spk", {utt: speakers[utt] for utt in said})
        (own / "recipe.yaml").write_text(
            f"lang: {lang}\ndata: {{reader: kaldi, dir: corpus}}\n", encoding="utf-8"
        )
        write_table(own / PLANTED, {utt: f"was: {texts[utt]}" for utt in wrong})
        utts = random.Random(f"halves {seed}").sample(sorted(texts), len(texts))
        for name, half in zip(HALVES, (utts[1::2], utts[::2]), strict=True):
            write_table(own / name, dict.fromkeys(sorted(half), "of the other half"))
        print(f"{own}: {len(wrong)} of {len(texts)} texts are wrong")


def filtered(folder: Path, rounds: int) -> Verdict:
    """Train a model on each half, ask both, keep what stage 2 proposes, and compare it with what was planted. In
    further rounds the models are trained again without what was proposed, and asked about all.
    """
    recipe = folder.resolve()
    proposed: dict[str, str] = {}
    for number in range(1, rounds + 1):
        models = []
        for name in HALVES:
            tag = f"{Path(name).stem}_{number}"
            without = recipe / f"{tag}.txt"
            write_table(without, read_table(recipe / name) | proposed)
            _xlt(recipe, "train", f"tag={tag}", f"data.drop={without}")
            models.append(str(recipe / "exp" / tag))
        _xlt(recipe, "check", "check.align=true", f"check.align_model=[{','.join(models)}]", "check.drop=0.6")
        proposed = read_table(recipe / "data" / "check" / "drop.txt")
        texts = set(read_table(recipe / "data" / "train" / "text"))
        verdict = judged(set(read_table(recipe / PLANTED)), set(proposed), texts)
        print(f"{folder.name}, round {number}: {verdict}", flush=True)
    write_table(recipe / FILTERED, proposed)
    return verdict


def _xlt(recipe: Path, last: str, *settings: str) -> None:
    """The stages from 1 to ``last``."""
    words = [
        "run",
        "--recipe",
        str(recipe),
        "--stage",
        "data",
        "--stop_stage",
        last,
        *SETTINGS,
        *settings,
        "nj=1",
    ]
    print(f"$ xlt {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "xlt.cli", *words], cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    planting = commands.add_parser("plant")
    planting.add_argument("recipe", type=Path)
    planting.add_argument("folder", type=Path)
    planting.add_argument("--shares", type=int, nargs="+", default=[0, 10, 30, 50], metavar="PERCENT")
    planting.add_argument("--minutes", type=float, help="of training speech (default: all)")
    planting.add_argument("--seed", type=int, default=0)
    filtering = commands.add_parser("filter")
    filtering.add_argument("folder", type=Path)
    filtering.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    if args.command == "plant":
        plant(args.recipe, args.folder, args.shares, args.minutes, args.seed)
        return
    rows, folders = [], sorted(args.folder.glob("*_wrong*"), key=lambda f: (len(f.name), f.name))
    for folder in folders:
        verdict = filtered(folder, args.rounds)
        (folder / "verdict.json").write_text(json.dumps(verdict._asdict()) + "\n", encoding="utf-8")
        rows.append([folder.name, *map(str, verdict)])
        print(table(["recipe", "wrong", "found", "right ones proposed", "clips"], rows), flush=True)


if __name__ == "__main__":
    main()
