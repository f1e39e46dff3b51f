"""`xlt experiment FILE.yaml`: the runs of an experiment file, one after another in this process.

ESPnet is imported once, and what is up to date is skipped, so the command can be stopped and given again.
Started twice, the two share the work: each takes the next run that is free and whose needs are finished.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import os
import time
import traceback
from pathlib import Path

from xlt.commands.board import Board
from xlt.commands.run import INTERRUPTED, NOT_READ, Call, guarded, run_in_folds
from xlt.core.config import ROOT
from xlt.core.errors import StageError
from xlt.core.log import say
from xlt.core.plan import OWN, SHARED, Plan, Run, check, read, stages_before_training, stages_of

_POLL_S = 5.0  # between looks at whether another process has finished a run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE.yaml",
        help="file with the runs, e.g. egs/common/experiments/languages.yaml",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only runs with TEXT in recipe/tag, e.g. cat/ or 'cat/x10_*_s0', and the runs they depend on",
    )
    parser.add_argument("--list", action="store_true", help="list the runs and whether each is done")
    parser.add_argument("--dry_run", action="store_true", help="show what would run, do nothing")
    parser.add_argument(
        "--executor",
        choices=("local", "slurm"),
        default="local",
        help="slurm: submit the runs as jobs that wait for each other, with the settings cluster.* of each",
    )
    parser.add_argument("--part", choices=(SHARED, OWN), help=argparse.SUPPRESS)  # what such a job does
    parser.add_argument(
        "--egs", type=Path, default=ROOT / "egs", metavar="DIR", help="folder with the recipes (default: egs)"
    )


def main(args: argparse.Namespace) -> None:
    """Run what there is to run; StageError with a list if runs failed, after all others are done."""
    plan = read(args.file)
    check(plan, args.egs)
    runs = _selected(plan, args.only)
    board = Board(args.egs)
    if args.list:
        for run in runs:
            say(f"{board.state(run):16} {run.name}" + (f"  ({run.column})" if run.column else ""))
        return
    if args.executor == "slurm" and not args.dry_run:
        from xlt.commands.grid import submit_runs

        submit_runs(plan, runs, board)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
    if args.part:
        (run,) = (run for run in runs if run.name == args.only)
        _do_part(run, args.part, board)
        return
    failed = _dry_run(plan, runs, args.egs) if args.dry_run else Lane(plan, runs, board).go()
    if failed:
        lines = "".join(f"\n  {name}: {why}" for name, why in failed.items())
        raise StageError(
            f"{len(failed)} of {len(runs)} runs failed; the same command tries them again:{lines}"
        )
    if not args.dry_run:
        say(f"experiment: {plan.name}: all {len(runs)} runs are done")


def _selected(plan: Plan, text: str) -> list[Run]:
    """The runs with ``text`` in their name, in which * is any letters, and what they need, in the order in
    which they are run.
    """
    wanted = [run for run in plan.runs if fnmatch.fnmatchcase(run.name, f"*{text}*")]
    if not wanted:
        raise StageError(f"--only {text}: no run has that in recipe/tag; --list shows them all")
    names: set[str] = set()
    while wanted:
        run = wanted.pop()
        if run.name not in names:
            names.add(run.name)
            wanted += plan.needs(run)
    return [run for run in plan.ordered() if run.name in names]


def _dry_run(plan: Plan, runs: list[Run], egs: Path) -> dict[str, str]:
    """What would run. Behind stage 1, stages read the models that a run needs: where these are still to come,
    that is all there is to say.
    """
    failed = {}
    for number, run in enumerate(runs, 1):
        say(f"experiment: run {number} of {len(runs)}: {run.name}")
        coming = [
            need.name for need in plan.needs(run) if not (egs / need.recipe / "exp" / need.tag).is_dir()
        ]
        for stage in run.stages:
            if coming and stage != "data":
                say(f"{stage}: would run after {', '.join(coming)}")
            elif _stage(run, stage, egs, dry_run=True):
                failed[run.name] = f"stage {stage}, see its error above"
                break
    return failed


def _stage(run: Run, stage: str, egs: Path, dry_run: bool = False) -> int:
    """Exit status of one stage; KeyboardInterrupt if it was interrupted. Paths in settings count from the
    recipe.
    """
    call = Call(egs / run.recipe, run.words, dry_run=dry_run, nj=1)
    status = guarded(stage, lambda: run_in_folds(stage, call.contexts()))
    if status in (INTERRUPTED, NOT_READ):
        raise KeyboardInterrupt
    return status


def _do_part(run: Run, part: str, board: Board) -> None:
    """What a job of Slurm does: some stages of one run; StageError, for its exit status."""
    why = run_stages(run, stages_of(run, part), board.egs)
    if why or part == OWN or not stages_of(run, OWN):
        board.note(run, why)
    if why:
        raise StageError(f"{run.name}: {why}; mend it and give the command with --executor slurm again")


def run_stages(run: Run, stages: list[str], egs: Path) -> str | None:
    """Do ``stages`` of a run; why it failed, or None."""
    for stage in stages:
        if _stage(run, stage, egs):
            return f"stage {stage}, see its error above"
    return None


class Lane:
    """One process's share of the work."""

    def __init__(self, plan: Plan, runs: list[Run], board: Board):
        self.plan, self.runs, self.board = plan, runs, board
        self.start, self.clock = datetime.datetime.now().astimezone(), time.monotonic()
        self.finished: set[str] = set()
        self.failed: dict[str, str] = {}

    def go(self) -> dict[str, str]:
        """Work until every run is finished or failed; ``{name: why}`` of those that failed here or
        elsewhere.
        """
        waiting = False
        while left := [run for run in self.runs if run.name not in self.finished | self.failed.keys()]:
            if any(
                self._take(run) for run in left
            ):  # one, then from the top again: the first may be ready by now
                waiting = False
                continue
            if not waiting:
                say(
                    f"experiment: {len(left)} runs are at work in another process or need one that is;"
                    " waiting for it"
                )
            waiting = True
            time.sleep(_POLL_S)
        return self.failed

    def _take(self, run: Run) -> bool:
        """Do ``run`` now if that can be done; True if it ended, well or not."""
        needed = self.plan.needs(run)
        broken = [other.name for other in needed if other.name in self.failed]
        if broken:
            self.failed[run.name] = f"needs {broken[0]}, which failed"
            return True
        if any(other.name not in self.finished for other in needed):
            return False
        with self.board.claim(run) as mine:
            if not mine:
                return False
            why = self.board.failed_since(run, self.start) or self._do(run)
        if why:
            self.failed[run.name] = why
        else:
            self.finished.add(run.name)
        return True

    def _do(self, run: Run) -> str | None:
        """All stages of ``run``; why it failed, or None."""
        number = len(self.finished) + len(self.failed) + 1
        minutes = (time.monotonic() - self.clock) / 60
        say(f"experiment: run {number} of {len(self.runs)}: {run.name} ({minutes:.0f} min so far)")
        shared, own = stages_before_training(run)
        try:
            with self.board.preparing():
                why = run_stages(run, shared, self.board.egs)
            why = why or run_stages(run, own, self.board.egs)
        except Exception as err:  # a defect ends this run only; the list at the end has it
            traceback.print_exc()
            why = f"{type(err).__name__}: {err}"
        self.board.note(run, why)
        return why
