"""Stage 8: CER, WER, SER and chrF of each decoded set, with 95% intervals → exp/<tag>/score.json.

``exp/<tag>/score/`` holds the same file with what it rests on: a table of utterances and sclite's trn files a set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.stage import Context

# keys of score.json beside the sets
RESERVED = {"signature", "config", "versions", "experiment", "data", "training", "stages", "environment", "command",
            "commit", "examples"}


def run(ctx: Context) -> None:
    """Score ``cfg.decode.sets``; DataError if hypotheses and references do not match, StageError without either."""
    from xlt.data import normaliser_of
    from xlt.freeze import resolved
    from xlt.score.facts import settings
    from xlt.stage import Unit, atomic_text, need, run_unit

    cfg = ctx.cfg
    sets = _sets(cfg.decode.sets)
    need(ctx, *(ctx.data / name / "text" for name in sets), stage="data")
    need(ctx, *(ctx.exp / f"decode_{name}" / "text" for name in sets), stage="decode")
    ctx = resolved(ctx)
    normaliser = normaliser_of(cfg)
    texts = [path for name in sets
             for path in (ctx.data / name / "text", ctx.data / name / "utt2dur", ctx.exp / f"decode_{name}" / "text")]

    def make(out: Path) -> dict:
        from xlt.score.document import write

        return write(ctx, normaliser, sets, out)

    run_unit(ctx, Unit("score", ctx.exp / "score", {**settings(ctx), "normaliser": normaliser}, texts, make))
    made, shown = ctx.exp / "score" / "score.json", ctx.exp / "score.json"
    if not ctx.dry_run and (not shown.exists() or shown.read_bytes() != made.read_bytes()):
        atomic_text(shown, made.read_text(encoding="utf-8"))


def _sets(names: list) -> list[str]:
    from xlt.errors import ConfigError

    bad = [n for n in names if not isinstance(n, str) or n in RESERVED or names.count(n) > 1]
    if bad or not names:
        raise ConfigError(f"decode.sets: found {names!r}, expected different names of sets in data/, such as "
                          f"[dev, test]; not {', '.join(sorted(RESERVED))}")
    return names
