"""``xlt experiment --executor slurm``: the runs of an experiment file as jobs that wait for each other.

Each run has two: its stages up to tokens, whose outputs runs share, and the others. The first ones of all
runs form a chain, so that no two of them write the same data at once, and no lock is needed between nodes;
both wait for the models that the run needs.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from xlt.commands.board import Board
from xlt.core import jsons
from xlt.core.cluster.shards import write_json
from xlt.core.cluster.slurm import cancel, in_queue, submit
from xlt.core.config import load
from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.core.paths import python_path
from xlt.core.plan import OWN, SHARED, Plan, Run, stages_of

_SCRIPT = """#!/bin/bash
cd {egs} || exit 71
exec >{log}.$SLURM_JOB_ID.txt 2>&1
{setup}
export PYTHONPATH={path} OMP_NUM_THREADS={cpus}
exec {python} -P -m xlt.cli experiment {file} --egs {egs} --only {name} --part {part}
"""


def submit_runs(plan: Plan, runs: list[Run], board: Board) -> None:
    """Submit ``runs``, those that others need first; runs that are done or in the queue are left alone."""
    egs = board.egs
    logs = board.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting = in_queue([job for run in runs for job in _jobs(board, run).values()])
    if waiting is None:
        raise ConfigError(
            "executor=slurm: squeue does not answer, so it is not known what is in the queue; see what squeue"
            " says, then run the same command again"
        )
    jobs: dict[str, str] = {}
    before = None  # the last job of the chain
    count = 0
    for run in runs:
        known = {part: job for part, job in _jobs(board, run).items() if job in waiting}
        before = known.get(SHARED, before)
        if known:
            jobs[run.name] = list(known.values())[-1]
            continue
        if board.state(run) in ("done", "running"):
            continue
        cluster = load(egs / run.recipe, list(run.words)).cluster
        needs = [jobs[need.name] for need in plan.needs(run) if need.name in jobs]
        made: dict[str, str] = {}
        for part in (SHARED, OWN):
            if not stages_of(run, part):
                continue
            script = _SCRIPT.format(
                egs=shlex.quote(str(egs.absolute())),
                log=shlex.quote(str((logs / f"{run.recipe}.{run.tag}.{part}").absolute())),
                setup="\n".join(map(str, cluster.setup)),
                path=shlex.quote(python_path()),
                cpus=cluster.cpus,
                python=shlex.quote(sys.executable),
                file=shlex.quote(str(plan.path.absolute())),
                name=shlex.quote(run.name),
                part=part,
            )
            after = [f"afterok:{job}" for job in [*needs, *made.values()]]
            after += [f"afterany:{before}"] if part == SHARED and before else []
            words = [f"--job-name={run.recipe}.{run.tag}.{part}"]
            words += [f"--dependency={','.join(after)}", "--kill-on-invalid-dep=yes"] if after else []
            try:
                made[part] = submit(words, script, cluster)
            except BaseException:
                cancel(list(made.values()))  # nothing would follow it, and the next call would not know of it
                raise
        before = made.get(SHARED, before)
        jobs[run.name] = list(made.values())[-1]
        write_json(_note(board, run), made)
        count += 1
    say(
        f"experiment: {plan.name}: {count} of {len(runs)} runs were submitted, the others are done or in the"
        f" queue; what they print is in {logs}; the same command submits what failed"
    )


def _note(board: Board, run: Run) -> Path:
    return board.folder / f"{run.recipe}.{run.tag}.jobs"


def _jobs(board: Board, run: Run) -> dict[str, str]:
    """The jobs that were submitted for the parts of a run last."""
    path = _note(board, run)
    return jsons.parse(path.read_text(encoding="utf-8")) if path.exists() else {}
