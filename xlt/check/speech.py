"""Speech that does not say its text: by how long it takes, and with ``check.align`` by what a trained model
hears.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from statistics import median, pvariance
from typing import TYPE_CHECKING, NamedTuple

from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault, Place
from xlt.check.listen import reason
from xlt.check.named import path_of
from xlt.core.config import Config, fold_tag
from xlt.core.context import Context
from xlt.data.drop import left_out_before
from xlt.formats.cells import as_text
from xlt.formats.markdown import table
from xlt.formats.model_folder import Trained

if TYPE_CHECKING:
    from xlt.decode.align import Fit

FEW = 20  # utterances of a language: fewer say nothing of the rest
ODD = 6.0  # deviations: of a normal distribution 1 in 500 million lies further out
LEAST = 0.1  # the least deviation of a log duration: recordings of one machine voice hardly vary
# nats a label: the text is e times less likely, at each of its labels, than what the model would write
MISFIT = 1.0
TOP = 10.0  # nats a label: what is worse is no worse, for a limit
# share of the variance that lies between two groups: of one group it is at most 0.74, be it normal,
# exponential, gamma or log-normal (300 draws of 300 scores each)
TWO_KINDS = 0.75
FOREIGN = 0.1  # share of other texts that fit a clip better than its own: more, where the model may be wrong
LEAST_KIND = 0.05  # share of the scores in the worse group; fewer are seen by their distance from the middle
SHOWN = 20
IDS = 10


class Pace(NamedTuple):
    """An utterance, how long its text takes in this language, and by how many robust deviations it differs; >
    0: too long.
    """

    data: DataDir
    utt: str
    dur_s: float
    expected_s: float
    deviation: float
    chars: int


def line_through(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope by medians: the slope is the median of those between all pairs of points (Theil
    1950, Sen 1968).

    The points are medians of up to twenty groups of equal size, by the first coordinate.
    """
    points = sorted(points)
    count = min(20, len(points) // 5)
    groups = [points[len(points) * i // count : len(points) * (i + 1) // count] for i in range(count)]
    middles = []
    for group in groups:
        xs, ys = zip(*group, strict=True)
        middles.append((median(xs), median(ys)))
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(middles, 2) if x2 > x1]
    slope = max(0.0, median(slopes)) if slopes else 0.0
    return median([y - slope * x for x, y in middles]), slope


def paces(sets: Sets, cfg: Config) -> dict[str, list[Pace]]:
    """By language, where there are enough utterances; the worst first.

    Time is a pause and so much a character, as most utterances of the language have it; what differs is
    measured as a ratio. The deviation is 1.4826 times the median absolute one of utterances of like length:
    short clips vary more.
    """
    return sets.once("paces", lambda: _paces(sets))


def _paces(sets: Sets) -> dict[str, list[Pace]]:
    known: dict[str, list[tuple[DataDir, str, int, float]]] = {}
    for data in sets.values():
        for utt, text in data.table("text").items():
            dur_s = data.seconds(utt)
            if dur_s is not None and text:
                known.setdefault(data.table("utt2lang").get(utt, ""), []).append(
                    (data, utt, len(text), dur_s)
                )
    return {lang: _of_language(rows) for lang, rows in known.items() if len(rows) >= FEW}


def _of_language(rows: list[tuple[DataDir, str, int, float]]) -> list[Pace]:
    rows = sorted(rows, key=lambda row: (row[2], row[1]))
    pause, each = line_through([(chars, dur_s) for _, _, chars, dur_s in rows])
    shortest = min(dur_s for *_, dur_s in rows)
    expected = [max(pause + each * chars, shortest, 0.05) for _, _, chars, _ in rows]
    off = [math.log(dur_s / want) for (*_, dur_s), want in zip(rows, expected, strict=True)]
    around = 1.4826 * median([abs(x) for x in off])
    found, size = [], max(FEW, len(rows) // 10)
    for start in range(0, len(rows), size):
        end = len(rows) if len(rows) - start < 2 * size else start + size
        spread = max(LEAST, around, 1.4826 * median([abs(x) for x in off[start:end]]))
        found += [
            Pace(data, utt, dur_s, want, x / spread, chars)
            for (data, utt, chars, dur_s), want, x in zip(
                rows[start:end], expected[start:end], off[start:end], strict=True
            )
        ]
        if end == len(rows):
            break
    return sorted(found, key=lambda pace: (-abs(pace.deviation), pace.utt))


def odd_pace(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that take much less or more time than others of their length: cut off, of another clip, or with
    long pauses.
    """
    for lang, found in paces(sets, cfg).items():
        for data in sets.values():
            odd = [pace for pace in found if pace.data is data and abs(pace.deviation) > ODD]
            if odd:
                worst = odd[0]
                yield Fault(
                    "warning",
                    data.where("text", data.number("text", worst.utt)),
                    f"{{count}} texts{f' of {lang}' * bool(lang)} take much less or more time than others of"
                    " their length (worst: {worst!r}, {dur_s:.2f} s for {chars} characters,"
                    " {pace:.1f} a second; expected {expected_s:.2f} s)",
                    "listen to them: part of the text may be missing, or the clip may be another's; correct"
                    " them, or list them in the file that data.drop names",
                    tuple(pace.utt for pace in odd[:IDS]),
                    {
                        "count": len(odd),
                        "worst": worst.utt,
                        "dur_s": worst.dur_s,
                        "chars": worst.chars,
                        "pace": worst.chars / worst.dur_s,
                        "expected_s": worst.expected_s,
                    },
                )


def model_folders(cfg: Config, exp: Path) -> list[Path]:
    """The models that ``check.align`` asks; none without it, or while this recipe has none. With
    ``data.split=cross`` those of the folds: each clip is unheard by one of them.
    """
    named = cfg.check.align_model
    if not cfg.check.align:
        return []
    if named is None:
        folds = range(1, cfg.data.folds + 1) if cfg.pooled_sets else ()
        own = [exp.with_name(fold_tag(cfg.tag, fold)) for fold in folds] or [exp]
        return own if all((folder / "xlt.json").exists() for folder in own) else []
    return [Path(name) for name in (named if isinstance(named, list) else [named])]


def fits(sets: Sets, cfg: Config) -> dict[str, list[Fit]]:
    """Of the training set, dev and test, how well each text fits; nothing without a model."""
    ctx = Context(sets.data.parent, cfg)
    models = [Trained.load(folder, "check.align_model") for folder in model_folders(cfg, ctx.exp)]
    names = [name for name in (cfg.train_set, "dev", "test") if name in sets] if models else []

    def fits() -> dict[str, list[Fit]]:
        from xlt.decode.align import fit

        return {name: fit(ctx, models, name) for name in names}

    return sets.once("fits", fits)


def has_a_model(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """``check.align`` without a model to ask."""
    if cfg.check.align and not fits(sets, cfg):
        exp = Context(sets.data.parent, cfg).exp
        yield Fault(
            "note",
            Place(str(exp)),
            "check.align has no model yet",
            "run the recipe to the end once, and then stage 2 "
            "again; or name a trained model: check.align_model=../multi/exp/main",
        )


def gap(scores: list[float]) -> float | None:
    """The score between texts that fit and others, where there are plainly two kinds; None if there are not.

    Two groups with the least variance within them (Otsu 1979, https://doi.org/10.1109/TSMC.1979.4310076). The
    distance from the middle does not tell them: with half of the texts wrong, the middle is no right text.
    """
    ranked = sorted(min(score, TOP) for score in scores)
    total, count, below, best = sum(ranked), len(ranked), 0.0, (0.0, 0)
    for number in range(1, count):
        below += ranked[number - 1]
        apart = (total - below) / (count - number) - below / number
        best = max(best, (number * (count - number) / count**2 * apart**2, number))
    between, number = best
    if count < FEW or count - number < LEAST_KIND * count or between < TWO_KINDS * pvariance(ranked):
        return None
    return (ranked[number - 1] + ranked[number]) / 2


def _limit(found: list[Fit]) -> float:
    """The score above which an utterance is odd: between two kinds of scores, or else ODD deviations over the
    middle; at least MISFIT, where all is known by heart.
    """
    cut = gap([one.score for one in found])
    if cut is not None:
        return max(MISFIT, cut)
    scores = [one.score for one in found if one.score < math.inf] or [0.0]
    middle = median(scores)
    return max(MISFIT, middle + ODD * 1.4826 * median([abs(score - middle) for score in scores]))


def misfits(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Utterances in which a trained model hears something quite different from their text."""
    for name, found in fits(sets, cfg).items():
        limit = _limit(found)
        odd = sorted((one for one in found if one.score > limit), key=lambda one: (-one.score, one.utt))
        if odd:
            data, worst = sets[name], odd[0]
            yield Fault(
                "warning",
                data.where("text", data.number("text", worst.utt)),
                "in {count} of {total} utterances the model {model} recognises something else than the text"
                " (worst: {worst!r}, {score:.1f} nats per label: it recognises {hypothesis!r})",
                "listen to them in data/check/listen.html; alignment.tsv there has all",
                tuple(one.utt for one in odd[:IDS]),
                {
                    "count": len(odd),
                    "total": len(found),
                    "model": worst.model,
                    "worst": worst.utt,
                    "score": worst.score,
                    "hypothesis": worst.hypothesis[:60],
                },
            )


def droppable(sets: Sets, cfg: Config) -> dict[str, str]:
    """The worst ``check.drop`` of the training utterances, as far as they are off by MISFIT at all.

    Those that the model has heard and the others give their shares apart, since it knows the first by heart.
    What ``data.drop`` has left out already counts, so that nothing more goes when the check is made again.
    """
    found = fits(sets, cfg).get(cfg.train_set, [])
    before = len(left_out_before(sets[cfg.train_set].folder)) if found else 0
    wanted = max(0, round(cfg.check.drop * (len(found) + before)) - before)
    worst: list[Fit] = []
    for heard in (False, True):
        part = [one for one in found if one.in_training is heard]
        if part:
            share = round(wanted * len(part) / len(found))
            worst += [one for one in _suspects(part) if one.score > MISFIT][:share]
    return {one.utt: reason(one) for one in worst}


def _suspects(part: list[Fit]) -> list[Fit]:
    """The worst first: those of the worse kind where there are two; else those far from the middle, then
    those whose clip other texts fit better, by their share. A model that learned many wrong texts finds all
    of them possible, but the right one still more than most others.
    """
    limit, cut = _limit(part), gap([one.score for one in part])
    chosen = [one for one in part if one.score > limit or (cut is None and one.others > FOREIGN)]
    chosen.sort(key=lambda one: (-one.score, one.utt))
    return sorted(chosen, key=lambda one: 0.0 if one.score > limit else 1 / one.others)


def section(sets: Sets, cfg: Config, out: Path) -> str:
    """The paces of each language with the worst utterances; what the model hears, in full in
    alignment.tsv.
    """
    parts = []
    for lang, found in paces(sets, cfg).items():
        rates = [pace.chars / pace.dur_s for pace in found]
        parts += [
            (
                f"{lang or 'All'}: median {median(rates):.1f} characters a second. Furthest from what is"
                f" usual for their length (a warning from {ODD:g} deviations on):"
            ),
            "",
            table(_PACE, map(_pace_row, found[:SHOWN])),
            "",
        ]
    heard = fits(sets, cfg)
    if heard:
        parts += _alignment(sets, heard, out)
    return "\n".join(parts)


_PACE = ["utterance", "set", "seconds", "expected", "characters a second", "deviations", "text"]


def _pace_row(p: Pace) -> list[str]:
    times = [f"{p.dur_s:.2f}", f"{p.expected_s:.2f}", f"{p.chars / p.dur_s:.1f}", f"{p.deviation:+.1f}"]
    return [p.utt, p.data.name, *times, p.data.table("text")[p.utt][:80]]


def _alignment(sets: Sets, heard: dict[str, list[Fit]], out: Path) -> list[str]:
    """Write alignment.tsv, the worst first; returns lines about the worst."""
    rows = sorted(
        ((name, one) for name, found in heard.items() for one in found),
        key=lambda row: (-row[1].score, row[1].utt),
    )
    head = ["set", "utterance", "score", "loss", "others", "heard", "unwritable", "model"]
    head += ["text", "hypothesis", "path", "row"]
    cells = [
        [
            name,
            one.utt,
            f"{one.score:.4f}",
            f"{one.loss:.4f}",
            f"{one.others:.2f}",
            "yes" if one.in_training else "no",
            f"{one.strange}",
            one.model,
            as_text(one.text),
            as_text(one.hypothesis),
            as_text(path_of(sets[name], one.utt).replace("\t", " ")),
            as_text(sets[name].table("utt2row").get(one.utt, "")),
        ]
        for name, one in rows
    ]
    table_lines = ["\t".join(row) + "\n" for row in [head, *cells]]
    (out / "alignment.tsv").write_text("".join(table_lines), encoding="utf-8", newline="\n")
    lines = [
        (
            "What a trained model recognises: CTC loss of the text minus that of what the model would write,"
            " in nats per label; 0 is a perfect fit. alignment.tsv has all utterances; its column others is"
            " the share of other texts of like length that fit the clip better."
        ),
        "",
    ]
    for name, found in heard.items():
        known = sum(one.in_training for one in found)
        lines.append(
            f"- {name}: median {median([one.score for one in found]):.2f}; odd from {_limit(found):.2f} on;"
            f" {known} of {len(found)} utterances were in the model's training data"
            + (
                ", where it may have learned a wrong text by heart: two models, each of one half (data.drop),"
                " tell more"
                if known
                else ""
            )
        )
    shown = [
        [one.utt, name, f"{one.score:.2f}", one.text[:80], one.hypothesis[:80]] for name, one in rows[:SHOWN]
    ]
    return [*lines, "", table(["utterance", "set", "score", "text", "the model hears"], shown)]


CHECKS = (odd_pace, has_a_model, misfits)
