import errno
import json
import os
import shutil

import pytest

from xlt.core import digests
from xlt.core.digests import altered, files_in, maker, measure, record_of, recorded, remember


@pytest.fixture
def made(tmp_path):
    """A finished output with a file, one in a folder, a link and what is no output."""
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", ".hidden", "request.json"):
        (out / name).write_text(f"content of {name}")
    (tmp_path / "foreign").write_text("x")
    (out / "link").symlink_to(tmp_path / "foreign")
    measured = measure(out)
    (out / "stage.json").write_text(json.dumps({"digests": {n: sha for n, (_, sha) in measured.items()}}))
    remember(out, measured)
    return out


@pytest.fixture
def read(monkeypatch):
    """The files that were read."""
    digests._digest.cache_clear()
    found, sha256 = [], digests.sha256
    monkeypatch.setattr(digests, "sha256", lambda path: found.append(path.name) or sha256(path))
    return found


def test_links_and_what_is_hidden_are_no_outputs(made):
    assert [path.relative_to(made).as_posix() for path in files_in(made)] == ["a", "sub/b"]
    assert recorded(made).keys() == {"a", "sub/b"}


def test_nothing_is_read_that_nobody_wrote_to(made, read):
    assert altered(made, recorded(made)) == [] and read == []
    assert altered(made, recorded(made), fresh=True) == [] and read == ["a", "b"]


@pytest.mark.parametrize("name", ["a", "sub/b"])
def test_an_edit_that_keeps_size_and_time_is_seen(made, name):
    path = made / name
    info = path.stat()
    path.write_text(path.read_text().upper())
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert path.stat().st_size == info.st_size
    assert altered(made, recorded(made)) == [name]
    path.write_text(path.read_text().lower())
    assert altered(made, recorded(made)) == []


def test_a_copy_is_read_once(made, read):
    copy = made.with_name("copy")
    shutil.copytree(made, copy, symlinks=True)
    assert altered(copy, recorded(copy)) == [] and read == ["a", "b"]
    assert altered(copy, recorded(copy)) == [] and read == ["a", "b"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', '{"a": [[], 2]}', '{"a": [3, "x"]}'])
def test_a_damaged_record_is_none(made, content, read):
    record_of(made).write_text(content)
    assert altered(made, recorded(made)) == [] and read == ["a", "b"]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_somebody_elses_folder_is_read_each_time(made, monkeypatch, code):
    record_of(made).unlink()

    def refuse(path, text):
        raise OSError(code, "x", str(path))

    monkeypatch.setattr(digests, "atomic_text", refuse)
    assert altered(made, recorded(made)) == []
    (made / "a").write_text("CONTENT OF a")
    assert altered(made, recorded(made)) == ["a"]


def test_a_full_disk_is_no_reason_to_be_silent(made, monkeypatch):
    record_of(made).unlink()
    monkeypatch.setattr(digests, "atomic_text", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "x")))
    with pytest.raises(OSError, match="x"):
        altered(made, recorded(made))


def test_what_is_missing_or_no_file_is_altered(made):
    (made / "a").unlink()
    os.mkfifo(made / "a")  # which nobody writes to
    shutil.rmtree(made / "sub")
    assert altered(made, recorded(made)) == ["a", "sub/b"]


def test_a_file_knows_its_output(made, tmp_path):
    assert maker(made / "sub/b") == (made, "sub/b")
    assert maker(made / "link") is None and maker(tmp_path / "foreign") is None
    assert recorded(tmp_path) == {}


def test_names_outside_of_the_folder_are_none(tmp_path):
    names = ["/etc/passwd", "../x", "a/../../x", "a"]
    (tmp_path / "bundle.json").write_text(json.dumps({"files": dict.fromkeys(names, "0")}))
    assert recorded(tmp_path) == {"a": "0"}
