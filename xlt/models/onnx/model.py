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
from xlt.features.mix import Mix
from xlt.formats.matrix import round_trip
from xlt.formats.model_folder import INFO, read_info
from xlt.models.onnx import BACKBONE, HEAD
from xlt.models.onnx.mels import kaldi_mels, whisper_mels
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.mels import HOP, MAX_SAMPLES, grid_samples

AGAIN = "export it again with xlt export onnx, or copy the folder again"
FBANK, WHISPER = "fbank", "whisper_base"  # upstreams that can be exported
FRAME_NORM_EPS = 1e-5  # torch's layer_norm


class OnnxModel:
    """The model in ``folder``, which `xlt export onnx` wrote; takes waves (N,) at 16 kHz, and as a head of a
    bundle of several languages what the common encoder gives.

    DataError if the files are damaged or do not fit each other.
    """

    def __init__(self, folder: Path):
        info = read_info(folder, AGAIN)
        self.tokenizer = Tokenizer(folder)
        try:
            features = info["features"]
            self._least = int(info["onnx"]["least_frames"])
            name, layers = features["upstream"]["upstream"], features["layers"]
        except (KeyError, TypeError, ValueError) as err:
            raise DataError(f"{folder / INFO}: damaged: lacks {err}; {AGAIN}") from None
        self._head = Session(folder / HEAD)
        if self._head.last_size != len(self.tokenizer.tokens):
            raise DataError(
                f"{folder / 'tokens.txt'}: {len(self.tokenizer.tokens)} tokens, but {HEAD} has"
                f" {self._head.last_size}; {AGAIN}"
            )
        self._features: Callable[[np.ndarray], np.ndarray] | None = None  # of a head of many: they are given
        if features.get("on_the_fly"):
            encode = encoder_of(folder, name, folder / INFO)
            read = Read(folder, layers, features.get("storage", "f32"))
            self._features = lambda wave: read(encode(wave))

    def log_probs(self, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Waves (N,), or what a head of many reads (T, D), → log probabilities of CTC (B, T, V), and frames
        (B,), each computed alone.
        """
        rows = [self._row(given) for given in inputs]
        lengths = np.array([len(row) for row in rows])
        padded = np.zeros((len(rows), lengths.max(initial=0), self._head.last_size), np.float32)
        for out, row in zip(padded, rows, strict=True):
            out[: len(row)] = row
        return padded, lengths

    def _row(self, given: np.ndarray) -> np.ndarray:
        """(N,) or (T, D) → (T', V)."""
        feats = given if self._features is None else self._features(given)
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


class Encoder:
    """Whisper's encoder in ``folder``: samples → what all its layers give."""

    def __init__(self, folder: Path):
        self._net = Session(folder / BACKBONE)
        self._mels = int(self._net.input_shape[1])

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """(N,) → (L, T, D); T = ⌈N / 320⌉, in windows of at most 30 s."""
        starts = range(0, max(1, len(wave)), MAX_SAMPLES)
        return np.concatenate([self._window(wave[start : start + MAX_SAMPLES]) for start in starts], axis=1)

    def _window(self, samples: np.ndarray) -> np.ndarray:
        padded = np.zeros(grid_samples(max(1, len(samples))), np.float32)
        padded[: len(samples)] = samples
        hidden = self._net(whisper_mels(padded, self._mels)[None])[:, 0]  # (L, T, D)
        return hidden[:, : -(-len(samples) // HOP)]


def encoder_of(folder: Path, name: str, where: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The upstream ``name`` as exported: samples (N,) → all layers (L, T, D). Log-mels are one layer and need
    no network in ``folder``. DataError, which begins with ``where``, for an upstream that is not exported.
    """
    if name == FBANK:
        return lambda wave: kaldi_mels(wave)[None]
    if name == WHISPER:
        return Encoder(folder)
    raise DataError(f"{where}: damaged: features of {name!r}; {AGAIN}")


class Read:
    """What a head in ``folder`` reads of an encoder's layers (L, T, D): ``layers`` side by side, or their
    mix; (T, D'), as exact as the ``storage`` that it learned from. DataError for layers that are not there.
    """

    def __init__(self, folder: Path, layers: Any, storage: str):
        self._layers, self._storage, self._where = layers, storage, folder / INFO
        self._mix = Mix.load(folder) if layers == "mix" else None

    def __call__(self, hidden: np.ndarray) -> np.ndarray:
        if self._mix is None:
            feats = side_by_side(hidden, self._layers, self._where)
        elif max(self._mix.layers) < len(hidden):
            feats = mixed(self._mix, hidden)
        else:
            raise _lacks(hidden, self._mix.layers, self._where)
        return round_trip(feats, self._storage)


def side_by_side(hidden: np.ndarray, layers: Any, where: Path) -> np.ndarray:
    """(L, T, D) → (T, n D): ``layers`` are last, a number, or a list of them. DataError, which begins with
    ``where``, for one that is not there.
    """
    wanted = layers if isinstance(layers, list) else [layers]
    numbers = [len(hidden) - 1 if n == "last" else int(n) for n in wanted]
    if not all(0 <= n < len(hidden) for n in numbers):
        raise _lacks(hidden, numbers, where)
    return np.concatenate([hidden[n] for n in numbers], axis=1)


def _lacks(hidden: np.ndarray, layers: list[int], where: Path) -> DataError:
    return DataError(f"{where}: reads layers {layers}, the encoder has {len(hidden)}; {AGAIN}")


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
