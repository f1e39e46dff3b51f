"""Archives: unpacked once, whole or not at all, and never outside of their folder."""

import errno
import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora import unpack
from xlt.data.corpora.archive import corpus_place, listing, unpacked


@pytest.fixture
def cfg(recipe):
    return recipe.cfg("data.reader=table")


def tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as pack:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            pack.addfile(info, io.BytesIO(content or b""))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as pack:
        for name, content in members.items():
            pack.writestr(name, content)
    return path


GOOD = {"corpus/a.txt": b"one", "corpus/sub/მანქანა.txt": b"two"}


@pytest.mark.parametrize(
    "make",
    [
        lambda d: tar(d / "x.tar.gz", GOOD),
        lambda d: tar(d / "x.tar", GOOD, "w"),
        lambda d: tar(d / "X.TGZ", GOOD),
        lambda d: tar(d / "x.tar.xz", GOOD, "w:xz"),
        lambda d: zipped(d / "x.zip", {**GOOD, "__MACOSX/._a.txt": b"", "corpus/.DS_Store": b""}),
    ],
)
def test_an_archive_is_unpacked_once(cfg, tmp_path, make, capsys):
    archive = make(tmp_path)
    folder = unpacked(archive, cfg)
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        name.removeprefix("corpus/"): content for name, content in GOOD.items()
    }
    assert capsys.readouterr().out.count("unpacks") == 1
    (folder / "mark").touch()
    assert unpacked(archive, cfg) == folder and (folder / "mark").exists()
    assert "unpacks" not in capsys.readouterr().out
    assert sorted(listing(archive)) == sorted(GOOD)


def test_another_archive_of_the_same_name_is_another(cfg, tmp_path):
    first = unpacked(zipped(tmp_path / "x.zip", GOOD), cfg)
    assert unpacked(zipped(tmp_path / "x.zip", {"corpus/a.txt": b"new"}), cfg) != first


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda d: tar(d / "x.tar", {"../evil": b"x"}, "w"),
            r"has a file '../evil', which would be written outside",
        ),
        (lambda d: tar(d / "x.tar", {"/evil": b"x"}, "w"), "x.tar: .*'/evil'"),
        (lambda d: zipped(d / "x.zip", {"a/../../evil": b"x"}), "x.zip: .*'a/../../evil'"),
        (lambda d: zipped(d / "x.zip", {"..\\evil": b"x"}), "x.zip: .*evil'"),
        (lambda d: zipped(d / "x.zip", {"C:/evil": b"x"}), "x.zip: .*'C:/evil'"),
        (lambda d: tar(d / "x.tar", {"link": None}, "w"), "x.tar: has a link, 'link'; pack it again"),
        (lambda d: tar(d / "x.tar", {}, "w"), "x.tar: holds no files"),
    ],
)
def test_archives_that_are_refused(cfg, tmp_path, make, said):
    with pytest.raises(DataError, match=said):
        unpacked(make(tmp_path), cfg)
    assert [p.name for p in (tmp_path / "cache/unpacked").iterdir()] == [".lock"]
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar", "x.zip"])
def test_a_damaged_archive_leaves_nothing(cfg, tmp_path, name):
    content = {"a.txt": bytes(range(256)) * 400, "b.txt": b"y" * 100_000}
    archive = (
        zipped(tmp_path / name, content)
        if name == "x.zip"
        else tar(tmp_path / name, content, "w:gz" if name.endswith("gz") else "w")
    )
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(DataError, match=f"{name}: damaged or cut short .*; fetch it again"):
        unpacked(archive, cfg)
    assert [p.name for p in (tmp_path / "cache/unpacked").iterdir()] == [".lock"]
    listing(archive)  # does not raise


def test_what_is_no_archive(cfg, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    with raises(DataError, where="x.zip"):
        unpacked(tmp_path / "x.zip", cfg)
    assert listing(tmp_path / "x.zip") == listing(tmp_path / "nowhere") == []


def test_names_that_do_not_say_that_they_are_utf_8(cfg, tmp_path):
    archive = zipped(tmp_path / "x.zip", {"ДОМ.txt": b"x", "b.txt": b"y"})
    raw = bytearray(archive.read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the two places of the flag
        at = raw.find(magic)
        raw[at + flags + 1] &= ~0x08 & 0xFF
    archive.write_bytes(raw)
    assert sorted(p.name for p in unpacked(archive, cfg).iterdir()) == ["b.txt", "ДОМ.txt"]


def test_places(recipe, tmp_path):
    with pytest.raises(DataError, match="data.dir: not set; the reader table needs a corpus"):
        corpus_place(recipe.cfg("data.reader=table"), "a corpus")
    with pytest.raises(DataError, match="data.dir: .*nowhere: no such folder or file; expected a corpus"):
        corpus_place(recipe.cfg("data.reader=table", f"data.dir={tmp_path / 'nowhere'}"), "a corpus")
    assert corpus_place(recipe.cfg("data.reader=table", f"data.dir={tmp_path}"), "a corpus") == tmp_path


MB = 1 << 20
EMPTY_CACHE = [".lock"]


def zeros(path, count=1, size=10 * MB):
    """A .zip that is a thousandth of what it becomes, or a .tar.gz."""
    content = {f"{i}.wav": bytes(size) for i in range(count)}
    if path.suffix == ".gz":
        return tar(path, content)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in content.items():
            pack.writestr(name, data)
    return path


def in_cache(tmp_path):
    """But for what is known of archives."""
    return sorted(p.name for p in (tmp_path / "cache/unpacked").iterdir() if p.suffix != ".digests")


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_what_would_fill_the_disk(cfg, tmp_path, monkeypatch, name):
    archive = zeros(tmp_path / name, 2)
    assert unpacked(archive, cfg).is_dir()  # 20 MB, as any archive may become
    monkeypatch.setattr(unpack, "ANY_SIZE", MB)
    with raises(DataError, "data.dir", where=name):
        unpacked(zeros(tmp_path / name, 3), cfg)
    assert len(in_cache(tmp_path)) == 2


def test_a_zip_is_refused_before_a_byte_is_written(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "ANY_SIZE", MB)
    monkeypatch.setattr(unpack, "_write", lambda *_: pytest.fail("written"))
    with raises(DataError, where="x.zip"):
        unpacked(zeros(tmp_path / "x.zip"), cfg)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_many_empty_files_are_no_small_archive(cfg, tmp_path, monkeypatch, name):
    monkeypatch.setattr(unpack, "ANY_SIZE", MB)
    monkeypatch.setattr(unpack, "MOST_RATIO", 1)
    with raises(DataError, where=name):
        unpacked(zeros(tmp_path / name, 300, 0), cfg)


def test_holes_count(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "ANY_SIZE", MB)
    info = tarfile.TarInfo("a.wav")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 40),
        "GNU.sparse.map": f"{(1 << 40) - 1},1",
    }
    info.size = 1
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as pack:
        pack.addfile(info, io.BytesIO(b"x"))
    with raises(DataError, where="x.tar"):
        unpacked(tmp_path / "x.tar", cfg)


@pytest.mark.parametrize("name", ["x.zip", "x.tar"])
def test_more_than_is_free(cfg, tmp_path, monkeypatch, name):
    archive = (
        zeros(tmp_path / "x.zip") if name == "x.zip" else tar(tmp_path / name, {"a": bytes(10 * MB)}, "w")
    )
    monkeypatch.setattr(unpack.shutil, "disk_usage", lambda _: SimpleNamespace(free=unpack.SPARE + 5 * MB))
    with raises(DataError, "data.cache", where=name):
        unpacked(archive, cfg)
    assert in_cache(tmp_path) == EMPTY_CACHE


def test_a_name_of_a_gigabyte_is_not_read(cfg, tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"a" * 10240)
    with raises(DataError, where="x.tar"):
        unpacked(tmp_path / "x.tar", cfg)


def test_a_tarball_in_which_headers_are_damaged_does_not_end_there(cfg, tmp_path):
    archive = tar(tmp_path / "x.tar", {"a.txt": b"one", "b.txt": b"two"}, "w")
    raw = bytearray(archive.read_bytes())
    raw[1024] ^= 1  # the first byte of b.txt's name
    archive.write_bytes(raw)
    with raises(DataError, where="x.tar"):
        unpacked(archive, cfg)


def test_a_tarball_s_checksum_is_tested(cfg, tmp_path):
    archive = tar(tmp_path / "x.tar.gz", GOOD)
    raw = bytearray(archive.read_bytes())
    raw[-5] ^= 1  # of the CRC-32 before the length
    archive.write_bytes(raw)
    with raises(DataError, where="x.tar.gz"):
        unpacked(archive, cfg)


@pytest.mark.parametrize("name", [".", "./", ""])
def test_a_file_without_a_name(cfg, tmp_path, name):
    with raises(DataError, where="x.tar"):
        unpacked(tar(tmp_path / "x.tar", {"a.txt": b"one", name: b"two"}, "w"), cfg)
    assert isinstance(listing(tmp_path / "x.tar"), list)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("n" * 300, "b")])
def test_names_that_cannot_be(cfg, tmp_path, names):
    with raises(DataError, where="x.tar") as caught:
        unpacked(tar(tmp_path / "x.tar", dict.fromkeys(names, b"x"), "w"), cfg)
    assert "room" not in str(caught.value) and "space" not in str(caught.value)


def test_a_cache_that_others_share_and_nobody_may_write(cfg, tmp_path, monkeypatch):
    archive = tar(tmp_path / "x.tar.gz", GOOD)
    folder = unpacked(archive, cfg)
    real = Path.open

    def read_only(path, mode="r", *how, **more):
        if path.is_relative_to(tmp_path / "cache") and mode[0] != "r":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))
        return real(path, mode, *how, **more)

    monkeypatch.setattr(Path, "open", read_only)  # root may write anywhere
    assert unpacked(archive, cfg) == folder
    with raises(DataError, "data.cache", where="y.zip"):
        unpacked(zipped(tmp_path / "y.zip", GOOD), cfg)


def test_a_bomb_is_not_looked_through_for_its_form(tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.data.corpora.archive._READ", MB)
    monkeypatch.setattr(unpack, "ANY_SIZE", 4 * MB)
    read = []
    monkeypatch.setattr(gzip.GzipFile, "read", _noting(gzip.GzipFile.read, read))
    archive = tar(tmp_path / "x.tar.gz", {"a.wav": bytes(50 * MB), "b.wav": b"x"})
    assert listing(archive) == ["a.wav"]
    assert sum(read) < 4 * MB


def _noting(read, found):
    def noting(self, size=-1):
        data = read(self, size)
        found.append(len(data))
        return data

    return noting
