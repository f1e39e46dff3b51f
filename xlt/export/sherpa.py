"""`xlt export sherpa`: a bundle as model.onnx and tokens.txt, which stock sherpa-onnx runs.

It passes for a CTC model of Omnilingual ASR, the kind of sherpa-onnx that takes samples. sherpa-onnx scales
these to mean 0 and deviation 1, asks for no lengths, and decodes greedily: no language model is exported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xlt.core.errors import ConfigError
from xlt.export.onnx import mix_of, parts_of
from xlt.models.onnx.model import WHISPER
from xlt.tokens.tokenizer import SPACE, Tokenizer

MODEL = "model.onnx"
LEVEL = 0.05  # deviation of speech recorded at a usual level, -26 dBFS; Whisper's log-mels forgive other ones
WORD_START = "▁"  # what sherpa-onnx writes as a space
METADATA = {"model_type": "omnilingual-asr", "sample_rate": "16000", "version": "1"}
FRAME_RATE = 50.0  # that sherpa-onnx takes for granted where it tells times
TRACED_S, OTHERS_S = 5.0, (3.3, 31.0)  # seconds of a trace, and of what it is proven on


def export(bundle: Path, out: Path, int8: bool) -> dict[str, float]:
    """Write the two files into the empty folder ``out``; how far the network is from torch's.

    DataError if the bundle is damaged; ConfigError, with the reason, if it cannot be exported.
    """
    import torch

    from xlt.export import graph
    from xlt.export.networks import FromSamples, Mixing, WhisperMels

    parts = parts_of(bundle, (WHISPER,))  # for log-mels sherpa-onnx would have to know which
    tokenizer = Tokenizer(bundle)
    if tokenizer.type == "phone":
        raise ConfigError(f"{bundle}: writes phones, which sherpa-onnx would join; use xlt export onnx")
    mels = WhisperMels(parts.backbone.net.conv1.in_channels)
    mixing = Mixing(parts.info["features"]["layers"], mix_of(bundle, parts.info))
    repeats = round(FRAME_RATE / parts.info["frame_rate"])
    whole = FromSamples((mels, parts.backbone, mixing, parts.head), LEVEL, repeats).eval()
    rng = torch.Generator().manual_seed(0)
    first, *others = (torch.randn(1, round(16000 * s), generator=rng) for s in (TRACED_S, *OTHERS_S))
    axes = {"samples": {1: "samples"}, "log_probs": {1: "frames"}}
    graph.write(whole, first, out / MODEL, axes)
    found = graph.proven(whole, out / MODEL, others)
    if int8:
        graph.quantise(out / MODEL)
    _add_metadata(out / MODEL, parts.info)
    rows = [f"{_written(token)} {i}\n" for i, token in enumerate(tokenizer.tokens)]
    (out / "tokens.txt").write_text("".join(rows), encoding="utf-8", newline="\n")
    return {"model": found}


def _written(token: str) -> str:
    return WORD_START if token == SPACE else token


def _add_metadata(path: Path, info: dict[str, Any]) -> None:
    import onnx

    model = onnx.load(str(path))
    for key, value in {**METADATA, "language": info["lang"]}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(path))
