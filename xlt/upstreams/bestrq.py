"""Encoders that `xlt pretrain` made with BEST-RQ: log-mels → 25 frames a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, UpstreamError
from xlt.core.files import sha256
from xlt.upstreams.base import MIN_SAMPLES, Source, Upstream, check_layers, unpacked
from xlt.upstreams.bestrq_sizes import CONFIG, HOP, MODEL_TYPE, WEIGHTS, read_sizes
from xlt.upstreams.hf_config import read_json

if TYPE_CHECKING:
    from xlt.upstreams.tunable import Pieces

BATCH_S = 40.0


class BestRqUpstream(Upstream):
    """Hidden states 0 (before the first layer) to the last, behind the final norm; ceil(N / 640) frames, the
    last one repeated. Nothing is padded.
    """

    packages = ("torch", "torchaudio")
    packs = True
    best_batch_s = BATCH_S

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        if path is None:
            raise ConfigError(
                f"features.upstream={name}: has no weights of its own; make some with egs/pretrain/run.sh"
                " preset=bestrq_nano, and give the folder in features.path, e.g. ../pretrain/exp/main"
            )
        folder = Path(path)
        if missing := [file for file in (CONFIG, WEIGHTS) if not (folder / file).is_file()]:
            raise UpstreamError(
                f"features.path={path}: {missing[0]} is not there; name exp/<tag> of a finished pre-training"
                " (pretrain.method=bestrq)"
            )
        if (kind := read_json(folder / CONFIG).get("model_type")) != MODEL_TYPE:
            raise UpstreamError(
                f"{folder / CONFIG}: model_type is {kind!r}, {name} needs {MODEL_TYPE!r}; for a wav2vec 2.0"
                " set features.upstream=hf"
            )
        identity = {"upstream": name, "weights_sha256": sha256(folder / WEIGHTS)}
        return Source(name, str(folder), identity, [str(folder / CONFIG), str(folder / WEIGHTS)])

    @classmethod
    def can_tune(cls, name: str, path: str | None = None) -> bool:
        return True

    @classmethod
    def pieces(cls, source: Source) -> Pieces:
        from xlt.upstreams import bestrq_net

        return bestrq_net.load(source.folder)

    @classmethod
    def bare_pieces(cls, name: str, folder: Path) -> Pieces:
        from xlt.upstreams import bestrq_net

        return bestrq_net.pieces(read_sizes(folder / CONFIG))

    @classmethod
    def expected_rate(cls, name: str) -> float:
        return SAMPLE_RATE / HOP

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        return 7, 192

    def __init__(self, source: Source, dtype: str, device: str):
        import torch

        from xlt.upstreams.tunable import Net

        found = self.pieces(source)
        self.name, self.device, self.frame_rate = source.upstream, device, SAMPLE_RATE / HOP
        self.found = found
        self.net = Net(found, len(found.layers), 0.0).eval().requires_grad_(False).to(device)
        self.num_layers, self.dim = len(found.layers) + 1, self.net.dim
        self.narrow = dtype == "bfloat16"
        self.dtype = torch.bfloat16 if self.narrow else torch.float32

    def streaming(self):
        return self.found.streaming()

    def batch_key(self, num_samples: int) -> int:
        return max(num_samples, MIN_SAMPLES)

    def encode(self, waves, layers):
        import torch

        check_layers(self, layers)
        tensors = [torch.from_numpy(wave).to(self.device) for wave in waves]
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=self.narrow):
            hidden, spans = self.net(tensors)
        lengths = [-(-max(1, len(wave)) // HOP) for wave in waves]
        return [unpacked(hidden[number].cpu(), spans, lengths) for number in layers], lengths
