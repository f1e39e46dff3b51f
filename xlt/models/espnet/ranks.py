"""Training in several processes: each takes a part of every batch, and their gradients are added up (ESPnet's
distributed training). torchrun starts them, on this machine or, as one job of Slurm, on several.

The batches are those of one process, and ESPnet weighs each part's loss by its utterances. So the model is
that of one process up to rounding, as far as nothing is drawn at random: each rank draws its own dropout and
masks. If a rank is lost, torchrun starts all of them again, and they go on from the last whole epoch.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from xlt.core.cluster.slurm import cancel, in_queue, submit
from xlt.core.config import Config
from xlt.core.errors import StageError
from xlt.core.log import say
from xlt.core.paths import python_path
from xlt.core.stage import write_json
from xlt.models.espnet import starts
from xlt.models.espnet.epochs import logging_to
from xlt.models.espnet.task import XltTask, restore_checkpoint

RESTARTS = 3
POLL_S = 5.0
_STUCK, _ENDED, _SAID = "stuck.json", "ended", "ranks.txt"
_SCRIPT = """#!/bin/bash
cd {work} || exit 71
exec >{said} 2>&1
{setup}
export PYTHONPATH={path} OMP_NUM_THREADS={cpus}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
{run} && touch {ended}
"""


def wanted(cfg: Config) -> bool:
    """Whether training is to be done by other processes than this one."""
    return cfg.train.nodes is not None or cfg.train.processes > 1


def train(cfg: Config, config: Path, out: Path, kind: str, epochs: int) -> None:
    """Train as ``config`` says, in ``out``; raises :class:`starts.Stuck`, or StageError if the ranks fail.
    ``kind``: of tokens, for the lines of the epochs.
    """
    for name in (_STUCK, _ENDED, _SAID):
        (config.parent / name).unlink(missing_ok=True)
    ngpu = yaml.safe_load(config.read_text(encoding="utf-8"))["ngpu"]
    facts = {"recipe": str(cfg.recipe), "kind": kind, "epochs": epochs}
    write_json(config.with_suffix(".json"), facts)
    on_nodes = cfg.train.nodes is not None
    ranks = (cfg.cluster.gpus if on_nodes else ngpu) or cfg.train.processes
    words = [sys.executable, "-P", "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
    words += [f"--max-restarts={RESTARTS}"]
    module = ["-m", "xlt.models.espnet.ranks", str(config)]
    lines = _on_nodes(cfg, words, module, config) if on_nodes else _here(words, module, config)
    for line in lines:
        say(line)
    if (config.parent / _STUCK).exists():
        raise starts.Stuck(**json.loads((config.parent / _STUCK).read_text(encoding="utf-8")))
    if not (config.parent / _ENDED).exists():
        said = config.parent / _SAID
        if not said.exists():
            raise StageError(
                "train: the job ended before it began: it was cancelled, or its node does not see"
                f" {config.parent}; put recipe, checkout and environment on a file system that all nodes"
                " share, and run the same command again"
            )
        last = said.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        shown = "".join(f"\n  {line}" for line in last)
        raise StageError(
            f"train: the processes ended before the training; the same command continues from the last epoch;"
            f" their last lines:{shown}"
        )


def _here(words: list[str], module: list[str], config: Path) -> Iterator[str]:
    """Run the ranks on this machine; the lines for the user."""
    env = {"PYTHONPATH": python_path()}
    env |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "GLOO_SOCKET_IFNAME": "lo"}
    said = config.parent / _SAID
    with said.open("wb") as log:
        command = [*words, "--standalone", *module]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **env})
        try:
            yield from _told(said, lambda: process.poll() is None)
        finally:
            process.terminate()  # torchrun ends its ranks
            status = process.wait()
    if status == 0:
        (config.parent / _ENDED).touch()


def _on_nodes(cfg: Config, words: list[str], module: list[str], config: Path) -> Iterator[str]:
    """Run them as one job of Slurm."""
    nodes, cluster = cfg.train.nodes or 1, cfg.cluster
    if nodes > 1:
        place = '"$head:$((20000 + SLURM_JOB_ID % 20000))"'
        meeting = f'--rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint={place}'
        command = f"srun {shlex.join([*words, f'--nnodes={nodes}'])} {meeting} {shlex.join(module)}"
    else:
        command = shlex.join([*words, "--standalone", *module])
    script = _SCRIPT.format(
        work=shlex.quote(str(config.parent)),
        said=_SAID,
        setup="\n".join(map(str, cluster.setup)),
        path=shlex.quote(python_path()),
        cpus=cluster.cpus,
        run=command,
        ended=_ENDED,
    )
    job = submit([f"--nodes={nodes}", "--ntasks-per-node=1", "--job-name=xlt-train"], script, cluster)
    say(f"  slurm: job {job} trains on {nodes} {'nodes' if nodes > 1 else 'node'}")
    try:
        yield from _told(config.parent / _SAID, lambda: in_queue([job]) != set())  # None: wait
    finally:
        cancel([job])


def _told(said: Path, goes_on) -> Iterator[str]:
    """The lines of ``said`` that are for the user, as they come."""
    place, begun, more = 0, "", True
    while more:
        time.sleep(POLL_S if place else POLL_S / 5)
        more = goes_on()
        if not said.exists():
            continue
        with said.open(encoding="utf-8", errors="replace") as file:
            file.seek(place)
            *whole, begun = (begun + file.read()).split("\n")
            place = file.tell()
        yield from (line for line in whole if line.startswith("  epoch "))


def arguments(config: Path, ngpu: int, rank: int, ranks: int, local_rank: int) -> list[str]:
    """ESPnet's command line of one rank."""
    words = ["--config", str(config), "--multiprocessing_distributed", "false", "--ngpu", str(min(ngpu, 1))]
    words += ["--dist_backend", "nccl" if ngpu else "gloo"]
    words += ["--dist_world_size", str(ranks), "--dist_rank", str(rank)]
    return words + (["--local_rank", str(local_rank)] if ngpu else [])


def main(config: Path) -> int:
    """What torchrun calls: the training of one rank; the exit status."""
    rank, ranks, local_rank = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    ngpu = yaml.safe_load(config.read_text(encoding="utf-8"))["ngpu"]
    facts = json.loads(config.with_suffix(".json").read_text(encoding="utf-8"))
    out = config.parent.parent
    if not ngpu:
        os.environ.pop("LOCAL_RANK")  # ESPnet would look for a GPU of that number
    with contextlib.ExitStack() as stack:
        if rank == 0:  # the others wait for it where they meet, before they read the checkpoint
            restore_checkpoint(out)
            log = logging_to(out / "train.log", Path(facts["recipe"]), facts["kind"], facts["epochs"])
            stack.enter_context(log)
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            XltTask.main(cmd=arguments(config, ngpu, rank, ranks, local_rank))
        except starts.Stuck as stuck:  # all ranks see the same rate
            if rank == 0:
                write_json(config.parent / _STUCK, {"epoch": stuck.epoch, "rate": stuck.rate})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
