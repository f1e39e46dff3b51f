"""A voice as a vector: the network of the package Resemblyzer, three LSTMs trained by the GE2E loss
(https://arxiv.org/abs/1710.10467, https://github.com/resemble-ai/Resemblyzer).

The package is downloaded for its file of weights, never installed or imported: it wants a compiler for
another voice activity detection than ours. The weights are read as numbers only.

B windows of 1.6 s, T frames of 10 ms, D = 256.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import DataError, UpstreamError
from xlt.core.files import sha256
from xlt.core.locks import only_one
from xlt.fetch.packages import pip_download
from xlt.formats.weights import read_weights

PACKAGE = "resemblyzer==0.1.4"
WEIGHTS = "pretrained.pt"
WEIGHTS_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
WINDOW_S = 1.6  # that the network was trained on
WINDOW = round(WINDOW_S * SAMPLE_RATE)
_FRAMES, _MELS, _HIDDEN = 160, 40, 256
_LEVEL_DB = -30.0  # to which what is softer is raised, as in the package
_AT_ONCE = 64  # windows


def find_weights(cache: Path) -> Path:
    """The file of weights in ``cache``, fetched if it is not there; UpstreamError if it cannot be had."""
    folder = cache / "resemblyzer"
    with only_one(folder, PACKAGE):
        if not _is_ours(folder / WEIGHTS):
            _fetch(folder)
    return folder / WEIGHTS


def _is_ours(path: Path) -> bool:
    return path.is_file() and sha256(path) == WEIGHTS_SHA256


def _fetch(folder: Path) -> None:
    partial, wheels = folder / f".{WEIGHTS}.partial", folder / "wheels"
    try:
        wheel = pip_download(PACKAGE, wheels)
        with zipfile.ZipFile(wheel) as archive, partial.open("wb") as out:
            out.write(archive.read(f"resemblyzer/{WEIGHTS}"))
    except (DataError, zipfile.BadZipFile, KeyError) as err:
        raise UpstreamError(
            f"--speakers: the weights that tell voices apart are not in {folder}, and cannot be fetched"
            f" ({err}); copy that folder from a machine that has it"
        ) from None
    finally:
        shutil.rmtree(wheels, ignore_errors=True)
    if not _is_ours(partial):
        partial.unlink()
        raise UpstreamError(
            f"{PACKAGE}: its {WEIGHTS} is not the one that was tested (SHA-256 {WEIGHTS_SHA256}); the package"
            f" was changed: copy {folder} from a machine that has it"
        )
    partial.replace(folder / WEIGHTS)


class VoiceEncoder:
    """Windows → vectors; ``weights``: a file as the package's. UpstreamError if it is none."""

    def __init__(self, weights: Path) -> None:
        import torch
        from torchaudio.transforms import MelSpectrogram

        again = "delete it, and it is fetched again"
        try:
            state = read_weights(weights, again, UpstreamError)["model_state"]
            self._lstm = torch.nn.LSTM(_MELS, _HIDDEN, 3, batch_first=True)
            self._linear = torch.nn.Linear(_HIDDEN, _HIDDEN)
            for name, module in (("lstm", self._lstm), ("linear", self._linear)):
                own = {key.partition(".")[2]: value for key, value in state.items() if key.startswith(name)}
                module.load_state_dict(own)
        except (KeyError, TypeError, AttributeError, RuntimeError) as err:
            raise UpstreamError(
                f"{weights}: not the weights of {PACKAGE} ({type(err).__name__}); {again}"
            ) from None
        self._mels = MelSpectrogram(
            SAMPLE_RATE,
            n_fft=400,
            hop_length=160,
            n_mels=_MELS,
            norm="slaney",
            mel_scale="slaney",
            pad_mode="constant",
        )

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """(B, 25600) float32 → (B, D) of length 1."""
        import torch

        found = [np.zeros((0, _HIDDEN), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(windows), _AT_ONCE):
                mels = self._mels(torch.from_numpy(windows[start : start + _AT_ONCE]))  # (B, mels, T + 1)
                _, (hidden, _) = self._lstm(mels[:, :, :_FRAMES].transpose(1, 2))
                vectors = torch.relu(self._linear(hidden[-1]))
                found.append(torch.nn.functional.normalize(vectors, dim=1).numpy())
        return np.concatenate(found)


def levelled(samples: np.ndarray) -> np.ndarray:
    """Soft speech (N,) raised to the level that the network knows."""
    level_db = 10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12)
    return samples * np.float32(10 ** (max(0.0, _LEVEL_DB - level_db) / 20))
