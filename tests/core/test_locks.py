"""Locks where the file system has none; what two processes do to each other is tested in tests/faults."""

import errno
import fcntl
import os
import time

import pytest

from tests.errors import raises
from xlt.core.errors import StageError
from xlt.core.locks import DEAD_S, hold, holder_elsewhere, only_one, signs_of_life
from xlt.core.stage import lock


@pytest.fixture
def flock(monkeypatch):
    """Function that makes all locking fail with an error."""

    def fail(code):
        def flock(handle, how):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(fcntl, "flock", flock)

    return fail


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_folder_without_locks_works_and_is_told(tmp_path, flock, capsys, code):
    flock(code)
    with lock(tmp_path / "data"), only_one(tmp_path / "cache", "it"):
        pass
    said = capsys.readouterr().out
    assert said.count("without locks") == 2 and str(tmp_path) in said


def test_another_error_is_none_of_these(tmp_path, flock):
    flock(errno.EIO)
    with pytest.raises(OSError), lock(tmp_path / "data"):
        pass


def test_what_another_holds(tmp_path):
    with (tmp_path / ".data.lock").open("w") as mine:
        assert hold(mine)
        with raises(StageError, where=str(tmp_path / "data")), lock(tmp_path / "data"):
            pass
    with lock(tmp_path / "data"):
        pass


def test_a_holder_on_another_machine_is_seen_by_its_signs_of_life(tmp_path, monkeypatch):
    """Where flock does not reach it: two machines on NFS."""
    path = tmp_path / ".data.lock"
    path.write_text("123@other\n")
    with raises(StageError, "other", where=str(tmp_path / "data")), lock(tmp_path / "data"):
        pass
    long_ago = path.stat().st_mtime - DEAD_S - 1
    os.utime(path, (long_ago, long_ago))
    with lock(tmp_path / "data"):
        pass
    assert path.read_text() == "" and [p.name for p in tmp_path.iterdir()] == [".data.lock"]


def test_signs_of_life_go_on_until_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.core.locks.BEAT_S", 0.02)
    with (tmp_path / "lock").open("a+") as handle:
        with signs_of_life(handle, "7"):
            os.utime(tmp_path / "lock", (1, 1))
            for _ in range(500):
                if (tmp_path / "lock").stat().st_mtime > 1:
                    break
                time.sleep(0.02)
            assert (tmp_path / "lock").stat().st_mtime > 1
            assert holder_elsewhere(handle) == ""  # this machine's own
            assert (tmp_path / "lock").read_text().startswith("7@")
        assert (tmp_path / "lock").read_text() == ""
