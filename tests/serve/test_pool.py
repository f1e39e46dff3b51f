"""Workers that end, hang or cannot start; nothing that was taken is lost."""

import os
import signal
import threading
import time

import pytest

from tests.errors import raises
from tests.serve.conftest import make_pool, until
from tests.serve.made import write
from xlt.core.errors import DataError, StageError
from xlt.serve import worker
from xlt.serve.jobs import Busy, Job, Lost, Refused


def job(path, **more):
    message = {"do": "file", "path": str(path), "lang": "ron_Latn", "hotwords": [], "longest_s": 60.0}
    return Job({**message, **more})


def done(pool, one):
    pool.submit(one)
    return one.future.result(60)


def texts(answer):
    return [piece["text"] for piece in answer.pieces]


@pytest.fixture
def alone(tmp_path):
    """A pool of one worker, which looks whether its worker hangs after a second."""
    made = make_pool(tmp_path / "bundle", queue=2, stall_s=1.0)
    made.start()
    yield made
    made.close()


def test_what_a_worker_says(pool, tmp_path):
    answer = done(pool, job(write(tmp_path / "a.wav", 3, 0, 5)))
    assert texts(answer) == ["n 3", "", "n 5"] and answer.duration_s == 3
    assert pool.languages == ("ron_Latn", "ell_Grek")


def test_a_job_whose_worker_is_killed_is_done_by_another(alone, tmp_path):
    (tmp_path / "bundle" / "always").touch()  # the job that dies does so each time
    (before,) = alone.pids
    good, bad = job(write(tmp_path / "a.wav", 3)), job(write(tmp_path / "bad.wav", 9))
    alone.submit(bad)
    alone.submit(good)
    with pytest.raises(Lost, match="3 workers"):
        bad.future.result(60)
    assert texts(good.future.result(60)) == ["n 3"]  # what waited behind it is not lost
    assert before not in alone.pids and alone.restarts == 3


def test_a_worker_that_died_once_is_forgiven(alone, tmp_path):
    assert texts(done(alone, job(write(tmp_path / "a.wav", 9, 2)))) == ["n 9", "n 2"]


def test_an_idle_worker_that_is_killed_is_replaced(alone, tmp_path):
    (before,) = alone.pids
    os.kill(before, signal.SIGKILL)
    until(lambda: alone.restarts == 1 and alone.ready == 1)
    assert texts(done(alone, job(write(tmp_path / "a.wav", 4)))) == ["n 4"]


def test_a_worker_that_hangs_is_replaced_and_its_job_refused(alone, tmp_path):
    with pytest.raises(Lost, match="hung"):
        done(alone, job(write(tmp_path / "a.wav", 8)))
    assert texts(done(alone, job(write(tmp_path / "b.wav", 4)))) == ["n 4"]


def test_a_worker_that_gets_no_processor_does_not_hang(alone, tmp_path, monkeypatch):
    """Its clock stands still; when it goes on, the worker is replaced."""
    stopped = time.monotonic()
    monkeypatch.setattr("xlt.serve.pool.waited_s", lambda pid: time.monotonic() - stopped)
    one = job(write(tmp_path / "a.wav", 8))
    alone.submit(one)
    with pytest.raises(TimeoutError):
        one.future.result(2.5 * alone.stall_s)
    monkeypatch.setattr("xlt.serve.pool.waited_s", lambda pid: 0.0)
    with pytest.raises(Lost, match="hung"):
        one.future.result(60)


def test_the_queue_is_bounded_and_what_nobody_waits_for_leaves_it(alone, tmp_path):
    path = write(tmp_path / "hang.wav", 8)
    running, first, second = job(path), job(path), job(path)
    alone.submit(running)
    until(lambda: alone.busy == 1)
    alone.submit(first)
    alone.submit(second)
    with pytest.raises(Busy) as caught:
        alone.submit(job(path))
    assert caught.value.wait_s > 0 and alone.is_full
    assert not alone.submit_if_idle(job(path))
    first.give_up()
    assert not alone.is_full
    for one in (running, second):
        one.give_up()
    assert texts(done(alone, job(write(tmp_path / "a.wav", 4)))) == ["n 4"]


def test_what_waits_is_finished_before_the_end(tmp_path):
    pool = make_pool(tmp_path / "bundle")
    pool.start()
    jobs = [job(write(tmp_path / f"{loud}.wav", loud)) for loud in (1, 2, 3)]
    for one in jobs:
        pool.submit(one)
    pids = pool.pids
    pool.close(grace_s=60)
    assert [texts(one.future.result(0)) for one in jobs] == [["n 1"], ["n 2"], ["n 3"]]
    with pytest.raises(Busy):
        pool.submit(jobs[0])
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_without_grace_what_waits_is_refused(tmp_path):
    pool = make_pool(tmp_path / "bundle")
    pool.start()
    jobs = [job(write(tmp_path / "hang.wav", 8)) for _ in range(3)]
    for one in jobs:
        pool.submit(one)
    until(lambda: pool.busy == 1)
    pool.close()
    for one in jobs:
        with pytest.raises(Lost, match="stops"):
            one.future.result(60)


def test_a_bundle_that_cannot_be_opened_is_said_at_once(tmp_path):
    pool = make_pool(tmp_path / "bundle")
    (tmp_path / "bundle").rmdir()
    with raises(DataError, where=str(tmp_path / "bundle")):
        pool.start()
    pool.opener = "tests.serve.made:no_such_function"
    with raises(StageError, "1", where=str(tmp_path / "bundle")):
        pool.start()


def test_a_worker_that_cannot_start_again_is_tried_again(alone, tmp_path, capfd):
    (tmp_path / "bundle").rename(tmp_path / "away")
    os.kill(alone.pids[0], signal.SIGKILL)
    until(lambda: alone.failures >= 1)
    assert alone.ready == 0 and "a worker could not start" in capfd.readouterr().err
    waiting = job(write(tmp_path / "a.wav", 4))
    alone.submit(waiting)
    (tmp_path / "away").rename(tmp_path / "bundle")
    assert texts(waiting.future.result(60)) == ["n 4"]


@pytest.mark.parametrize(
    ("more", "param", "fact"),
    [
        ({"hotwords": ["a@b"]}, "prompt", "prompt: the model cannot write 'a@b'"),
        ({"lang": "ell_Grek", "needs_words": True}, "timestamp_granularities", "no CTC head"),
        ({"longest_s": 1.0}, "file", "file: has more than"),
    ],
)
def test_what_is_refused(pool, tmp_path, more, param, fact):
    with pytest.raises(Refused, match=fact) as caught:
        done(pool, job(write(tmp_path / "a.wav", 3, 4), **more))
    assert caught.value.param == param


def test_of_a_defect_nothing_is_told(pool, tmp_path):
    with pytest.raises(Refused) as caught:
        done(pool, job(write(tmp_path / "a.wav", 7)))
    assert (caught.value.param, str(caught.value)) == ("", "")


def test_a_defect_is_logged_without_its_message(capsys):
    """Which may hold what was said."""
    text = "what Ana said"
    try:
        int(text)
    except ValueError as err:
        worker._report(err)
    logged = capsys.readouterr().err
    assert "test_pool.py" in logged and "ValueError" in logged and "Ana" not in logged


def test_workers_end_with_the_server(tmp_path):
    """Also when it is killed: their connection ends."""
    pool = make_pool(tmp_path / "bundle")
    pool.start()
    (tender,) = (one for one in threading.enumerate() if one.name == "worker 1" and one.pool is pool)
    (pid,) = pool.pids
    tender._connection.close()
    until(lambda: pid not in pool.pids)
    pool.close()
