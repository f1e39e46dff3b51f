"""What hearing speech chunk by chunk costs: time, errors, and positions that begin again after 30 s.

    python tests/bench/chunked.py --model egs/ron/exp/main --data egs/ron/data/dev [--only cost]

Of the encoder of a trained model whose features are stored, and whose head was trained on whole clips unless
the recipe had features.chunk_s. `cost`: processor seconds for a second of speech, whole clips (windows of 30 s)
beside streams, in turn, the median of three rounds. `errors`: CER of dev under each mask, by greedy decoding.
`positions`: dev as one stream without end, whose positions begin again every 30 s (what a stream does), go on
by Whisper's formula, or begin again together with the left context; clips are read off by their times, so
that all have the clip before as their left context. `level`: the loudest sound that a stream begins with.
One thread; five minutes of processor time with four minutes of dev on two.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xlt.audio.augment.chunk import Mask
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.recognise import Recogniser
from xlt.features import load_trained
from xlt.features.backbone import Encoder
from xlt.features.extract import encode_waves, layer_numbers, under
from xlt.formats.matrix import round_trip
from xlt.formats.model_folder import read_info
from xlt.formats.tables import read_scp, read_table
from xlt.metrics.cer import CER
from xlt.nets.chunks import Chunks
from xlt.upstreams.chunked import fronts, levels

SIZES_S = (1.28, 0.64, 0.32)
ROUNDS = 3


class Dev:
    """A recogniser and its dev clips. ``encode``: as it was trained; ``score``: CER of features by clip."""

    def __init__(self, model: Path, data: Path):
        info = read_info(model)
        self.encoder: Any = load_trained(info["features"], model)
        stored = {name.removeprefix("decode."): value for name, value in info["decode"].items()}
        decode = from_json(DecodeConfig, "decode", {**stored, "method": "greedy"}, str(model))
        self.recogniser = Recogniser(model, decode)
        self.texts = read_table(data / "text")
        recipe = data.parent.parent
        self.waves = {utt: read_wav(path) for utt, path in read_scp(data / "wav.scp", recipe).items()}

    def score(self, feats: dict[str, np.ndarray]) -> float:
        found = {utt: self.recogniser([matrix])[0].text for utt, matrix in feats.items()}
        pairs = [(self.texts[utt], found[utt]) for utt in sorted(found)]
        return CER.score(pairs, 1, np.random.default_rng(0)).value

    def under(self, mask: Mask | None) -> float:
        setup = self.encoder.setup
        upstream = under(self.encoder.upstream, mask)
        return self.score({utt: self.features(upstream, wave, setup) for utt, wave in self.waves.items()})

    def features(self, upstream, wave: np.ndarray, setup) -> np.ndarray:
        (found,) = encode_waves(upstream, [wave], setup.layers, setup.batch_s, mix=self.encoder.mix)
        return round_trip(found, setup.storage)

    def mixed(self, states: np.ndarray) -> np.ndarray:
        """Hidden states (L, T, D) of a stream → features (T, D)."""
        encoder: Encoder = self.encoder
        numbers = encoder.mix.layers if encoder.mix else layer_numbers(encoder.upstream, encoder.setup.layers)
        chosen = [torch.from_numpy(states[n])[None] for n in numbers]
        found = encoder.mix.apply(chosen)[0] if encoder.mix else torch.cat(chosen, dim=2)[0]
        return round_trip(found.numpy(), encoder.setup.storage)


def cost(dev: Dev) -> None:
    """Whole clips and streams, side by side."""
    upstream = dev.encoder.upstream
    speech = np.concatenate(list(dev.waves.values()))[: 60 * SAMPLE_RATE]
    seconds, last = len(speech) / SAMPLE_RATE, upstream.num_layers - 1
    layers = list(range(last + 1))

    def whole() -> None:
        step = upstream.max_samples or len(speech)
        for at in range(0, len(speech), step):
            upstream.encode([speech[at : at + step]], layers)

    def stream(size_s: float) -> None:
        chunks = Chunks.of_seconds(size_s, 5.0, 0.0, upstream.frame_rate)
        opened, step = upstream.open_stream(chunks), round(0.1 * SAMPLE_RATE)
        for at in range(0, len(speech), step):
            opened.push(speech[at : at + step])

    ways = {"whole": whole} | {f"{size:g} s": lambda size=size: stream(size) for size in SIZES_S}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.process_time()
            way()
            spent[name].append((time.process_time() - began) / seconds)
    for name, found in spent.items():
        print(
            f"  {name}: {statistics.median(found):.4f} processor seconds for a second of speech", flush=True
        )


def errors(dev: Dev) -> None:
    print(f"  whole: CER {dev.under(None):.1f}", flush=True)
    for ahead_s in (0.0, 0.32):
        for size_s in SIZES_S:
            print(
                f"  {size_s:g} s, look-ahead {ahead_s:g} s: CER {dev.under(Mask(size_s, 5.0, ahead_s)):.1f}",
                flush=True,
            )


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def sinusoids(first: int, count: int, dim: int) -> torch.Tensor:
    """Whisper's positions by its formula (openai/whisper, model.py)."""
    rates = torch.exp(-np.log(10000) / (dim // 2 - 1) * torch.arange(dim // 2))
    angles = torch.arange(first, first + count)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def going_on(self, rows, skip, first):
    return rows[skip:] + sinusoids(first, len(rows) - skip, rows.shape[1])


def positions(dev: Dev) -> None:
    """Clips begin on multiples of 0.64 s; the stream is heard in chunks of that."""
    upstream = dev.encoder.upstream
    chunks = Chunks.of_seconds(0.64, 5.0, 0.0, upstream.frame_rate)
    hop = round(SAMPLE_RATE / upstream.frame_rate)
    grid, period = chunks.chunk * hop, 30 * SAMPLE_RATE
    places, parts, at = {}, [], 0
    for utt, wave in dev.waves.items():
        padded = np.pad(wave, (0, -len(wave) % grid))
        places[utt] = (at // hop, -(-len(wave) // hop))
        parts.append(padded)
        at += len(padded)
    speech = np.concatenate(parts)

    def read(states: np.ndarray) -> float:
        feats = dev.mixed(states)
        return dev.score({utt: feats[begin : begin + size] for utt, (begin, size) in places.items()})

    def at_once() -> np.ndarray:
        return upstream.open_stream(chunks).push(speech, last=True)

    print(f"  begin again after 30 s: CER {read(at_once()):.1f} ({at / SAMPLE_RATE:.0f} s)", flush=True)
    with replaced(fronts.MelFront, "place", going_on):
        print(f"  go on by the formula: CER {read(at_once()):.1f}", flush=True)
    step = period // grid * grid
    cut = [
        upstream.open_stream(chunks).push(speech[begin : begin + step], last=True)
        for begin in range(0, at, step)
    ]
    print(
        f"  begin again, and nothing before is kept: CER {read(np.concatenate(cut, axis=1)):.1f}", flush=True
    )


def level(dev: Dev) -> None:
    mask = Mask(0.64, 5.0, 0.0)
    for loudest in (-10.0, 0.0, 0.5, 1.0, 1.5, 2.0):
        with replaced(levels, "LOUDEST", loudest):
            print(f"  log-mels begin as after {loudest:g}: CER {dev.under(mask):.1f}", flush=True)


PARTS = {"cost": cost, "errors": errors, "positions": positions, "level": level}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    dev = Dev(args.model, args.data)
    for name in args.only:
        print(f"{name}:", flush=True)
        PARTS[name](dev)


if __name__ == "__main__":
    main()
