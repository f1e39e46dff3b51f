"""Messages → answers in processes of this machine: order, errors of any type, deaths, and nobody left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core import executor
from xlt.core.errors import ConfigError, MissingInput, StageError
from xlt.core.executor import Local, Workers, run
from xlt.core.registry import EXECUTORS, WORK

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    monkeypatch.setitem(WORK.entries, "squares", "tests.core.toy_work:Squares")


def numbers(count: int, **first) -> list[dict]:
    """Messages 0, 1, …; the first one with further keys."""
    return [{"n": 0, **first}, *({"n": n} for n in range(1, count))]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_answers_come_in_the_order_of_the_messages(jobs):
    answers = list(run("squares", "said", numbers(9, sleep_s=0.2 * (jobs > 1)), Workers(jobs)))
    assert [(square, setup) for square, setup, *_ in answers] == [(n**2, "said") for n in range(9)]
    assert {number for _, _, number, _ in answers} <= set(range(1, jobs + 1))


def test_or_in_the_order_of_completion():
    """The first message takes longer than all others together; its worker holds one more."""
    answers = [a[0] for a in run("squares", None, numbers(9, sleep_s=1.0), Workers(2), ordered=False)]
    assert sorted(answers) == [n**2 for n in range(9)] and answers[0] != 0 and 0 in answers[-2:]


def test_no_messages_no_processes():
    assert list(run("squares", None, [], Workers(4))) == []


def test_processes_are_started_once_and_only_as_many_as_there_is_work():
    local = Local("squares", None, Workers(2))
    try:
        list(local.run(numbers(1)))
        assert len(local.processes) == 1
        list(local.run(numbers(5)))
        pids = [p.process.pid for p in local.processes]
        list(local.run(numbers(1)))
        assert [p.process.pid for p in local.processes] == pids and len(pids) == 2
    finally:
        local.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_worker_a_gpu_which_sees_no_other():
    workers = Workers(5, ["GPU-77b1", "3"])
    assert workers.count == 2
    local = Local("squares", None, workers)
    try:
        list(local.run(numbers(9, sleep_s=0.3)))
        gpus = [Path(f"/proc/{p.process.pid}/environ").read_bytes().split(b"\0") for p in local.processes]
    finally:
        local.close()
    assert [b"CUDA_VISIBLE_DEVICES=GPU-77b1" in gpus[0], b"CUDA_VISIBLE_DEVICES=3" in gpus[1]] == [True] * 2


def test_without_gpus_workers_see_none_and_one_job_is_done_here_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert {gpu for *_, gpu in run("squares", None, numbers(4), Workers(2))} == {""}
    assert {gpu for *_, gpu in run("squares", None, numbers(4), Workers(1))} == {"0"}
    assert {gpu for *_, gpu in run("squares", None, numbers(4), Workers(1, in_process=False))} == {""}


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_keep_their_type_and_fields(jobs):
    with pytest.raises(MissingInput, match="^0: not there$") as missing:
        list(run("squares", None, numbers(4, unreadable=1), Workers(jobs)))
    assert missing.value.stage == "data"
    with pytest.raises(OSError) as full:
        list(run("squares", None, numbers(4, full=1), Workers(jobs)))
    assert (full.value.errno, full.value.filename) == (28, "a.ark")
    with pytest.raises(KeyError):
        list(run("squares", None, numbers(4, defect=1), Workers(jobs)))


def test_an_error_of_a_worker_shows_where_it_happened():
    with pytest.raises(KeyError) as defect:
        list(run("squares", None, numbers(4, defect=1), Workers(2)))
    assert "toy_work.py" in defect.value.__notes__[0]
    with pytest.raises(StageError, match="Odd: cannot be pickled"):
        list(run("squares", None, numbers(4, odd=1), Workers(2)))


def test_after_an_error_nobody_reads_a_stale_answer():
    local = Local("squares", None, Workers(2))
    try:
        with pytest.raises(MissingInput):
            list(local.run(numbers(6, unreadable=1)))
        assert [a[0] for a in local.run(numbers(3))] == [0, 1, 4]
    finally:
        local.close()


def test_a_dead_worker_is_reported_with_what_it_was_working_on():
    with pytest.raises(StageError) as ended:
        list(run("squares", None, numbers(4, dies="exit"), Workers(2)))
    assert "squares: worker 1 ended with status 3 while working on the number 0;" in str(ended.value)
    assert "last words" in str(ended.value)
    with pytest.raises(StageError) as killed:
        list(run("squares", None, numbers(4, dies="kill"), Workers(2)))
    assert "worker 1 was killed while working on the number 0, most likely because" in str(killed.value)
    assert "lower --nj or squares.size and run the same command" in str(killed.value)


def test_a_worker_that_cannot_start(monkeypatch):
    monkeypatch.setattr(executor.sys, "executable", "/bin/false")
    with pytest.raises(StageError, match="squares: worker [12] ended with status 1"):
        list(run("squares", None, numbers(4), Workers(2)))


def test_who_stops_listening_leaves_no_process():
    local = Local("squares", None, Workers(2))
    answers = local.run(numbers(9))
    next(answers)
    pids = [p.process.pid for p in local.processes]
    answers.close()
    assert local.processes == [] and not any(Path(f"/proc/{pid}").exists() for pid in pids)


SLEEPER = """
from xlt.core.executor import Workers, run
from xlt.core.registry import WORK
WORK.entries["squares"] = "tests.core.toy_work:Squares"
for answer in run("squares", None, [{"n": n, "sleep_s": 0 if n < 2 else 60} for n in range(8)], Workers(2)):
    print(answer, flush=True)
"""


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_a_killed_parent_leave_no_children(ended_by):
    """Ctrl-C goes to the whole group, as in a terminal; a killed parent's workers end with their input."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEPER.replace("60", "60" if ended_by == signal.SIGINT else "2")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout.readline()
    (os.killpg if ended_by == signal.SIGINT else os.kill)(parent.pid, ended_by)
    parent.wait(20)
    parent.stdout.close()
    for _ in range(200):
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker is left")


SLOW_AND_QUICK = """import pickle, sys, time
from xlt.core.executor import framed
from xlt.core.worker import _messages
messages = _messages(sys.stdin.buffer)
next(messages)
numbers = (message["n"] for message in messages)
def say(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
first = next(numbers)
if first == 0:  # answers its first two messages at once, when the other process has answered all the rest
    second = next(numbers)
    time.sleep(1)
    say(framed(0) + framed(second))
else:
    say(framed(first))
for n in numbers:
    say(framed(n))
"""


def test_two_answers_that_come_at_once_are_both_seen(monkeypatch):
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **kw: real([sys.executable, "-c", SLOW_AND_QUICK], **kw)
    )
    assert sorted(run("squares", None, numbers(9), Workers(2), ordered=False)) == list(range(9))


def test_a_message_and_an_answer_larger_than_a_pipe():
    big = "x" * 3_000_000
    answers = list(run("squares", big, [{"n": n, "ballast": big} for n in range(4)], Workers(2)))
    assert [(a[0], len(a[1])) for a in answers] == [(n**2, len(big)) for n in range(4)]


def test_another_executor_is_one_line(monkeypatch):
    monkeypatch.setitem(EXECUTORS.entries, "here", f"{__name__}:Here")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    found = list(run("squares", None, numbers(3), Workers(2, executor="here")))
    assert [a[0] for a in found] == [0, 1, 4]
    with raises(ConfigError, "executor", "'pbs'"):
        list(run("squares", None, numbers(3), Workers(2, executor="pbs")))


class Here:
    """An executor that does all in the calling process."""

    def __init__(self, kind, setup, workers):
        self.work = WORK.get(kind)(setup, 1)

    def run(self, messages, ordered=True, keep=None):
        return (self.work.run(m, self.work.prepare(m)) for m in messages)

    def close(self):
        pass
