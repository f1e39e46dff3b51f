"""Whisper's encoder through transformers, on inputs shorter than the 30 s that transformers insists on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import ConfigError, UpstreamError
from xlt.formats.weights import read_weights
from xlt.upstreams.base import Source, Upstream, check_layers
from xlt.upstreams.hf_config import CONFIG, typed_config
from xlt.upstreams.mels import GRID, HOP, MAX_SAMPLES, grid_samples, log_mels

BATCH_S = 20.0  # of padded clips on a processor: larger batches leave its caches

if TYPE_CHECKING:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as HfEncoder

    from xlt.upstreams.tunable import Pieces


class WhisperEncoder(Upstream):
    """Hidden state 0 is the convolutions' output with positions, the last one stands behind the final layer
    norm.
    """

    has_int8 = True
    packages = ("torch", "transformers")
    max_samples = MAX_SAMPLES
    padding = (
        f"whisper: silence to a multiple of {GRID / SAMPLE_RATE:g} s, windows of"
        f" {max_samples / SAMPLE_RATE:g} s"
    )

    @staticmethod
    def find(name: str, path: str | None, cache: Path) -> Source:
        from xlt.upstreams import whisper_weights

        return whisper_weights.find(name, path, cache)

    @classmethod
    def can_tune(cls, name: str, path: str | None = None) -> bool:
        return True

    @classmethod
    def pieces(cls, source: Source) -> Pieces:
        from xlt.upstreams.tunable import whisper_pieces

        return whisper_pieces(load_encoder(source.folder))

    @classmethod
    def bare_pieces(cls, name: str, folder: Path) -> Pieces:
        from xlt.upstreams.tunable import whisper_pieces

        return whisper_pieces(new_encoder(folder / CONFIG))

    @classmethod
    def expected_size(cls, name: str) -> tuple[int, int]:
        return 7, 512

    def __init__(self, source: Source, dtype: str, device: str):
        import torch
        from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

        from xlt.upstreams.fast import dense
        from xlt.upstreams.fast.packed import PackedWhisper

        self.encoder = load_encoder(source.folder).requires_grad_(False)
        config = self.encoder.config
        self.device, self.packed = device, None
        self.log_mel = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        self.name, self.frame_rate = source.upstream, SAMPLE_RATE / HOP
        self.num_layers, self.dim = config.encoder_layers + 1, config.d_model
        if device == "cpu" and dense.usable():
            self.packed, self.encoder = PackedWhisper(self.encoder, dtype), None
            self.packs, self.best_batch_s = True, BATCH_S
        elif dtype == "int8":
            raise ConfigError(f"features.dtype=int8: {self.name} has it on x86 processors only; use float32")
        else:
            self.dtype = getattr(torch, dtype)
            self.encoder.to(device=device, dtype=self.dtype)

    def batch_key(self, num_samples: int) -> int:
        return grid_samples(num_samples)

    def encode(self, waves, layers):
        import torch

        check_layers(self, layers)
        lengths = [-(-len(w) // HOP) for w in waves]
        with torch.inference_mode():
            if self.packed is None:
                hidden = self._forward(
                    log_mels(self.log_mel, waves, self.device).to(device=self.device, dtype=self.dtype),
                    max(layers),
                )
                return [hidden[n].float() for n in layers], lengths
            hidden, spans = self.packed(
                [log_mels(self.log_mel, [wave], self.device)[0].T for wave in waves], max(layers)
            )
            index = torch.arange(max(lengths))  # (T,)
            index = torch.stack([begin + index.clamp(max=end - begin - 1) for begin, end in spans])  # (B, T)
            return [hidden[n][index].float() for n in layers], lengths

    def streaming(self):
        if self.packed is None:
            from xlt.upstreams.tunable import whisper_pieces

            return whisper_pieces(self.encoder).streaming()
        return self.packed.streaming(self.log_mel.mel_filters)

    def _forward(self, mels, last: int) -> list:
        """Hidden states 0 … ``last``, each (B, T, D): the steps of transformers' own forward, with fewer
        positions.
        """
        from torch.nn.functional import gelu

        net = self.encoder
        x = gelu(net.conv2(gelu(net.conv1(mels)))).transpose(1, 2)  # (B, T, D)
        x = x + net.embed_positions.weight[: x.shape[1]]
        hidden = [x]
        for layer in net.layers[:last]:
            x = layer(x, None)
            hidden.append(x)
        if last == len(net.layers):
            hidden[-1] = net.layer_norm(x)
        return hidden


def new_encoder(config: Path) -> HfEncoder:
    """transformers' encoder as the file ``config`` (config.json) has it, with random weights."""
    from transformers.models.whisper.configuration_whisper import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as HfEncoder

    return HfEncoder(typed_config(config, WhisperConfig)).eval()


def load_encoder(folder: Path) -> HfEncoder:
    """transformers' encoder with the weights in ``folder``; UpstreamError if they are damaged or do not
    fit.
    """
    encoder = new_encoder(folder / CONFIG)
    try:
        encoder.load_state_dict(_encoder_tensors(folder))
    except RuntimeError as err:
        raise UpstreamError(
            f"{folder}: the weights do not fit config.json ({str(err).splitlines()[-1].strip()}); "
            "give a complete Whisper directory in features.path"
        ) from None
    return encoder


def _encoder_tensors(folder: Path) -> dict:
    """The encoder's tensors by their names inside it; UpstreamError if the file is damaged."""
    from safetensors import SafetensorError, safe_open

    tensors = {}
    file = folder / "model.safetensors"
    try:
        if file.exists():
            with safe_open(file, "pt") as handle:
                for key in handle.keys():  # noqa: SIM118 (a safetensors handle is no mapping)
                    if "encoder." in key and not key.removeprefix("model.").startswith("decoder."):
                        tensors[key.partition("encoder.")[2]] = handle.get_tensor(key)
        else:
            file = folder / "pytorch_model.bin"
            state = read_weights(file, "fetch it again", UpstreamError)
            tensors = {
                k.partition("encoder.")[2]: v
                for k, v in state.items()
                if k.removeprefix("model.").startswith("encoder.")
            }
    except (SafetensorError, OSError, AttributeError) as err:
        raise UpstreamError(f"{file}: not readable ({err}); fetch it again") from None
    return {k: v.float() for k, v in tensors.items()}
