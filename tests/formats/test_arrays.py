"""NumPy's files, whole and damaged."""

import io
import zipfile

import numpy as np
import pytest

from xlt.formats import arrays


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in members.items():
            pack.writestr(f"{name}.npy", data)
    return path


def npy(array, **how):
    out = io.BytesIO()
    np.save(out, array, **how)
    return out.getvalue()


def test_what_numpy_has_written(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(6).reshape(2, 3), y=np.float32(0.5))
    found = arrays.read_arrays(tmp_path / "a.npz")
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["y"] == np.float32(0.5)


GOOD = npy(np.arange(4))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:40],
        GOOD[:-3],
        GOOD.replace(b"(4,)", b"(4,\0"),
        GOOD.replace(b"(4,), ", b"(((((("),
        GOOD.replace(b"(4,)", b"(-4)"),
        GOOD.replace(b"(4,), }   ", b"(9999999),}"[:10]),
        GOOD.replace(b"'<i8'", b"'|O8'"),
        npy(np.array([{"a": 1}], dtype=object), allow_pickle=True),
        b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70_000,
    ],
)
def test_what_is_damaged(tmp_path, data):
    with pytest.raises(ValueError):
        arrays.read_arrays(npz(tmp_path / "a.npz", x=data))


def test_what_is_no_archive(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK torn")
    with pytest.raises(ValueError):
        arrays.read_arrays(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        arrays.read_arrays(tmp_path / "b.npz")


def test_what_would_fill_the_memory(tmp_path, monkeypatch):
    path = npz(tmp_path / "a.npz", x=npy(np.zeros(1 << 20)))  # 8 MB from 8 kB
    assert len(arrays.read_arrays(path)["x"]) == 1 << 20
    monkeypatch.setattr(arrays, "ANY_SIZE", 1 << 20)
    with pytest.raises(ValueError, match="bytes inside"):
        arrays.read_arrays(path)
