import os

import pytest

from xlt.core.files import atomic_text, sha256, sweep, whole_folder

GONE = 4194305  # an id that no process of Linux has: the largest is 4194304


def left(folder, name, pid, age_s=60.0):
    """What a process that was killed while it wrote ``name`` has left."""
    path = folder / f".{name}.{pid}.partial"
    path.write_text("half")
    os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    return path


def test_sha256_is_that_of_the_standard(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_a_killed_writer_left_goes_with_the_next_writing(tmp_path):
    old, other = left(tmp_path, "a[1].json", GONE), left(tmp_path, "b.json", GONE)
    atomic_text(tmp_path / "a[1].json", "whole")
    assert not old.exists() and other.exists()
    sweep(tmp_path.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["a[1].json"]


@pytest.mark.parametrize(
    "make",
    [
        lambda d: left(d, "a", os.getpid()),
        lambda d: left(d, "a", GONE, age_s=-3600),  # of this very moment, on a machine whose clock is ahead
        lambda d: left(d, "a", "x1"),
        lambda d: (d / f".a.{GONE}.partial").mkdir() or d / f".a.{GONE}.partial",
    ],
)
def test_what_may_be_in_use_stays(tmp_path, make):
    path = make(tmp_path)
    sweep(tmp_path.iterdir())
    assert path.exists()


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    out, killed = tmp_path / "made", tmp_path / f".made.{GONE}.partial"
    killed.mkdir()
    with pytest.raises(ZeroDivisionError), whole_folder(out) as partial:
        (partial / "a").write_text("half")
        raise ZeroDivisionError
    assert sorted(tmp_path.iterdir()) == [killed]  # which may be at work on another machine
    os.utime(killed, (0, 0))
    with whole_folder(out) as partial:
        (partial / "a").write_text("all")
        assert not out.exists()
    assert sorted(tmp_path.iterdir()) == [out] and (out / "a").read_text() == "all"
