"""What can happen to tasks of a cluster, by a Slurm of a few lines of shell; test_real.py has a true one."""

import json
import os
import pickle
import socket
import types
from pathlib import Path

import pytest

from tests.cluster.fake import FakeSlurm
from tests.errors import raises
from xlt.core.cluster import driver, shards, task
from xlt.core.cluster.dask import Dask
from xlt.core.cluster.shards import Shards
from xlt.core.cluster.slurm import Slurm, in_queue
from xlt.core.errors import ConfigError, MissingInput, StageError
from xlt.core.executor import Workers, run
from xlt.core.registry import WORK
from xlt.core.settings import ClusterConfig

pytestmark = pytest.mark.slow


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.setitem(WORK.entries, "squares", "tests.core.toy_work:Squares")
    monkeypatch.setattr(driver, "ASK_S", 0.2)
    monkeypatch.setattr(driver, "GRACE_S", 0.3)
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.folder}/bin:{os.environ['PATH']}")
    return fake


CLUSTER = ClusterConfig(
    tasks=2,
    shard_h=1.0,
    partition=None,
    time_h=0.5,
    memory_gb=1.0,
    cpus=1,
    gpus=0,
    options=[],
    setup=[],
    scratch=None,
    scheduler=None,
)


def workers(folder: Path, **settings) -> Workers:
    cluster = ClusterConfig(**{**vars(CLUSTER), **settings})
    return Workers(1, executor="slurm", cluster=cluster, folder=folder / "tasks")


def numbers(count: int, **first) -> list[dict]:
    return [{"n": 0, **first}, *({"n": n} for n in range(1, count))]


def squares(tmp_path: Path, messages: list[dict], keep: Path | None = None, **settings) -> list[int]:
    return [a[0] for a in run("squares", "said", messages, workers(tmp_path, **settings), keep=keep)]


def test_answers_come_in_order_and_nothing_is_left(slurm, tmp_path):
    found = list(run("squares", "said", numbers(5), workers(tmp_path, tasks=3, setup=["export A=1"])))
    assert [(square, setup, gpu) for square, setup, _, gpu in found] == [(n**2, "said", "") for n in range(5)]
    assert not (tmp_path / "tasks").exists()
    assert "--array=0-2%3" in slurm.options()
    assert {"--time=30", "--mem=1000M", "--cpus-per-task=1", "--requeue"} <= set(slurm.options())


def test_what_the_settings_ask_for_reaches_sbatch(slurm, tmp_path):
    asked = {"partition": "long", "gpus": 2, "options": ["--account=speech"], "memory_gb": 0.5, "cpus": 4}
    squares(tmp_path, numbers(1), **asked)
    assert {"--partition=long", "--gres=gpu:2", "--account=speech", "--mem=500M", "--cpus-per-task=4"} <= set(
        slurm.options()
    )


def test_paths_with_spaces_and_quotes(slurm, tmp_path, monkeypatch):
    """Variables in the setting are those of the node."""
    odd = tmp_path / 'it\'s "a" `$x` folder'
    odd.mkdir()
    monkeypatch.setenv("PLACE", str(odd))
    for scratch in (str(odd), "$PLACE"):
        assert squares(tmp_path, numbers(1), keep=odd, scratch=scratch) == [0]


def test_a_task_that_runs_twice_at_once_changes_nothing(slurm, tmp_path):
    slurm.does("101:0 twice", "101:1 twice")
    assert squares(tmp_path, numbers(4)) == [0, 1, 4, 9]


def test_a_task_that_a_node_lost_runs_again(slurm, tmp_path, capsys):
    slurm.does("101:1 NODE_FAIL")
    assert squares(tmp_path, numbers(4)) == [0, 1, 4, 9]
    assert slurm.jobs == [101, 102] and "--array=0-0%2" in slurm.options(102)
    assert "NODE_FAIL" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "setting", "remedy"),
    [
        ("TIMEOUT", "cluster.time_h=0.5", "cluster.shard_h"),
        ("OUT_OF_MEMORY", "cluster.memory_gb=1", "squares.size"),
        ("CANCELLED", "slurm", "cancelled"),
    ],
)
def test_how_slurm_ended_a_task_is_told_with_what_to_change(slurm, tmp_path, state, setting, remedy):
    slurm.does(f"101:1 {state}")
    with raises(StageError, remedy, "node1", "the number 1", where=setting):
        squares(tmp_path, numbers(2))
    assert (slurm.folder / "cancelled").read_text().split() == ["--quiet", "101"]


def test_a_node_that_does_not_see_the_folder(slurm, tmp_path):
    slurm.does("101:0 nothing", "102:0 nothing")
    with raises(StageError, "node1", "all nodes share"):
        squares(tmp_path, numbers(1))


def test_an_error_of_a_task_keeps_its_type(slurm, tmp_path):
    with raises(MissingInput, where="0") as missing:
        squares(tmp_path, numbers(2, unreadable=1))
    assert missing.value.stage == "data"


def test_a_task_that_dies_is_tried_twice_and_told_with_its_last_words(slurm, tmp_path):
    with raises(StageError, "FAILED", "last words", where="slurm"):
        squares(tmp_path, numbers(1, dies="kill"))
    assert slurm.jobs == [101, 102]


def test_a_worker_with_other_code_is_refused(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "versions", lambda: {"xlt": "0123456789ab", "python": "3.13"})
    with raises(StageError, "0123456789ab", "one environment", where="slurm"):
        squares(tmp_path, numbers(1))


def test_a_full_scratch_disk_names_the_setting_and_the_machine(slurm, tmp_path):
    with raises(ConfigError, os.uname().nodename, "cluster.shard_h", where="cluster.scratch=/nowhere"):
        squares(tmp_path, numbers(1), scratch="/nowhere")


def test_a_job_that_slurm_refuses(slurm, tmp_path):
    (slurm.folder / "refuse").write_text("sbatch: error: invalid partition specified: nope\n")
    with raises(ConfigError, "invalid partition", where="cluster.partition=nope"):
        squares(tmp_path, numbers(1), partition="nope")


def test_without_slurm_that_is_said(tmp_path, monkeypatch, slurm):
    monkeypatch.setenv("PATH", str(tmp_path))
    with raises(ConfigError, "sbatch", "login", where="executor=slurm"):
        squares(tmp_path, numbers(1))


def test_a_rerun_does_only_what_is_missing(slurm, tmp_path):
    """A run whose second task fails leaves the answers of the first; a third begins with none."""
    keep = tmp_path / "keep"
    keep.mkdir()
    slurm.does("101:1 TIMEOUT")
    with raises(StageError, where="cluster.time_h=0.5"):
        squares(tmp_path, numbers(4), keep)
    assert [p.name for p in keep.glob(".tasks/squares/answers/*")] == ["0.pickle"]
    assert squares(tmp_path, numbers(4), keep) == [0, 1, 4, 9]
    assert "--array=0-1%2" in slurm.options(102) and len(slurm.jobs) == 2  # each part once
    assert list(keep.iterdir()) == []


def test_a_rerun_waits_for_tasks_that_are_still_at_work(slurm, tmp_path):
    """The process that waited was killed; its job goes on and is not submitted again."""
    keep = tmp_path / "keep"
    keep.mkdir()
    first = Slurm("squares", "said", workers(tmp_path))
    folder = first._open(keep)
    list(first._places(folder, numbers(4)))
    first.submit(folder, [0, 1])
    assert squares(tmp_path, numbers(4), keep) == [0, 1, 4, 9]
    assert slurm.jobs == [101]


def test_without_the_controller_tasks_go_on_and_are_waited_for(slurm, tmp_path, capsys):
    (slurm.folder / "silent").touch()
    assert squares(tmp_path, numbers(2, sleep_s=2.0)) == [0, 1]
    assert capsys.readouterr().out.count("squeue does not answer") == 1


def test_jobs_of_a_silent_slurm_are_not_taken_for_ended(slurm):
    assert (in_queue([]), in_queue(["101"])) == (set(), set())
    (slurm.folder / "silent").touch()
    assert (in_queue([]), in_queue(["101"])) == (set(), None)


def test_dask_runs_a_shard_again_that_is_submitted_again(slurm, tmp_path):
    """A second task under a known key would be the first one, which has ended."""
    keys = []
    dask = Dask("squares", "said", workers(tmp_path))
    dask._client = types.SimpleNamespace(submit=lambda *words, key, pure: keys.append(key))
    for _ in range(2):
        dask.submit(Shards(tmp_path), [0])
    assert len(set(keys)) == 2


def test_pickles_of_others_are_not_opened(tmp_path):
    ran = tmp_path / "ran"

    class Touch:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    made = Shards(tmp_path / "tasks")
    made.make("a:B", None, "")
    made.answer(0, [1])
    (tmp_path / "theirs").write_bytes(pickle.dumps(Touch()))
    (made.folder / "answers/1.pickle").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError):
        made.read("answers/1.pickle")
    path = made.folder / "answers/2.pickle"
    path.write_bytes(pickle.dumps(Touch()))
    path.chmod(0o666)
    with raises(StageError, "not written by this user"):
        made.read("answers/2.pickle")
    made.folder.chmod(0o777)
    with raises(StageError, "others can write there"):
        made.make("a:B", None, "")
    assert not ran.exists() and made.read("answers/0.pickle") == [1]


def test_equal_messages_have_one_digest_whatever_objects_they_are_made_of():
    word = "".join(["w", "ord"])
    assert shards.digest([word, word]) == shards.digest(["word", "".join(["wo", "rd"])])
    assert shards.digest(["word"]) != shards.digest(["words"])


def cut(sizes: list[int], **settings) -> list[list[int]]:
    """How messages with so many utterances are cut, by their places."""
    owner = types.SimpleNamespace(
        cluster=ClusterConfig(**{**vars(CLUSTER), **settings}),
        work=types.SimpleNamespace(utterances=lambda message: message),
    )
    return [
        [int(k) for k, _ in part]
        for part in driver.Cluster._cut(owner, list(zip("0123", sizes, strict=True)))
    ]


def test_shards_are_an_hour_long_or_as_many_as_tasks():
    assert cut([720] * 4) == [[0], [1], [2], [3]]  # 720 utterances of about five seconds are an hour
    assert cut([720] * 4, shard_h=2.0) == [[0, 1], [2, 3]]
    assert cut([10] * 4) == [[0, 1], [2, 3]]
    assert cut([10] * 4, tasks=8) == [[0], [1], [2], [3]]


def test_versions_name_what_differs(monkeypatch):
    own = shards.versions()
    assert shards.differing(json.loads(json.dumps(own))) == []
    assert shards.differing({**own, "torch": "0.1"}) == [f"torch {own['torch']} instead of 0.1"]


def test_a_node_without_room_is_refused_before_the_work_and_a_disk_that_fills_is_named(tmp_path, monkeypatch):
    made = Shards(tmp_path / "tasks")
    made.make("tests.core.toy_work:Squares", None, "")
    made.add(0, numbers(1))
    monkeypatch.setenv("XLT_SCRATCH", str(tmp_path))
    monkeypatch.setattr(task, "room", lambda folder: (5_000_000, None))
    assert task.run(made.folder, 0) == 1
    with raises(ConfigError, "5 MB", where=f"cluster.scratch={tmp_path}"):
        raise made.read("answers/0.error")
    monkeypatch.setattr(task, "room", lambda folder: (1 << 40, None))
    made.add(1, numbers(1, full=1))  # a file elsewhere: the error stays what it is
    assert task.run(made.folder, 1) == 1
    with pytest.raises(OSError, match="a.ark"):
        raise made.read("answers/1.error")
    assert isinstance(task.full(tmp_path, "the disk is full"), ConfigError)
    assert task.run(made.folder, 1) == 1 and list(tmp_path.glob("xlt-*")) == []


def test_a_port_that_says_nothing_is_no_scheduler(slurm, tmp_path, monkeypatch):
    """distributed waits for ever for what takes the connection and is silent, whatever its time limit."""
    monkeypatch.setattr("xlt.core.cluster.dask._CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        made = Dask("squares", None, workers(tmp_path, scheduler=where))
        with raises(ConfigError, "8786", where=f"cluster.scheduler={where}"):
            made.submit(Shards(tmp_path), [0])
