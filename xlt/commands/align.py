"""``xlt align RECORDING TRANSCRIPT -o DIR``: when each sentence of a transcript is said, and pieces to train
on.

The model may be of the language or of any other: its letters stand for those that it lacks. What is said and
not in the text, and what is in the text and not said, is left out and told.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core import executor
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.registry import FORMATS
from xlt.speakers.option import add_option, teller

if TYPE_CHECKING:
    from xlt.align.sources import Job
    from xlt.align.work import Aligner, Setup
    from xlt.align.write import Result

LONGEST_S, LIMIT_S = 15.0, 30.0
MIN_CONFIDENCE = 0.3
LOCAL = "local"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add = parser.add_argument
    add(
        "recording",
        type=Path,
        metavar="RECORDING",
        help="sound file; or a folder of recordings with texts called alike; or an .eaf of ELAN",
    )
    add(
        "transcript",
        type=Path,
        nargs="?",
        metavar="TRANSCRIPT",
        help="text of the recording, .txt or .docx: a paragraph a line, or running text",
    )
    add("-o", "--out", type=Path, required=True, metavar="DIR", help="new folder for the result")
    add(
        "--model",
        type=Path,
        metavar="BUNDLE",
        help="bundle with a CTC head, of any language (default: the newest of this checkout's recipes)",
    )
    add(
        "--lang",
        metavar="LANG",
        help="language of the recording, e.g. swh_Latn: how its text is normalised (default: the model's)",
    )
    add(
        "--format",
        default="kaldi",
        metavar="NAME[,NAME]",
        help=f"what to write beside the tables: kaldi, {', '.join(FORMATS.entries)} (default: %(default)s)",
    )
    add(
        "--longest",
        type=float,
        default=LONGEST_S,
        metavar="S",
        help="longest piece in seconds, at most 30 (default: %(default)g)",
    )
    add(
        "--min_confidence",
        type=float,
        default=MIN_CONFIDENCE,
        metavar="P",
        help=(
            "leave out sentences below P: 0 fits as a wrong text does, 1 is what the model would write"
            " (default: %(default)g)"
        ),
    )
    add("--tier", metavar="NAME", help="tier of ELAN's documents that has the texts (default: the only one)")
    add("--encoding", metavar="NAME", help="of texts that are not UTF-8, e.g. cp1250")
    add_option(add)
    add("--nj", type=int, default=1, help="recordings that are heard at once (default: %(default)s)")
    add("--executor", metavar="NAME", help="where: local, slurm, dask (docs/scale.md); needs --recipe")
    add("--recipe", type=Path, metavar="DIR", help="recipe whose section cluster says how")


def main(args: argparse.Namespace) -> None:
    """Align, cut, write. What can be refused is before the model is loaded."""
    from xlt.align.sources import jobs
    from xlt.align.write import KALDI, moved, summary, write
    from xlt.core.files import whole_folder

    forms = list(dict.fromkeys(args.format.split(",")))
    for name in forms:
        if name != KALDI:
            FORMATS.get(name)
    _refuse(args)
    todo, failed = jobs(args.recording, args.transcript, args.encoding, args.tier, args.longest)
    tell = teller(args.speakers)
    model = args.model or _newest(args.lang)
    from xlt.align.listen import refuse_without_ctc
    from xlt.align.work import Aligner, Setup
    from xlt.bundle import open_bundle

    transcriber = open_bundle(model).head(None)
    refuse_without_ctc(transcriber, str(model))
    setup = Setup(model.absolute(), args.lang, args.longest, args.min_confidence, args.speakers)
    results: list[Result] = []
    count = len(todo) + len(failed)
    for found in _aligned(todo, setup, args, Aligner(setup, transcriber, tell)):
        if isinstance(found, DataError):
            failed.append(found)
        else:
            results.append(found)
    if count == 1 and failed:
        raise failed[0]
    for problem in failed:
        print(f"xlt align: {problem}", file=sys.stderr)
    if not results:
        raise DataError(f"{args.recording}: no recording could be aligned; they are named above")
    settings = (
        f"`xlt align` with {model}, --longest {args.longest:g}, --min_confidence {args.min_confidence:g}"
    )
    with whole_folder(args.out) as partial:
        write(partial, results, forms, f"xlt {model}", settings)
    for result in results:
        for line in (summary(result), *result.notes, *moved(result), *_left_out(result)):
            say(f"{result.job.recording.name}: {line}")
    say(f"wrote {args.out}; report.md and left_out.tsv in it say what was left out, and why")
    if KALDI in forms:
        say(f"next: tools/new_recipe.sh CODE_Script {args.out}   # or data.dir of your recipe; docs/align.md")
    if failed:
        raise DataError(f"{args.recording}: {len(failed)} of {count} recordings are left out; see above")


def _refuse(args: argparse.Namespace) -> None:
    """ConfigError for options that cannot be."""
    if args.out.exists():
        raise ConfigError(f"--out {args.out}: is there already; name a new folder")
    if not 1 <= args.longest <= LIMIT_S:
        raise ConfigError(f"--longest {args.longest:g}: expected seconds from 1 to {LIMIT_S:g}; 15 is usual")
    if args.nj < 1:
        raise ConfigError(f"--nj {args.nj}: expected a number of processes from 1 up")
    _workers(args)
    if not 0 <= args.min_confidence < 1:
        raise ConfigError(f"--min_confidence {args.min_confidence:g}: expected a number from 0 to below 1")
    if args.lang:
        from xlt.text import languages

        languages.get(args.lang)


def _newest(lang: str | None) -> Path:
    """The newest bundle of this checkout's recipes, of the language if there is one; ConfigError."""
    from xlt.bundle.manifest import MANIFEST, read_manifest
    from xlt.core.config import ROOT

    found = sorted(ROOT.glob(f"egs/*/exp/*/bundle/{MANIFEST}"), key=lambda path: -path.stat().st_mtime)
    if not found:
        raise ConfigError(
            "--model: no recipe of this checkout has a bundle yet; name one, or make one: egs/ron/run.sh"
            " preset=fast; any language will do"
        )
    own = [path for path in found if lang and read_manifest(path.parent).get("lang") == lang]
    chosen = (own or found)[0].parent
    say(f"--model: takes {chosen}, the newest {'of ' + lang if own and lang else 'there is'}")
    return chosen


def _aligned(
    todo: Sequence[Job], setup: Setup, args: argparse.Namespace, align: Aligner
) -> Iterator[Result | DataError]:
    """The result of each job, or why there is none; by other processes, if they are asked for."""
    from xlt.align.work import seconds, task

    workers = _workers(args)
    tasks = [task(job, setup) for job in todo] if workers else []
    listened = 1 + (setup.speakers is not None)
    with Progress("heard", round(listened * sum(map(seconds, todo))), "s") as bar:
        if workers is None:
            for job in todo:
                try:
                    yield align(job, bar)
                except DataError as err:
                    yield err
            return
        keep = args.out.absolute().with_name(f".{args.out.name}.unfinished")
        for job, one, found in zip(
            todo, tasks, executor.run("align", setup, tasks, workers, keep=keep), strict=True
        ):
            bar.add(listened * one.seconds)
            yield DataError(found) if isinstance(found, str) else dataclasses.replace(found, job=job)
        with contextlib.suppress(OSError):
            keep.rmdir()


def _workers(args: argparse.Namespace) -> executor.Workers | None:
    """Where recordings are heard, None: in this process."""
    if args.executor in (None, LOCAL):
        return None if args.nj == 1 else executor.Workers(args.nj)
    from xlt.core.config import load

    if args.recipe is None:
        raise ConfigError(
            f"--executor {args.executor}: needs a recipe whose section cluster says how; name it: --recipe"
            " egs/ron"
        )
    cfg = load(args.recipe, [f"executor={args.executor}"])
    return executor.Workers(1, executor=cfg.executor, cluster=cfg.cluster, folder=args.out.absolute().parent)


def _left_out(result: Result) -> list[str]:
    """Counts by reason, with the first place."""
    from xlt.align.pieces import REASONS
    from xlt.align.write import clock

    lines = []
    for reason, (meaning, remedy) in REASONS.items():
        own = [one for one in result.aligned.left_out if one.reason == reason]
        if own:
            first = own[0]
            where = f"line {first.line}" if first.line else clock(first.start_s or 0.0)
            lines.append(f"  {len(own):4} left out: {meaning} (first: {where}); {remedy}")
    return lines
