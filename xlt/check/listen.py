"""listen.html, after ``check.align``: texts beside what a model hears, to listen to, and a list of what to
leave out.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xlt.audio.players import Sounds
from xlt.check.datadir import Sets
from xlt.check.html import PAGES, language_of
from xlt.check.named import named
from xlt.core.context import Context
from xlt.data.drop import left_out_before
from xlt.formats import html
from xlt.metrics.marked import marked

if TYPE_CHECKING:
    from xlt.decode.align import Fit

MOST = 1000  # utterances on the page; alignment.tsv has all
_LAST = 1e9  # what an infinite score is sorted by


def page(
    ctx: Context, sets: Sets, fits: Mapping[str, list[Fit]], proposed: Mapping[str, str], sounds: Sounds
) -> str:
    """``fits``: of each set; ``proposed``: training utterances that drop.txt has, with the reason."""
    train = ctx.cfg.train_set
    ranked = sorted(
        ((name, one) for name, found in fits.items() for one in found),
        key=lambda row: (-row[1].score, row[1].utt),
    )
    here = [row for k, row in enumerate(ranked) if k < MOST or (row[0] == train and row[1].utt in proposed)]
    unit = "phone" if ctx.cfg.tokens.type == "phone" else "char"
    rows = [_row(sets, name, one, unit, name == train, proposed, sounds) for name, one in here]
    place = ctx.typed(ctx.recipe / "drop.txt")
    run = ctx.typed(ctx.recipe / "run.sh")
    return html.render(
        PAGES,
        "listen.html",
        ("base.css", "check.css", "player.css", "table.js", "copy.js", "player.js", "listen.js"),
        sound=True,
        language=language_of(ctx.cfg),
        models=sorted({one.model for _, one in ranked}),
        known=sum(one.in_training for _, one in ranked),
        shown=len(rows),
        total=len(ranked),
        rows=rows,
        lines=_lines(sets, train, proposed),
        place=place,
        command=" ".join(
            [run if "/" in run else f"./{run}", shlex.quote(f"data.drop={place}"), "tag=dropped"]
        ),
        told=sounds.told,
    )


def _row(
    sets: Sets, name: str, one: Fit, unit: str, mine: bool, proposed: Mapping[str, str], sounds: Sounds
) -> dict[str, Any]:
    return {
        "u": named(sets[name], one.utt, sounds),
        "texts": marked(one.text, one.hypothesis, unit),
        "score": f"{one.score:.2f}" if one.score < math.inf else "∞",
        "sort": min(one.score, _LAST),
        "known": one.in_training,
        "mine": mine,
        "ticked": mine and one.utt in proposed,
        "reason": reason(one),
    }


def reason(one: Fit) -> str:
    """What drop.txt says of an utterance."""
    return f"{one.model} is off by {one.score:.2f} nats a label and hears: {one.hypothesis}"


def _lines(sets: Sets, train: str, proposed: Mapping[str, str]) -> str:
    """drop.txt, with what data.drop has left out already: it would come back with a list that lacks it."""
    known = left_out_before(sets[train].folder) if train in sets else {}
    every = {**known, **proposed}
    return "".join(f"{utt} {every[utt]}".rstrip() + "\n" for utt in sorted(every, key=str.encode))
