"""A hundred languages over one encoder: memory, the time until a head that was not loaded answers, and disk.

    python tests/bench/heads.py BUNDLE … --clips FOLDER [--heads 100] [--used 8]
    python tests/bench/heads.py --int8 egs/ron egs/cat …

The BUNDLEs, of one language each over the same encoder, are joined; copies of them under invented codes (qaa_Latn
…) make up the number of --heads. One process transcribes the clips with the first bundle, as it is; another with
--used heads of the joined one, in turn, and then takes heads that it has not loaded, whose first answer is for a
clip that the encoder has heard just before. A minute of processor time.

--int8: what becomes of dev in each recipe if the weights of exp/main are stored in a byte each. Two seconds a recipe.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import xlt
from xlt.bundle import join, open_bundle
from xlt.bundle.joined import Joined
from xlt.formats import int8
from xlt.formats.archives import FeatureReader
from xlt.formats.model_folder import HEADS
from xlt.formats.tables import read_table
from xlt.models.family import open_model


def codes():
    """Codes that ISO 639-3 reserves for local use: qaa_Latn to qtz_Latn."""
    for middle, last in itertools.product(string.ascii_lowercase[:20], string.ascii_lowercase):
        yield f"q{middle}{last}_Latn"


def make(bundles: list[Path], heads: int, out: Path) -> None:
    """The joined bundle; further copies come of it, as the weights of the encoder are looked at each time."""
    made, names = join.join(bundles, out), codes()
    own = sorted(made.heads)
    while len(made.heads) < heads:
        some = own[: heads - len(made.heads)]
        made = join.add(out, [out / HEADS / name for name in some], [next(names) for _ in some])


def memory_mb() -> float:
    """What is resident of this process."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def measure(bundle: Path, clips: list[str], used: int) -> dict:
    """Of one process. ``cold``: for each head that was not loaded, processor and wall milliseconds until it is
    ready, and until it has answered."""
    opened = open_bundle(bundle)
    names, cold = list(opened.languages), []
    for name, clip in itertools.product(names[:used], clips):
        opened.head(name)(clip, vad=False)
    memory = memory_mb()
    for name in names[used:]:
        opened.head(names[0])(clips[0], vad=False)  # which the encoder has heard, then
        cpu, wall = time.process_time(), time.monotonic()
        head = opened.head(name)
        ready = (time.process_time() - cpu, time.monotonic() - wall)
        head(clips[0], vad=False)
        cold.append([1000 * s for s in (*ready, time.process_time() - cpu, time.monotonic() - wall)])
    return {"memory_mb": memory, "after_mb": memory_mb(), "heads": len(names), "cold_ms": cold}


def apart(bundle: Path, clips: list[str], used: int) -> dict:
    """:func:`measure` in a process of its own."""
    words = [sys.executable, __file__, str(bundle), "--measure", str(used), "--clips", *clips]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def compare_int8(recipe: Path) -> str:
    """Greedy texts of dev, by the model as it is and with weights in int8, of the stored features."""
    model = open_model(recipe / "exp/main")
    refs, (feats,) = read_table(recipe / "data/dev/text"), (recipe / "dump").glob("*/dev/feats.scp")
    reader = FeatureReader(feats, recipe)

    def texts() -> list[str]:
        found = []
        for utt in refs:
            probs, lengths = model.log_probs([reader[utt]])
            ids = probs[0, : lengths[0]].argmax(-1).unique_consecutive().tolist()
            found.append(model.tokenizer.decode([n for n in ids if n]))
        return found

    exact = texts()
    model.net.load_state_dict(int8.unpacked(int8.packed(model.net.state_dict())))
    near = texts()
    same = sum(a == b for a, b in zip(exact, near, strict=True))
    rates = [xlt.cer(list(refs.values()), found) for found in (exact, near)]
    return f"{recipe.name}: {same} of {len(refs)} texts the same, CER {rates[0]:.2f} {rates[1]:.2f}"


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--clips", nargs="+", default=[], help="sound files, or a folder of wav files")
    parser.add_argument("--int8", nargs="+", type=Path, metavar="RECIPE")
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--used", type=int, default=8)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for recipe in args.int8 or ():
        print(compare_int8(recipe), flush=True)
    if not args.bundles:
        return
    clips = [str(clip) for place in args.clips for clip in _sounds(Path(place))][:10]
    if args.measure:
        print(json.dumps(measure(args.bundles[0], clips, args.measure)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        many = Path(scratch) / "many"
        make(args.bundles, args.heads, many)
        one, all_ = apart(args.bundles[0], clips, 1), apart(many, clips, args.used)
        heads = [many / HEADS / name for name in Joined.read(many).heads]
        print(f"memory of one language: {one['memory_mb']:.0f} MB")
        times = all_["memory_mb"] / one["memory_mb"]
        print(
            f"{all_['heads']} heads, {args.used} in use: {all_['memory_mb']:.0f} MB, {times:.3f} times as much"
        )
        print(f"after {len(all_['cold_ms'])} others had their turn: {all_['after_mb']:.0f} MB")
        what = ("ready, CPU", "ready, wall", "first answer, CPU", "first answer, wall")
        for name, column in zip(what, zip(*all_["cold_ms"], strict=True), strict=True):
            worst = sorted(column)[int(0.95 * len(column))]
            print(f"cold head {name}: median {statistics.median(column):.1f} ms, 95% {worst:.1f} ms")
        print(f"backbone {size_mb(many / 'backbone'):.1f} MB")
        print(f"a head {statistics.mean(map(size_mb, heads)):.2f} MB, of that its language model ", end="")
        print(f"{statistics.mean(size_mb(head / 'lm') for head in heads):.2f} MB")
        join.join(args.bundles, small := Path(scratch) / "small", in_int8=True)
        print(f"in int8 {statistics.mean(map(size_mb, (small / HEADS).iterdir())):.2f} MB with it")


def _sounds(place: Path) -> list[Path]:
    return sorted(place.rglob("*.wav")) if place.is_dir() else [place]


if __name__ == "__main__":
    main()
