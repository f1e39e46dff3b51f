"""Locks where the file system has none; what two processes do to each other is tested in tests/faults."""

import errno
import fcntl
import os

import pytest

from tests.errors import raises
from xlt.core.errors import StageError
from xlt.core.locks import hold, only_one
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
