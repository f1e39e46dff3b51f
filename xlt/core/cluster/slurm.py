"""Tasks as array jobs of Slurm: plain sbatch, squeue and scancel. The shards are files, so there is no Python
function to send, which is what submitit is for.
"""

from __future__ import annotations

import math
import shlex
import shutil
import subprocess
from typing import Any

from xlt.core import jsons
from xlt.core.cluster.driver import CANCELLED, LOST, MEMORY, TIME, Cluster, End
from xlt.core.cluster.shards import Shards, write_json
from xlt.core.errors import ConfigError
from xlt.core.executor import Workers
from xlt.core.log import say
from xlt.core.settings import ClusterConfig

_JOBS = "jobs.json"  # in the folder of the shards: [{"job": id, "shards": [number, …]}, …]
_ENDS = {  # states of squeue behind which nothing runs any more
    "BOOT_FAIL": LOST,
    "CANCELLED": CANCELLED,
    "COMPLETED": LOST,
    "DEADLINE": TIME,
    "FAILED": LOST,
    "NODE_FAIL": LOST,
    "OUT_OF_MEMORY": MEMORY,
    "PREEMPTED": LOST,
    "REVOKED": LOST,
    "TIMEOUT": TIME,
}

_SCRIPT = """#!/bin/bash
shards=({shards})
number=${{shards[$SLURM_ARRAY_TASK_ID]}}
cd {folder} 2>/dev/null || exit 71  # this node does not see the shared folder
exec bash task.sh "$number" >"logs/$number.$SLURM_JOB_ID.txt" 2>&1
"""


def sbatch_options(cluster: ClusterConfig) -> list[str]:
    """What ``cluster`` asks of Slurm for a job."""
    return [
        f"--time={math.ceil(60 * cluster.time_h)}",
        f"--mem={math.ceil(1000 * cluster.memory_gb)}M",
        f"--cpus-per-task={cluster.cpus}",
        *([f"--partition={cluster.partition}"] if cluster.partition else []),
        *([f"--gres=gpu:{cluster.gpus}"] if cluster.gpus else []),
        *map(str, cluster.options),
    ]


def submit(words: list[str], script: str, cluster: ClusterConfig) -> str:
    """The id of the job ``script``, which sbatch gets with these options; ConfigError if it refuses it."""
    command = ["sbatch", "--parsable", "--output=/dev/null", *words, *sbatch_options(cluster)]
    try:
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError(
            "executor=slurm: there is no sbatch on this machine; run this on a login node of the cluster, or"
            " leave it out (executor=local)"
        ) from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:] or f"status {done.returncode}"
        where = f"cluster.partition={cluster.partition}" if cluster.partition else "executor=slurm"
        raise ConfigError(
            f"{where}: sbatch refuses the job ({said}); correct the section cluster, e.g. partition, time_h,"
            " memory_gb, options"
        )
    return done.stdout.strip().partition(";")[0]


def in_queue(jobs: list[str]) -> set[str] | None:
    """Those of ``jobs`` that run or wait to run; None if Slurm does not answer."""
    lines = _asked(jobs, "-o", "%A") if jobs else []
    return None if lines is None else set(jobs) & set(lines)


def _asked(jobs: list[str], *words: str) -> list[str] | None:
    """What squeue prints of ``jobs``: nothing of those that it has forgotten; None if it does not answer."""
    if not shutil.which("squeue"):
        return None
    command = ["squeue", "-h", "-j", ",".join(jobs), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [] if "invalid job id" in done.stderr.lower() else None
    return [line.strip() for line in done.stdout.splitlines()]


def cancel(jobs: list[str]) -> None:
    """End ``jobs``, if they have not ended."""
    if jobs and shutil.which("scancel"):
        subprocess.run(["scancel", "--quiet", *jobs], capture_output=True, check=False)


class Slurm(Cluster):
    """Array jobs over shards; requeued tasks find what is done."""

    name = "slurm"

    def __init__(self, kind: str, setup: Any, workers: Workers):
        super().__init__(kind, setup, workers)
        self._silent = False  # whether it was said that Slurm does not answer

    def submit(self, shards: Shards, numbers: list[int]) -> None:
        cluster = self.cluster
        script = _SCRIPT.format(shards=" ".join(map(str, numbers)), folder=shlex.quote(str(shards.folder)))
        array = f"--array=0-{len(numbers) - 1}%{cluster.tasks}"
        job = submit([array, "--requeue", f"--job-name=xlt-{self.kind}"], script, cluster)
        write_json(shards.folder / _JOBS, [*self._jobs(shards), {"job": job, "shards": numbers}])
        say(f"  slurm: job {job} with {len(numbers)} tasks, at most {cluster.tasks} at once")

    def _jobs(self, shards: Shards) -> list[dict]:
        path = shards.folder / _JOBS
        return jsons.parse(path.read_text(encoding="utf-8")) if path.exists() else []

    def ended(self, shards: Shards, numbers: set[int]) -> dict[int, End]:
        jobs = [job for job in self._jobs(shards) if numbers & set(job["shards"])]
        rows = _squeue([job["job"] for job in jobs]) if jobs else {}
        if rows is None:
            if not self._silent:
                say("  slurm: squeue does not answer; waiting for it")
            self._silent = True
            return {}
        found = {}
        for number in numbers:
            job = next((job for job in reversed(jobs) if number in job["shards"]), None)
            state, node = rows.get((job["job"], job["shards"].index(number)), ("", "")) if job else ("", "")
            if state in _ENDS or not state:
                found[number] = End(_ENDS.get(state, LOST), state or "no longer in the queue", node)
        return found

    def cancel(self, shards: Shards) -> None:
        cancel([job["job"] for job in self._jobs(shards)])


def _squeue(ids: list[str]) -> dict[tuple[str, int], tuple[str, str]] | None:
    """``{(job, number in the array): (state, node)}`` of what Slurm still knows; None if it is silent."""
    lines = _asked(ids, "-r", "-t", "all", "-o", "%F|%K|%T|%N")
    if lines is None:
        return None
    found = {}
    for line in lines:
        job, number, state, node = line.split("|")
        if number.isdigit():
            found[job, int(number)] = state, node
    return found
