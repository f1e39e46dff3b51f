"""Which question the score of a set answers: how well new voices are recognised, or those of the training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xlt.formats.results import SetFacts
from xlt.formats.tables import read_table

if TYPE_CHECKING:
    from xlt.core.context import Context

NEW, KNOWN, BOTH, UNNAMED = "new voices", "known voices", "known and new voices", "unnamed voices"
_IN_WORDS = {
    NEW: "This set has new voices: none of its speakers is in the training speech.",
    KNOWN: "This set has known voices: all of its speakers are in the training speech. Expect more errors"
    " with new ones.",
    BOTH: "This set has known and new voices: some of its speakers are in the training speech.",
    UNNAMED: "The corpus does not name all of its speakers: this set may have voices of the training speech.",
}


def voices(ctx: Context, name: str) -> str | None:
    """Whose voices set ``name`` has, by the speakers of the training; None where that is not known: of models
    that were not trained here, and where recordings without names were learned from.
    """
    split = _split(ctx)
    if ctx.cfg.train.zero_shot:
        return None
    if split.get("named") is False:
        return UNNAMED
    if name in ctx.cfg.pooled_sets:
        return split.get("question")
    tables = [ctx.data / part / "utt2spk" for part in (name, *ctx.cfg.learned_sets)]
    if not all(table.exists() for table in tables):
        return None
    own, *learned = (set(read_table(table).values()) for table in tables)
    heard = set().union(*learned)
    if ctx.cfg.unlabelled_sets and not own <= heard:
        return None
    return NEW if not own & heard else KNOWN if own <= heard else BOTH


def facts(ctx: Context, name: str) -> SetFacts:
    """What score.json says of it: ``voices``, and ``folds`` of cross-validation."""
    found: SetFacts = {}  # type: ignore[typeddict-item]
    if question := voices(ctx, name):
        found["voices"] = question
    if name in ctx.cfg.pooled_sets:
        found["folds"] = ctx.cfg.data.folds
    return found


def _split(ctx: Context) -> dict:
    """How stage 1 has split the corpus; {} where it has left no report of that."""
    try:
        report = json.loads((ctx.everything / "report.json").read_text(encoding="utf-8"))
        facts_of = report.get("facts", {})
        corpora = [
            facts_of,
            *(one for one in facts_of.values() if isinstance(one, dict)),
        ]  # several are joined
        return {**report["split"], "named": not any("speakers" in one for one in corpora)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def label(found: SetFacts) -> str:
    """`` (5-fold cross-validation, known voices)`` behind the name of a set, "" where neither is known."""
    folds = [f"{found['folds']}-fold cross-validation"] if "folds" in found else []
    words = [*folds, *([found["voices"]] if "voices" in found else [])]
    return f" ({', '.join(words)})" if words else ""


def in_words(found: SetFacts) -> str:
    """A sentence or two of it, "" where nothing is known."""
    words = []
    if "folds" in found:
        words.append(
            f"{found['folds']}-fold cross-validation: each clip was transcribed by the one of"
            f" {found['folds']} models that was trained without it and its sentence. The final model was"
            " trained on all clips but those of dev."
        )
    if "voices" in found:
        words.append(_IN_WORDS.get(found["voices"], f"This set has {found['voices']}."))
    return " ".join(words)
