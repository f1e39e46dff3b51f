"""Part 4: seconds of audio encoded in a second of processor time, ours and others', and the share of the
machine's peak.

Everything runs in this process with one thread, on the same clips, in rounds in which every contender has its
turn, so that a load from outside meets all alike. The processor's time is counted, not the clock's; medians
over the rounds.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.bench.feature_bench import clips
from tests.bench.feature_bench.common import (
    SAMPLE_RATE,
    TITLES,
    Bench,
    Target,
    features_config,
    median,
    stages,
    upstream_settings,
)
from xlt.fetch.files import cache_root
from xlt.formats.markdown import table

if TYPE_CHECKING:
    import numpy as np
    import torch

UPSTREAMS = ("whisper_base", "xls_r_size")
TIMES, PEAK = 2.5, 0.60  # targets
UNIT, LOGARITHMIC = "seconds of audio in a second of processor time", True
BATCH = 8  # of s3prl's own loop
LABELS = {
    "xlt": "xlt, last layer",
    "xlt_mix": "xlt, all layers mixed",
    "xlt_int8": "xlt, last layer, features.dtype=int8",
    "transformers": "transformers, a clip at a time, float32",
    "s3prl": "s3prl, a clip at a time",
    "s3prl_8": f"s3prl, {BATCH} padded clips at a time",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=45.0, help="throughput: speech in a round, seconds")
    parser.add_argument("--rounds", type=int, default=3, help="throughput: rounds")
    parser.add_argument("--upstreams", default=",".join(UPSTREAMS), help="throughput, disk, epochs: which")


def run(bench: Bench, args: argparse.Namespace) -> None:
    from xlt.features.extract import one_thread

    one_thread()
    recipe = bench.recipe(args.languages[0], args.languages[0])
    stages(recipe, ["data"])
    for name in args.upstreams.split(","):
        for kind in clips.KINDS:
            key = {
                "upstream": name,
                "clips": kind,
                "language": args.languages[0],
                "seconds": args.seconds,
                "rounds": args.rounds,
            }
            bench.measure(
                "throughput", key, lambda name=name, kind=kind: _contest(bench, args, recipe, name, kind)
            )


def _contest(bench: Bench, args: argparse.Namespace, recipe, name: str, kind: str) -> dict:
    from xlt.features.extract import prepare

    features = features_config(recipe, *upstream_settings(bench, name))
    setup = prepare(features, cache_root(None))
    waves = clips.pick(recipe / "data" / "train", kind, args.seconds)
    ours = Ours(setup)
    contenders: dict[str, Callable[[list], None]] = {
        "xlt": ours.last,
        "xlt_mix": ours.mixed,
        "xlt_int8": Ours(dataclasses.replace(setup, dtype="int8")).last,
    }
    if name == "whisper_base":
        contenders["transformers"] = transformers_whisper(setup.source.path)
    else:
        contenders |= {
            "transformers": transformers_wav2vec2(setup.source.path),
            **s3prl_loops(setup.source.path),
        }
    for encode in contenders.values():  # first calls allocate
        encode(waves[:2])
    layers = Layers(ours.upstream)
    rounds: list[dict] = []
    for _ in range(args.rounds):
        figures = {}
        for label, encode in contenders.items():
            with layers.watch(label == "xlt"):
                start = time.process_time()
                encode(waves)
                figures[label] = time.process_time() - start
        done = layers.take()
        peak = max(peak_flops(*shape, setup.dtype) for shape in [(2048, 2048, 2048), *done["shapes"]])
        rounds.append(
            {**figures, "layers_s": done["seconds"], "layers_flop": done["flop"], "peak_flops": peak}
        )
    speech = clips.total_s(waves)
    share = [r["layers_flop"] / r["layers_s"] / r["peak_flops"] for r in rounds]
    return {
        "clips": len(waves),
        "speech_s": round(speech, 1),
        "dtype": setup.dtype,
        "audio_s_per_cpu_s": {
            label: round(median([speech / r[label] for r in rounds]), 2) for label in contenders
        },
        "each_round": {label: [round(speech / r[label], 2) for r in rounds] for label in contenders},
        "peak_gflops": round(median([r["peak_flops"] for r in rounds]) / 1e9, 1),
        "layers_gflops": round(median([r["layers_flop"] / r["layers_s"] for r in rounds]) / 1e9, 1),
        "share_of_peak": round(median(share), 3),
        "share_of_peak_each_round": [round(s, 3) for s in share],
        "share_of_time_in_layers": round(median([r["layers_s"] / r["xlt"] for r in rounds]), 3),
        **(
            {"transformers_without_padding": whisper_without_padding(setup.source.path)}
            if name == "whisper_base"
            else {}
        ),
        "padded_frames_share": round(max(0.0, 1 - speech * ours.upstream.frame_rate / done["frames"]), 3),
    }


class Ours:
    """Extraction as stage 3 does it: :func:`xlt.features.extract.load` and ``encode_waves``."""

    def __init__(self, setup):
        import numpy as np

        from xlt.features.extract import load
        from xlt.features.mix import Mix

        self.setup, self.upstream = setup, load(setup)
        count, dim = self.upstream.num_layers, self.upstream.dim
        self.mix = Mix(
            list(range(count)),
            np.full(count, 1 / count, np.float32),
            "corpus",
            np.zeros((count, dim), np.float32),
            np.ones((count, dim), np.float32),
        )

    def last(self, waves: list[np.ndarray]) -> None:
        from xlt.features.extract import encode_waves

        encode_waves(self.upstream, waves, "last", self.setup.batch_s)

    def mixed(self, waves: list[np.ndarray]) -> None:
        from xlt.features.extract import encode_waves

        encode_waves(self.upstream, waves, "mix", self.setup.batch_s, mix=self.mix)


def transformers_whisper(folder: str) -> Callable:
    """As transformers' documentation encodes: WhisperFeatureExtractor pads to 30 s, and the encoder takes
    nothing else.
    """
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    extractor = WhisperFeatureExtractor()
    encoder = WhisperModel.from_pretrained(folder, dtype=torch.float32).get_encoder().eval()

    def encode(waves: list[np.ndarray]) -> None:
        for wave in waves:
            inputs = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            with torch.no_grad():
                encoder(inputs.input_features, output_hidden_states=True)

    return encode


def whisper_without_padding(folder: str) -> str:
    """What transformers says when 5 s are given as 5 s: the first words of its error, or "accepted"."""
    import torch
    from transformers import WhisperModel

    encoder = WhisperModel.from_pretrained(folder, dtype=torch.float32).get_encoder().eval()
    try:
        with torch.no_grad():
            encoder(torch.zeros(1, encoder.config.num_mel_bins, 500))
    except ValueError as err:
        return str(err).partition(",")[0]
    return "accepted"


def transformers_wav2vec2(folder: str) -> Callable:
    """As transformers' documentation encodes: feature extractor and model, a clip at a time."""
    import torch
    from transformers import AutoFeatureExtractor, Wav2Vec2Model

    extractor, model = (
        AutoFeatureExtractor.from_pretrained(folder),
        Wav2Vec2Model.from_pretrained(folder).eval(),
    )

    def encode(waves: list[np.ndarray]) -> None:
        for wave in waves:
            inputs = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")
            with torch.no_grad():
                model(**inputs, output_hidden_states=True)

    return encode


def s3prl_loops(folder: str) -> dict[str, Callable]:
    """As s3prl's documentation encodes: S3PRLUpstream, then Featurizer; batches in the corpus's order."""
    import torch
    from s3prl.nn import Featurizer, S3PRLUpstream

    upstream = S3PRLUpstream("hf_wav2vec2_custom", path_or_url=folder).eval()
    featurizer = Featurizer(upstream)

    def loop(size: int) -> Callable:
        def encode(waves: list[np.ndarray]) -> None:
            for at in range(0, len(waves), size):
                batch = [torch.from_numpy(w) for w in waves[at : at + size]]
                lengths = torch.LongTensor([len(w) for w in batch])
                with torch.no_grad():
                    hidden, frames = upstream(
                        torch.nn.utils.rnn.pad_sequence(batch, batch_first=True), lengths
                    )
                    featurizer(hidden, frames)

        return encode

    return {"s3prl": loop(1), f"s3prl_{BATCH}": loop(BATCH)}


class Layers:
    """Processor time and operations of an upstream's transformer layers, by hooks on them."""

    def __init__(self, upstream):
        lists = transformer_layers(upstream)
        self.modules = [module for layers in lists for module in layers]
        self.first = {layers[0] for layers in lists}
        self.flop, self.seconds, self.frames, self.start = 0, 0.0, 0, 0.0
        self.shapes: set[tuple[int, int, int]] = set()

    def watch(self, wanted: bool):
        import contextlib

        return self._hooked() if wanted else contextlib.nullcontext()

    def _hooked(self):
        import contextlib

        stack = contextlib.ExitStack()
        for module in self.modules:
            for handle in (
                module.register_forward_pre_hook(self._before, with_kwargs=True),
                module.register_forward_hook(self._after),
            ):
                stack.callback(handle.remove)
        return stack

    def _before(self, module, args, kwargs) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        if hidden.dim() == 3:  # (B, T, D), padded
            clips, dim = [hidden.shape[1]] * len(hidden), hidden.shape[2]
        else:  # (N, D), clips one behind the other at the rows (begin, end)
            clips, dim = [end - begin for begin, end in args[1]], hidden.shape[1]
        rows, inner = sum(clips), inner_size(module)
        self.flop += layer_flop(clips, dim, inner)
        self.shapes |= {(rows, dim, dim), (rows, dim, inner), (rows, inner, dim)}
        self.frames += rows if module in self.first else 0
        self.start = time.process_time()

    def _after(self, module, args, output) -> None:
        self.seconds += time.process_time() - self.start

    def take(self) -> dict:
        """What came together since the last call; the three shapes of the largest batch."""
        if not self.flop:
            raise RuntimeError("the upstream's layers were not called as modules: nothing was measured")
        rows = max(shape[0] for shape in self.shapes)
        found = {
            "flop": self.flop,
            "seconds": self.seconds,
            "frames": self.frames,
            "shapes": sorted(s for s in self.shapes if s[0] == rows),
        }
        self.flop, self.seconds, self.frames, self.shapes = 0, 0.0, 0, set()
        return found


def transformer_layers(upstream) -> list[list[torch.nn.Module]]:
    """The lists of modules that make hidden state n from n - 1; an upstream may hold its model in two
    forms.
    """
    import torch

    found = [
        list(module)
        for value in vars(upstream).values()
        if isinstance(value, torch.nn.Module)
        for name, module in value.named_modules()
        if name.rpartition(".")[2] == "layers" and len(module) == upstream.num_layers - 1
    ]
    if not found:
        raise LookupError(f"{upstream.name}: no list of {upstream.num_layers - 1} layers")
    return found


def inner_size(layer: torch.nn.Module) -> int:
    """Width of the feed-forward part: Whisper's ``fc1``, wav2vec2's ``intermediate_dense``."""
    return next(
        m.out_features
        for n, m in layer.named_modules()
        if n.rpartition(".")[2] in ("fc1", "intermediate_dense")
    )


def layer_flop(clips: list[int], dim: int, inner: int) -> int:
    """Multiplications and additions of one layer for clips of so many frames.

    Four projections, scores, weighted values, two feed-forward products.
    """
    return sum(frames * (2 * 4 * dim * dim + 2 * 2 * frames * dim + 2 * 2 * dim * inner) for frames in clips)


def peak_flops(rows: int, inner: int, columns: int, dtype: str = "float32", times: int = 5) -> float:
    """Operations a second of ``torch.mm`` of matrices of ``dtype``, the best of several calls."""
    import torch

    kind = getattr(torch, dtype)
    a, b = torch.randn(rows, inner, dtype=kind), torch.randn(inner, columns, dtype=kind)
    torch.mm(a, b)
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        torch.mm(a, b)
        best = min(best, time.process_time() - start)
    return 2 * rows * inner * columns / best


def _ratios(figures: dict, ours: str = "xlt") -> dict[str, float]:
    """How many times faster ``ours`` is than each of the others."""
    rate = figures["audio_s_per_cpu_s"]
    return {
        label: rate[ours] / value
        for label, value in rate.items()
        if not label.startswith("xlt") and ours in rate
    }


def targets(entries: list[dict]) -> list[Target]:
    found = []
    for entry in entries:
        figures, where = (
            entry["figures"],
            f"{TITLES[entry['key']['upstream']]}, {entry['key']['clips']} clips",
        )
        for label, ratio in _ratios(figures).items():
            found.append(
                Target(
                    "throughput",
                    f"{where}: against {LABELS[label]}",
                    f"≥ {TIMES} times",
                    f"{ratio:.2f} times",
                    ratio >= TIMES,
                )
            )
        share = figures["share_of_peak"]
        found.append(
            Target(
                "throughput",
                f"{where}: layers' share of the matrix-multiply peak",
                f"≥ {PEAK:.0%}",
                f"{share:.0%}",
                share >= PEAK,
            )
        )
    return found


def page(entries: list[dict]) -> list[str]:
    """The part's section of the page, in paragraphs."""
    rows = []
    for entry in entries:
        key, figures = entry["key"], entry["figures"]
        ratios, narrow = _ratios(figures), _ratios(figures, "xlt_int8")
        for label, value in figures["audio_s_per_cpu_s"].items():
            rows.append(
                [
                    TITLES[key["upstream"]],
                    key["clips"],
                    LABELS[label],
                    f"{value:.1f}",
                    *(f"{r[label]:.2f}" if label in r else "–" for r in (ratios, narrow)),
                    " ".join(f"{v:.1f}" for v in figures["each_round"][label]),
                ]
            )
    peaks = [
        [
            TITLES[e["key"]["upstream"]],
            e["key"]["clips"],
            e["figures"]["dtype"],
            e["figures"]["peak_gflops"],
            e["figures"]["layers_gflops"],
            f"{e['figures']['share_of_peak']:.0%}",
            f"{e['figures']['share_of_time_in_layers']:.0%}",
            f"{e['figures']['padded_frames_share']:.0%}",
        ]
        for e in entries
    ]
    refusals = sorted(
        {
            e["figures"]["transformers_without_padding"]
            for e in entries
            if "transformers_without_padding" in e["figures"]
        }
    )
    sets = "; ".join(f"{kind}: {what}" for kind, what in clips.KINDS.items())
    return [
        (
            "Seconds of audio in a second of processor time, one thread, medians over rounds in which all"
            f" take turns. {sets}."
        ),
        table(
            [
                "upstream",
                "clips",
                "contender",
                "audio s / CPU s",
                "xlt is faster by",
                "with int8 by",
                "each round",
            ],
            rows,
        ),
        *[
            "transformers' Whisper encoder pads every clip to 30 s; without that padding there is no row,"
            f" since given 5 s it answers: “{text}”. s3prl has no Whisper."
            for text in refusals
        ],
        "s3prl's rows go through its Featurizer, transformers' return all hidden states.",
        (
            "The transformer layers alone: operations actually done, padding included, over their processor"
            " time, against the best `torch.mm` in that arithmetic (2048³ and the layers' own shapes) in the"
            " same rounds."
        ),
        table(
            [
                "upstream",
                "clips",
                "arithmetic",
                "peak GFLOP/s",
                "layers GFLOP/s",
                "share",
                "of the time is in the layers",
                "frames that are padding",
            ],
            peaks,
        ),
    ]


def bars(entries: list[dict]) -> list[tuple[str, float]]:
    """For the plot: ``[(label, value), …]``, audio seconds per processor second."""
    return [
        (f"{TITLES[e['key']['upstream']]}, {e['key']['clips']} clips: {LABELS[label]}", value)
        for e in entries
        for label, value in e["figures"]["audio_s_per_cpu_s"].items()
    ]
