"""Archives: unpacked once, whole or not at all, and never outside of their folder."""

import io
import tarfile
import zipfile

import pytest

from tests.errors import raises
from xlt.core.errors import DataError
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
