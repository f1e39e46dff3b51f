"""Which processes are started, on which GPU, and what they are given; GPUs are counted, never used."""

import json
import subprocess
import sys

import pytest

from xlt.core.errors import ConfigError, DataError
from xlt.features import pool as pool_module
from xlt.features.extract import Setup
from xlt.features.pool import Pool
from xlt.upstreams import base
from xlt.upstreams.base import Source


def setup(upstream: str = "whisper_base") -> Setup:
    return Setup(Source(upstream, None, {}), "last", "float32", 80.0)


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Make the driver show so many GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    real = base.Path

    def show(count: int, visible: str | None = None) -> None:
        driver = tmp_path / f"gpus{count}"
        driver.mkdir(exist_ok=True)
        for n in range(count):
            (driver / f"0000:{n:02d}:00.0").mkdir(exist_ok=True)
        monkeypatch.setattr(base, "Path", lambda p: driver if p == "/proc/driver/nvidia/gpus" else real(p))
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return show


@pytest.mark.parametrize(
    "count, visible, ngpu, expected",
    [
        (0, None, None, []),
        (2, None, None, ["0", "1"]),
        (2, None, 1, ["0"]),
        (2, None, 0, []),
        (4, "3,1", None, ["3", "1"]),
        (4, "3,1", 1, ["3"]),
        (2, "", None, []),
        (2, "-1", None, []),
        (2, "1,7,0", None, ["1"]),  # as CUDA does: what follows a device that is not there does not count
        (2, "GPU-5f3a,GPU-77b1", None, ["GPU-5f3a", "GPU-77b1"]),
        (0, "0", None, []),
    ],
)
def test_gpus_that_are_there_and_visible(gpus, count, visible, ngpu, expected):
    gpus(count, visible)
    assert base.choose_gpus(ngpu) == expected
    assert base.has_gpu() == bool(base.visible_gpus())


@pytest.mark.parametrize(
    "count, visible, ngpu, message",
    [
        (0, None, 1, "features.ngpu: found 1, but this machine shows 0 NVIDIA GPUs; give 0, or null"),
        (
            4,
            "3,1",
            3,
            (
                "found 3, but this machine shows 2 NVIDIA GPUs, as CUDA_VISIBLE_DEVICES has it; give a number"
                " up to 2"
            ),
        ),
        (2, None, -1, "found -1"),
    ],
)
def test_more_gpus_than_there_are_is_an_error(gpus, count, visible, ngpu, message):
    gpus(count, visible)
    with pytest.raises(ConfigError, match=message):
        Pool(setup(), 2, ngpu)


class Recorder:
    """Stands for the process of a worker."""

    made: list = []

    def __init__(self, setup, number, gpu):
        self.gpu, self.number, self.sent, self.closed = gpu, number, [], False
        Recorder.made.append(self)

    def close(self):
        self.closed = True


@pytest.fixture
def recorder(monkeypatch):
    Recorder.made = []
    monkeypatch.setattr(pool_module, "_Worker", Recorder)
    return Recorder


@pytest.mark.parametrize(
    "count, upstream, ngpu, jobs, expected",
    [
        (2, "whisper_base", None, 8, ["0", "1"]),
        (2, "whisper_base", 1, 8, ["0"]),
        (2, "whisper_base", 0, 3, ["", "", ""]),
        (0, "whisper_base", None, 2, ["", ""]),
        (2, "fbank", None, 3, ["", "", ""]),
    ],
)
def test_one_worker_a_gpu(gpus, recorder, monkeypatch, count, upstream, ngpu, jobs, expected):
    gpus(count)
    pool = Pool(setup(upstream), jobs, ngpu)
    monkeypatch.setattr(Pool, "_share", lambda self, messages: iter([{}] * len(messages)))
    list(pool.run([{}] * 9))
    assert [w.gpu for w in recorder.made] == expected and pool.jobs == len(expected)


def test_a_worker_sees_its_gpu_only(monkeypatch):
    seen = {}

    class Process:
        def __init__(self, command, env, **kwargs):
            seen.update(env)
            self.stdin = type(
                "Pipe",
                (),
                {"write": lambda self, data: seen.update(first=json.loads(data)), "flush": lambda self: None},
            )()

    monkeypatch.setattr(pool_module.subprocess, "Popen", Process)
    pool_module._Worker(setup(), 4, "GPU-77b1").noise.close()
    assert seen["CUDA_VISIBLE_DEVICES"] == "GPU-77b1" and seen["first"]["number"] == 4


def messages(tmp_path, count: int) -> list[dict]:
    import numpy as np
    import soundfile

    rows = []
    for n in range(count):
        soundfile.write(tmp_path / f"{n}.wav", np.random.default_rng(n).normal(0, 0.1, 8000), 16000)
        rows.append(
            {"ark": str(tmp_path / "a.ark"), "utts": [[f"k{n}", str(tmp_path / f"{n}.wav"), None, 1.0]]}
        )
    return rows


def test_all_messages_are_answered_by_processes_as_in_this_one(tmp_path):
    work = messages(tmp_path, 7)
    pool = Pool(setup("fbank"), 2)
    try:
        answers = list(pool.run(work))
        assert len(pool.workers) == 2
    finally:
        pool.close()
    found = {k: e[1:] for a in answers for k, e in a["entries"].items()}
    alone = {
        k: e[1:]
        for a in Pool(setup("fbank"), 1).run([{**m, "ark": str(tmp_path / "b.ark")} for m in work])
        for k, e in a["entries"].items()
    }
    assert len(found) == 7 and found == alone  # frames and checksums


def test_after_an_error_nobody_reads_a_stale_answer(tmp_path):
    work = messages(tmp_path, 6)
    work[0]["utts"][0][1] = str(tmp_path / "gone.wav")
    pool = Pool(setup("fbank"), 2)
    try:
        with pytest.raises(DataError, match="utterance k0: .*gone.wav: no such file"):
            list(pool.run(work))
        answers = list(pool.run(work[3:]))
    finally:
        pool.close()
    assert sorted(k for a in answers for k in a["entries"]) == ["k3", "k4", "k5"]


SLOW_AND_QUICK = """import json, sys, time
sys.stdin.readline()
numbers = (json.loads(line)["n"] for line in sys.stdin)
first = next(numbers)
if first == 0:  # answers its first two messages at once, when the other process has answered all the rest
    second = next(numbers)
    time.sleep(1)
    print(json.dumps({"echo": 0}) + "\\n" + json.dumps({"echo": second}), flush=True)
else:
    print(json.dumps({"echo": first}), flush=True)
for n in numbers:
    print(json.dumps({"echo": n}), flush=True)
"""


def test_two_answers_that_come_at_once_are_both_seen(monkeypatch):
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **kw: real([sys.executable, "-c", SLOW_AND_QUICK], **kw)
    )
    pool = Pool(setup("fbank"), 2)
    try:
        assert sorted(answer["echo"] for answer in pool.run([{"n": n} for n in range(9)])) == list(range(9))
    finally:
        pool.close()
