"""Packages are made by hand here: an ar archive of debian-binary, control.tar.xz and data.tar.xz."""

import io
import tarfile
from pathlib import Path

import pytest

from xlt.core.errors import DataError
from xlt.fetch import deb as debs


def make_deb(path: Path, files: dict[str, bytes], kind: str = "xz") -> Path:
    """Write a Debian package with ``files`` (path → content)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{kind}") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo("./" + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"\0" * 13, f"data.tar.{kind}": data.getvalue()}
    with path.open("wb") as out:
        out.write(b"!<arch>\n")
        for name, content in parts.items():
            out.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
            out.write(content + b"\n" * (len(content) % 2))
    return path


@pytest.fixture(params=[True, False], ids=["dpkg-deb", "python"])
def with_dpkg(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(debs.shutil, "which", lambda name: None)


def test_unpack_takes_what_is_wanted(tmp_path, with_dpkg):
    deb = make_deb(tmp_path / "x.deb", {"a/1.ogg": b"sound", "a/1.png": b"picture", "a/1.txt": b"text"})
    assert debs.unpack(deb, tmp_path / "out", lambda name: not name.endswith(".png")) == 2
    assert {p.name: p.read_bytes() for p in (tmp_path / "out/a").iterdir()} == {
        "1.ogg": b"sound",
        "1.txt": b"text",
    }


@pytest.mark.parametrize("left", [0, 4, 30, 100, 300])
def test_a_cut_package_is_seen_wherever_it_was_cut(tmp_path, left):
    deb = make_deb(tmp_path / "x.deb", {"a/1.ogg": bytes(range(256)) * 20})
    deb.write_bytes(deb.read_bytes()[:left])
    with pytest.raises(DataError, match="x.deb: (cut short|not a Debian package|damaged).*fetch it again"):
        debs.verify_deb(deb)


def test_wrong_hash(tmp_path):
    deb = make_deb(tmp_path / "x.deb", {"a": b"1"})
    with pytest.raises(DataError, match=r"x.deb: wrong SHA-256: found [0-9a-f]{64}, expected 00"):
        debs.verify_deb(deb, "0" * 64)


def test_a_damaged_middle_is_seen_when_unpacked(tmp_path, with_dpkg):
    deb = make_deb(tmp_path / "x.deb", {"a/1.ogg": bytes(range(256)) * 400})
    raw = bytearray(deb.read_bytes())
    start = debs.members(deb)["data.tar.xz"][0]
    raw[start + 40 : start + 120] = bytes(80)
    deb.write_bytes(raw)
    with pytest.raises(DataError, match="x.deb: damaged"):
        debs.unpack(deb, tmp_path / "out", lambda name: True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "a folder, expected a .deb"),
        (lambda p: p.write_text("<html>404</html>"), "not a Debian package"),
    ],
)
def test_not_a_package(tmp_path, make, said):
    make(tmp_path / "x.deb")
    with pytest.raises(DataError, match=said):
        debs.verify_deb(tmp_path / "x.deb")
