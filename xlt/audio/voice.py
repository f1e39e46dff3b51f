"""Where somebody speaks: Silero's voice activity detection (https://github.com/snakers4/silero-vad).

The network is the file of the package silero-vad that takes many frames at once. The package itself is not
imported: it sets torch's number of threads for the whole process.

B frames of 32 ms.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xlt.core.errors import UpstreamError

if TYPE_CHECKING:
    import onnxruntime

FRAME, CONTEXT = 512, 64  # samples at 16 kHz: a frame, and what is heard of the one before
FRAME_S = 0.032
NETWORK = "silero_vad_16k_sequence.onnx"  # of the package, and in exported bundles
_AT_ONCE = 512  # frames of one call, 16 s
_STATE = (1, 1, 128)


def find_network() -> Path:
    """The file with the network; UpstreamError if the package is not there."""
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "data" / NETWORK).is_file():
            return path
    raise UpstreamError(
        "silero-vad: the package is not installed, or without its network; run tools/install.sh, or give"
        " --vad off"
    )


@functools.lru_cache(maxsize=1)  # to load it takes longer than to hear a clip of two seconds
def _session(path: Path, changed: int) -> onnxruntime.InferenceSession:
    """``changed``: when the file was. A session keeps nothing of a recording, and threads may share it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the memory of the longest recording
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


class Voice:
    """The probability that somebody speaks, of each 32 ms of a recording that is given part by part.

    ``network``: its file, None: that of the package silero-vad; UpstreamError if this is not there.
    """

    def __init__(self, network: Path | None = None) -> None:
        path = network or find_network()
        self._session = _session(path, path.stat().st_mtime_ns)
        self.reset()

    def reset(self) -> None:
        """Begin another recording."""
        self._hidden, self._cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """``samples``: the next of the recording at 16 kHz, (N,) float32; only the last ones may be a broken
        number of frames, which is filled up with zeros. → (⌈N / 512⌉,) float32.
        """
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(samples), _AT_ONCE * FRAME):
            found.append(self._some(samples[start : start + _AT_ONCE * FRAME]))
        return np.concatenate(found)

    def _some(self, samples: np.ndarray) -> np.ndarray:
        frames = np.zeros((-(-len(samples) // FRAME), FRAME), np.float32)  # (B, 512)
        frames.reshape(-1)[: len(samples)] = samples
        before = np.concatenate([self._context[None], frames[:-1, -CONTEXT:]])  # (B, 64)
        self._context = frames[-1, -CONTEXT:].copy()
        inputs = {"input": np.concatenate([before, frames], axis=1), "h": self._hidden, "c": self._cell}
        found, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], inputs)
        return found.reshape(-1)
