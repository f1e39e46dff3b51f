"""An exported model in use: samples → log-mels → backbone → layer mix → head, by numpy and onnxruntime.

B batch, N samples, L layers, T frames, D dimensions, V tokens.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from xlt.core.errors import DataError
from xlt.core.machine import trim_memory
from xlt.features.mix import Mix
from xlt.formats.matrix import round_trip
from xlt.formats.model_folder import INFO, read_info
from xlt.models.onnx import BACKBONE, HEAD
from xlt.models.onnx.mels import kaldi_mels, whisper_mels
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.mels import HOP, MAX_SAMPLES, grid_samples

AGAIN = "export it again with xlt export onnx, or copy the folder again"
FBANK, WHISPER = "fbank", "whisper_base"  # upstreams that can be exported
TRIM_EVERY = 16  # clips: the networks' large arrays leave holes in glibc's heap, 3 MB a clip
FRAME_NORM_EPS = 1e-5  # torch's layer_norm


class OnnxModel:
    """The model in ``folder``, which `xlt export onnx` wrote; takes waves (N,) at 16 kHz.

    DataError if the files are damaged or do not fit each other.
    """

    def __init__(self, folder: Path):
        info = read_info(folder, AGAIN)
        self.tokenizer = Tokenizer(folder)
        self._storage = info["features"].get("storage", "f32")
        self._heard = 0  # since memory was given back
        try:
            self._least = int(info["onnx"]["least_frames"])
            name = info["features"]["upstream"]["upstream"]
            layers = info["features"]["layers"]
        except (KeyError, TypeError, ValueError) as err:
            raise DataError(f"{folder / INFO}: damaged: lacks {err}; {AGAIN}") from None
        self._head = Session(folder / HEAD)
        if self._head.last_size != len(self.tokenizer.tokens):
            raise DataError(
                f"{folder / 'tokens.txt'}: {len(self.tokenizer.tokens)} tokens, but {HEAD} has"
                f" {self._head.last_size}; {AGAIN}"
            )
        self._features: Callable[[np.ndarray], np.ndarray]
        if name == FBANK:
            self._features = kaldi_mels
        elif name == WHISPER:
            self._features = Backbone(folder, layers)
        else:
            raise DataError(f"{folder / INFO}: damaged: features of {name!r}; {AGAIN}")

    def log_probs(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Waves (N,) → log probabilities of CTC (B, T, V), and frames (B,), each computed alone."""
        rows = [self._row(wave) for wave in inputs]
        lengths = np.array([len(row) for row in rows])
        self._heard += len(rows)
        if self._heard >= TRIM_EVERY:
            self._heard = 0
            trim_memory()
        padded = np.zeros((len(rows), lengths.max(initial=0), self._head.last_size), np.float32)
        for out, row in zip(padded, rows, strict=True):
            out[: len(row)] = row
        return padded, lengths

    def _row(self, wave: np.ndarray) -> np.ndarray:
        """(N,) → (T, V)."""
        feats = round_trip(self._features(wave), self._storage)  # as stored features, which it learned from
        if 0 < len(feats) < self._least:
            feats = np.pad(feats, ((0, self._least - len(feats)), (0, 0)), "edge")
        return self._head(feats[None])[0]


class Session:
    """A network in a file with one input and one output, on the CPU. DataError if it cannot be loaded.

    ``last_size``: of the output's last dimension. OMP_NUM_THREADS sets the number of threads, as in torch.
    """

    def __init__(self, path: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        threads = os.environ.get("OMP_NUM_THREADS", "")
        options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # 0: one a core
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep the memory of the longest clip
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        except Exception as err:  # onnxruntime's own, of no common class
            said = " ".join(str(err).split())[:120]
            raise DataError(f"{path}: cannot be loaded ({said}); {AGAIN}") from None
        (self._input,), (output,) = self._session.get_inputs(), self._session.get_outputs()
        self.input_shape: list[Any] = self._input.shape
        self.last_size: int = output.shape[-1]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input.name: values})[0]


class Backbone:
    """Whisper's encoder, and the mix of its layers (or one of them, or some side by side)."""

    def __init__(self, folder: Path, layers: Any):
        self._net = Session(folder / BACKBONE)
        self._mels = int(self._net.input_shape[1])
        self._layers = layers
        self._mix = Mix.load(folder) if layers == "mix" else None

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """(N,) → (T, D); T = ⌈N / 320⌉, in windows of at most 30 s."""
        starts = range(0, max(1, len(wave)), MAX_SAMPLES)
        return np.concatenate([self._window(wave[start : start + MAX_SAMPLES]) for start in starts])

    def _window(self, samples: np.ndarray) -> np.ndarray:
        padded = np.zeros(grid_samples(max(1, len(samples))), np.float32)
        padded[: len(samples)] = samples
        hidden = self._net(whisper_mels(padded, self._mels)[None])[:, 0]  # (L, T, D)
        hidden = hidden[:, : -(-len(samples) // HOP)]
        if self._mix is not None:
            return mixed(self._mix, hidden)
        layers = self._layers if isinstance(self._layers, list) else [self._layers]
        numbers = [len(hidden) - 1 if n == "last" else int(n) for n in layers]
        return np.concatenate([hidden[n] for n in numbers], axis=1)


def mixed(mix: Mix, hidden: np.ndarray) -> np.ndarray:
    """The weighted sum (T, D) of layers (L, T, D), as :meth:`xlt.features.mix.Mix.apply` has it."""
    hidden = hidden[mix.layers]
    weights = mix.weights.astype(np.float32)[:, None]  # (L, 1)
    if mix.norm == "frame":
        hidden = hidden - hidden.mean(axis=-1, keepdims=True)
        hidden = hidden / np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + FRAME_NORM_EPS)
    if mix.norm != "corpus" or mix.mean is None or mix.std is None:
        return np.einsum("ltd,l->td", hidden, weights[:, 0])
    factors = weights / mix.std.astype(np.float32)  # (L, D)
    return np.einsum("ltd,ld->td", hidden, factors) - (factors * mix.mean).sum(axis=0, dtype=np.float32)
