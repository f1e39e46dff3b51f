"""Encoders of the hub at their true size with random weights: how far every layer is from transformers', what
memory and time they take.

    python tests/bench/true_size.py xls_r_300m w2v_bert_2

One thread, a few minutes of processor time and up to 3 GB of disk (TMPDIR) a model. Prints rows for
docs/xlsr.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xlt.audio.files import SAMPLE_RATE
from xlt.upstreams import hf_config
from xlt.upstreams.hf import HuggingFace, load_expert
from xlt.upstreams.tunable import Net

LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
WAVES = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {  # config.json as the hub has it
    "xls_r_300m": ("Wav2Vec2", LARGE | WAVES),
    "mms_1b": (
        "Wav2Vec2",
        LARGE | WAVES | {"hidden_size": 1280, "num_hidden_layers": 48, "intermediate_size": 5120},
    ),
    "w2v_bert_2": ("Wav2Vec2Bert", LARGE | {"hidden_act": "swish"}),
}
CLIP_S, SPEECH_S = 3, 20  # compared with transformers; timed, in clips of 5 s


def write(folder: Path, name: str) -> None:
    """A random model of the size of ``name`` as transformers saves it."""
    import transformers

    family, config = MODELS[name]
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(**config)
    getattr(transformers, f"{family}Model")(made).save_pretrained(folder)
    if family == "Wav2Vec2Bert":
        transformers.SeamlessM4TFeatureExtractor(stride=2).save_pretrained(folder)
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
        extractor.save_pretrained(folder)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)


def compare(folder: Path) -> list[str]:
    """Frozen and trainable network against transformers: the largest difference of each layer."""
    wave = noise(CLIP_S)
    expert = load_expert(folder)
    theirs = expert.hidden(wave)
    source = HuggingFace.find("hf", str(folder), folder)
    with torch.no_grad():
        net = Net(HuggingFace.pieces(source), len(theirs) - 1, 0.0).eval()
        trained = net([torch.from_numpy(wave)])[0]
    del net, expert
    upstream = HuggingFace(source, "float32", "cpu")
    frozen, _ = upstream.encode([wave], list(range(len(theirs))))
    rows = ["layer\tlargest value\tfrozen differs\ttrainable differs"]
    for number, (a, b, c) in enumerate(zip(theirs, frozen, trained, strict=True)):
        far = [(a - other[: len(a)]).abs().max().item() for other in (b[0], c)]
        rows.append(f"{number}\t{a.abs().max():.2f}\t{far[0]:.1e}\t{far[1]:.1e}")
    return rows


def cost(folder: Path, dtype: str) -> str:
    """Processor seconds a second of speech, and the most memory, of a process that only encodes."""
    upstream = HuggingFace(HuggingFace.find("hf", str(folder), folder), dtype, "cpu")
    clips = [noise(5, seed) for seed in range(SPEECH_S // 5)]
    upstream.encode(clips[:1], [upstream.num_layers - 1])
    before = time.process_time()
    for clip in clips:
        upstream.encode([clip], [upstream.num_layers - 1])
    used = (time.process_time() - before) / SPEECH_S
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return f"{dtype}: {used:.2f} processor seconds a second of speech, at most {peak:.1f} GB of memory"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", choices=sorted(MODELS))
    parser.add_argument("--dtype", nargs="*", default=["float32", "bfloat16"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    fresh = multiprocessing.get_context("spawn")
    for name in args.models:
        with tempfile.TemporaryDirectory() as scratch, fresh.Pool(1, maxtasksperchild=1) as pool:
            folder = Path(scratch)
            pool.apply(write, (folder, name))
            size = sum(f.stat().st_size for f in folder.iterdir()) / 1e9
            layers = hf_config.read_json(folder / hf_config.CONFIG)["num_hidden_layers"]
            print(f"{name}: {size:.2f} GB, {layers} layers", flush=True)
            print(*pool.apply(compare, (folder,)), sep="\n", flush=True)
            for dtype in args.dtype:
                print(pool.apply(cost, (folder, dtype)), flush=True)


if __name__ == "__main__":
    main()
