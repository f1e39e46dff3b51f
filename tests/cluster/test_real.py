"""Stages on a real Slurm of one node with two slots, and on Dask: what they leave equals that of one machine,
byte by byte.
"""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cluster import slurm
from tests.cluster.test_fake import numbers, squares
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.cluster import driver
from xlt.core.errors import DataError
from xlt.core.registry import WORK

pytestmark = pytest.mark.slow
TABLES = ("feats.json", "utt2audio", "utt2crc", "utt2num_frames")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """The environment of a Slurm with two slots; skips where its packages cannot be had."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            with slurm.running(tmp_path_factory.mktemp("slurm")) as env:
                for name, value in env.items():
                    patch.setenv(name, value)
                yield env
        except DataError as err:
            pytest.skip(f"no Slurm from Debian's packages: {err}")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setitem(WORK.entries, "squares", "tests.core.toy_work:Squares")
    monkeypatch.setattr(driver, "ASK_S", 1.0)
    monkeypatch.setattr(driver, "GRACE_S", 1.0)


def make_recipe(folder: Path) -> Path:
    """A recipe with eight made sounds of four speakers."""
    rng = np.random.default_rng(0)
    (folder / "corpus").mkdir(parents=True)
    rows = ["path\tsentence\tspeaker"]
    for k in range(8):
        soundfile.write(folder / f"corpus/{k}.wav", rng.normal(0, 0.1, 8000 + 800 * k), 16000)
        rows.append(f"{k}.wav\tana are {'abcdefgh'[k]}\ts{k // 2}")
    (folder / "corpus/table.tsv").write_text("\n".join(rows) + "\n")
    lines = [
        "lang: ron_Latn",
        "data: {reader: table, dir: corpus/table.tsv, cache: cache}",
        "features: {upstream: fbank, batch_s: 1.0}",
        "cluster: {tasks: 2}",
    ]
    (folder / "recipe.yaml").write_text("\n".join(lines) + "\n")
    return folder


def made(recipe: Path) -> dict[str, bytes]:
    """What stages 1 and 3 have left, but for what names places and times."""
    files = [*recipe.glob("data/*/*"), *recipe.glob("data/all/wav/*")]
    files += [recipe / "dump/fbank" / name / table for name in ("train", "dev", "test") for table in TABLES]
    return {
        str(path.relative_to(recipe)): path.read_bytes()
        for path in files
        if path.is_file() and path.name != "stage.json" and not path.name.startswith(".")
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, bytes]:
    recipe = make_recipe(tmp_path_factory.mktemp("alone"))
    for stage in ("data", "features"):
        assert main([stage, "--recipe", str(recipe), "--nj", "1"]) == 0
    return made(recipe)


def test_stages_leave_the_same_bytes_as_on_one_machine(tmp_path, node, alone):
    recipe = make_recipe(tmp_path / "recipe")
    for stage in ("data", "features"):
        assert main([stage, "--recipe", str(recipe), "--executor", "slurm"]) == 0
    found = made(recipe)
    assert found.keys() == alone.keys() and len(alone) > 30
    assert [name for name in alone if found[name] != alone[name]] == []
    assert not list(recipe.rglob(".tasks")) and not list(recipe.rglob("*.partial"))
    archives = {p.suffix for p in recipe.glob("cache/features/*/feats.*-*")}
    assert archives == {".ark", ".idx"}  # written in scratch, each under its own name


def test_dask_leaves_the_same_bytes(tmp_path, alone):
    """The same tasks: one stage is enough."""
    recipe = make_recipe(tmp_path / "recipe")
    assert main(["data", "--recipe", str(recipe), "--executor", "dask"]) == 0
    files = [name for name in alone if name.startswith("data/")]
    assert [name for name in files if (recipe / name).read_bytes() != alone[name]] == [] and len(files) > 20


@pytest.mark.trains
def test_decoding_leaves_the_same_texts(tmp_path, node):
    recipe = make_toy_recipe(tmp_path, train=12, held_out=4)
    words = ["--recipe", str(recipe), "train.max_epochs=1", "decode.sets=[test]", "cluster.tasks=1"]
    for stage in ("tokens", "train", "decode"):
        assert main([stage, *words]) == 0
    folder = recipe / "exp/main/decode_test"
    tables = {name: (folder / name).read_bytes() for name in ("text", "score", "ctm")}
    assert main(["decode", *words, "--force", "--executor", "slurm"]) == 0
    assert {name: (folder / name).read_bytes() for name in tables} == tables


def scancel_soon(env: dict[str, str], command: list[str]) -> threading.Thread:
    """Run a command of Slurm on the first job, as soon as a task runs."""

    def work() -> None:
        for _ in range(200):
            found = slurm_says(env, "squeue", "-h", "-t", "R", "-o", "%A")
            if found.split():
                slurm_says(env, *command, found.split()[0])
                return
            time.sleep(0.1)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def slurm_says(env: dict[str, str], *words: str) -> str:
    return subprocess.run(
        words, env={**os.environ, **env}, capture_output=True, text=True, check=False
    ).stdout


def test_a_requeued_task_changes_nothing(tmp_path, node):
    thread = scancel_soon(node, ["scontrol", "requeue"])
    assert squares(tmp_path, numbers(3, sleep_s=3.0), tasks=2) == [0, 1, 4]
    thread.join()


def test_a_dask_worker_that_is_killed_is_replaced(tmp_path):
    from distributed import LocalCluster

    from xlt.core.executor import Workers, run
    from xlt.core.settings import ClusterConfig

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1") as made:
        (pid,) = [worker.pid for worker in made.workers.values()]
        timer = threading.Timer(1.0, os.kill, (pid, signal.SIGKILL))
        timer.start()
        cluster = ClusterConfig(2, 1.0, None, 1.0, 1.0, 1, 0, [], [], None, made.scheduler_address)
        workers = Workers(1, executor="dask", cluster=cluster, folder=tmp_path / "tasks")
        found = [a[0] for a in run("squares", None, numbers(4, sleep_s=3.0), workers)]
    assert found == [0, 1, 4, 9]
