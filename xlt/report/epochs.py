"""The course of trainings that took place on this machine: loss and error rates by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from xlt.formats import svg as figure
from xlt.report.colours import kind
from xlt.report.here import Here
from xlt.report.results import ESPNET, Result

MOST = 8  # trainings that a page draws of a recipe
# key of history.json → what it is; losses of a family are of its own scale
_LOSSES = {
    "train_loss": "loss in training",
    "loss": "loss on dev",
    "loss_attention": "loss of the attention decoder in training",
    "loss_ctc": "loss of CTC in training",
}
_RATES = {
    "cer": "CER on dev",
    "wer": "WER on dev",
    "cer_ctc": "CER of CTC on dev",
    "wer_ctc": "WER of CTC on dev",
}


@dataclass(frozen=True)
class Course:
    """Of one training: a chart of losses and one of error rates, each with its legend."""

    tag: str
    charts: list[tuple[Markup, list[tuple[Markup, str]]]]


def courses(runs: Iterable[Result], here: Here, known: dict[str | None, str]) -> tuple[list[Course], int]:
    """Those of ``runs`` that left a history of two epochs or more, the first MOST, and how many more did."""
    made: list[Course] = []
    more = 0
    for run in runs:
        rows = here.history(run)
        if len(rows) < 2:
            continue
        if len(made) == MOST:
            more += 1
            continue
        percent = 100.0 if run.family == ESPNET else 1.0  # ESPnet's rates are shares
        charts = [
            _chart(run.tag, rows, names, scale, known[kind(run)])
            for names, scale in ((_LOSSES, 1.0), (_RATES, percent))
            if any(_number(row.get(key)) for row in rows for key in names)
        ]
        made.append(Course(run.tag, charts))
    return made, more


def _chart(
    tag: str, rows: list[dict[str, Any]], names: dict[str, str], scale: float, colour: str
) -> tuple[Markup, list[tuple[Markup, str]]]:
    series: dict[int, list[figure.Point]] = {}
    found = [key for key in names if any(_number(row.get(key)) for row in rows)]
    for k, key in enumerate(found):
        values = [(row["epoch"], scale * row[key]) for row in rows if _number(row.get(key))]
        series[k] = [figure.Point(x, v, v, v, f"epoch {x}: {names[key]} {v:.3g}") for x, v in values]
    looks = [figure.Look(colour, k % 4, k % 2 == 1) for k in range(len(found))]
    points = [point for line in series.values() for point in line]
    reach = (
        min(p.x for p in points),
        max(p.x for p in points),
        max(p.value for p in points) or 1.0,
    )
    title = f"{tag}: {'loss' if names is _LOSSES else 'errors on dev, %'}"
    drawn = figure.curves(title, series, {}, reach, looks, figure.Axis("epoch"))
    return Markup(drawn), [(Markup(figure.sign(looks[k])), names[key]) for k, key in enumerate(found)]


def _number(value: object) -> bool:
    return isinstance(value, int | float)
