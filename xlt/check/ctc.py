"""Whether CTC can learn an utterance at all: a frame a label is needed, and one more between two equal
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median_high
from typing import NamedTuple

from xlt.audio.files import SAMPLE_RATE
from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault
from xlt.core.config import Config
from xlt.core.context import Context
from xlt.core.registry import SHORTENING
from xlt.features.copies import copies_of
from xlt.formats.features import NAME, read_features
from xlt.formats.markdown import table
from xlt.nets.lengths import (
    ctc_frames,
    ctc_steps,
    input_layer,
    shortening,
    stacked,
    upstream_frames,
)
from xlt.upstreams import upstream_class

LISTED = 200  # rows on the page
IDS = 10


class Tight(NamedTuple):
    """An utterance with the frames that reach CTC, those that its labels need, and its length."""

    utt: str
    frames: int
    steps: int
    dur_s: float


def _context(sets: Sets, cfg: Config) -> Context:
    return Context(sets.data.parent, cfg)


def _rate(sets: Sets, data: DataDir, cfg: Config) -> float:
    """Frames a second of the upstream: as stage 3 found, else as its kind has."""
    folder = _context(sets, cfg).dump / data.name
    return (
        float(read_features(folder)["frame_rate"])
        if (folder / NAME).exists()
        else upstream_class(cfg.features.upstream).expected_rate(cfg.features.upstream)
    )


def _labels(sets: Sets, data: DataDir, cfg: Config) -> tuple[dict[str, str], Callable[[str], list[str]], str]:
    """Texts by utterance, what makes labels of one, and their name; no texts where the labels are not known
    yet.

    Characters are counted for pieces that are not learned yet: there are never more pieces, but for one at
    the start.
    """
    ctx = _context(sets, cfg)
    if cfg.tokens.type == "phone":
        path = ctx.text(data.name)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {utt: text for utt, _, text in (line.partition(" ") for line in lines)}, str.split, "phones"
    texts = data.table("text")
    model = ctx.tokens / "bpe.model"
    if cfg.tokens.type == "bpe" and model.exists():
        import sentencepiece

        pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
        return texts, lambda text: pieces.encode(text, out_type=str), "bpe pieces"
    return (
        texts,
        list,
        "characters"
        + (
            ", of which pieces will be fewer: stage 4 has not learned them yet,"
            if cfg.tokens.type == "bpe"
            else ""
        ),
    )


def measured(sets: Sets, data: DataDir, cfg: Config) -> list[Tight]:
    """Frames and steps of each utterance whose length is known; of training speech in its shortest copy."""
    return sets.once(f"ctc {data.name}", lambda: list(_measure(sets, data, cfg)))


def _measure(sets: Sets, data: DataDir, cfg: Config) -> Iterator[Tight]:
    texts, labels, _ = _labels(sets, data, cfg)
    rate = _rate(sets, data, cfg)
    copies = copies_of(cfg, data.name)
    for utt, text in texts.items():
        dur_s = data.seconds(utt)
        if dur_s is not None:
            steps = ctc_steps(labels(text)) + cfg.tokens.language_tag
            shortest_s = min(copy.length(round(dur_s * SAMPLE_RATE)) for copy in copies) / SAMPLE_RATE
            frames = ctc_frames(cfg.train, upstream_frames(shortest_s, rate), rate)
            yield Tight(utt, frames, steps, dur_s)


def _infeasible(sets: Sets, data: DataDir, cfg: Config) -> tuple[list[Tight], int]:
    """Those with fewer frames than steps, the worst first, and how many were counted."""
    found = measured(sets, data, cfg)
    return sorted((t for t in found if t.frames < t.steps), key=lambda t: (t.frames - t.steps, t.utt)), len(
        found
    )


def _choices(sets: Sets, data: DataDir, cfg: Config, bad: list[Tight]) -> str:
    """What can be done, with how many utterances each of the settings would save."""
    rate, found = _rate(sets, data, cfg), []
    if stacked(cfg.train, rate) > 1:
        saved = (
            sum(upstream_frames(t.dur_s, rate) >= t.steps for t in bad)
            if shortening(cfg.train) == 1 and input_layer(cfg.train) is None
            else None
        )
        found.append(f"set train.frame_rate={rate:g}" + (f" (saves {saved})" if saved is not None else ""))
    if layer := input_layer(cfg.train):
        found.append(
            f"let the encoder shorten less than {layer}, e.g. train.encoder_conf={{input_layer: linear}}"
        )
    elif cfg.train.encoder in SHORTENING:
        found.append("let the encoder shorten less, e.g. stride: 1 in train.encoder_conf")
    if cfg.tokens.type == "char":
        found.append("set tokens.type=bpe (fewer labels)")
    if data.name == cfg.train_set:
        found.append("leave them out (data.drop; lower data.max_chars_per_s)")
    found.append("stage 6 leaves them out of training and of the dev loss")
    return "; or ".join(found)


def too_long_for_ctc(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Utterances of the training set and of dev with fewer frames than CTC needs: they would teach nothing,
    silently.
    """
    for data in sets.values():
        bad, count = _infeasible(sets, data, cfg) if data.name in (cfg.train_set, "dev") else ([], 0)
        if bad:
            kind = _labels(sets, data, cfg)[2]
            number = data.number("text", bad[0].utt) if bad[0].utt in data.table("text") else None
            yield Fault(
                "error" if len(bad) == count else "warning",
                data.where("text", number),
                "{count} of {total} utterances have fewer frames than CTC needs for their {labels} (worst:"
                " {worst!r}, {frames} frames for {steps} steps)",
                _choices(sets, data, cfg, bad),
                tuple(t.utt for t in bad[:IDS]),
                {
                    "count": len(bad),
                    "total": count,
                    "labels": kind,
                    "worst": bad[0].utt,
                    "frames": bad[0].frames,
                    "steps": bad[0].steps,
                },
            )


def droppable(sets: Sets, cfg: Config) -> dict[str, str]:
    """Training utterances that data/check/drop.txt proposes for data.drop, with the reason."""
    train = sets.get(cfg.train_set)
    bad = _infeasible(sets, train, cfg)[0] if train else []
    return {t.utt: f"CTC needs {t.steps} frames and has {t.frames}" for t in bad}


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """Frames a label in each set, and every utterance that CTC cannot learn."""
    lines, rows = [], []
    for data in sets.values():
        found = measured(sets, data, cfg)
        if not found:
            continue
        shares = sorted(t.frames / t.steps for t in found)
        middle, few = median_high(shares), shares[len(shares) // 20]
        label = _labels(sets, data, cfg)[2].partition(",")[0].removesuffix("s")
        lines.append(
            f"- {data.name}: median {middle:.1f} frames per {label}; the tightest 5% have {few:.1f} (below 1"
            " the text cannot be learned)"
        )
        rows += [
            [data.name, t.utt, f"{t.dur_s:.2f}", t.frames, t.steps] for t in _infeasible(sets, data, cfg)[0]
        ]
    if rows:
        lines += [
            "",
            "Cannot be learned:",
            "",
            table(["set", "utterance", "seconds", "frames", "steps that CTC needs"], rows[:LISTED]),
        ]
    if len(rows) > LISTED:
        lines.append(f"\nand {len(rows) - LISTED} more.")
    return "\n".join(lines)


CHECKS = (too_long_for_ctc,)
