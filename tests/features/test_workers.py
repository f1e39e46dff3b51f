"""Which processes are started, on which GPU, and what they are given; GPUs are counted, never used."""

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.core.executor import Workers, run
from xlt.features.extract import Clip, Setup, workers
from xlt.upstreams import base
from xlt.upstreams.base import Source

pytestmark = pytest.mark.slow


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
        workers(setup(), 2, ngpu)


@pytest.mark.parametrize(
    "count, upstream, ngpu, jobs, expected",
    [
        (2, "whisper_base", None, 8, ["0", "1"]),
        (2, "whisper_base", 1, 8, ["0"]),
        (2, "whisper_base", 0, 3, []),
        (0, "whisper_base", None, 2, []),
        (2, "fbank", None, 3, []),
    ],
)
def test_one_worker_a_gpu(gpus, count, upstream, ngpu, jobs, expected):
    gpus(count)
    found = workers(setup(upstream), jobs, ngpu)
    assert found.gpus == expected and found.count == (len(expected) or jobs)


def test_work_that_must_not_see_a_gpu_is_not_done_where_one_is_seen(gpus):
    gpus(1)
    assert not workers(setup("fbank"), 1).in_process
    gpus(0)
    assert workers(setup("fbank"), 1).in_process


def messages(tmp_path, count: int) -> list[dict]:
    import numpy as np
    import soundfile

    rows = []
    for n in range(count):
        soundfile.write(tmp_path / f"{n}.wav", np.random.default_rng(n).normal(0, 0.1, 8000), 16000)
        rows.append(
            {"ark": str(tmp_path / "a.ark"), "utts": [Clip(f"k{n}", f"u{n}", str(tmp_path / f"{n}.wav"))]}
        )
    return rows


def test_all_messages_are_answered_by_processes_as_in_this_one(tmp_path):
    work = messages(tmp_path, 7)
    answers = run("encode", setup("fbank"), work, Workers(2))
    found = {k: e[1:] for a in answers for k, e in a["entries"].items()}
    again = [{**m, "ark": str(tmp_path / "b.ark")} for m in work]
    answers = run("encode", setup("fbank"), again, Workers(1))
    alone = {k: e[1:] for a in answers for k, e in a["entries"].items()}
    assert len(found) == 7 and found == alone  # frames and checksums


def test_sound_that_is_gone_is_named(tmp_path):
    work = messages(tmp_path, 6)
    (tmp_path / "0.wav").unlink()
    with raises(DataError, "u0", tmp_path / "0.wav"):
        list(run("encode", setup("fbank"), work, Workers(2)))
