"""Stage 8: CER, WER, SER and chrF, or PER and SER, of each decoded set, with 95% intervals →
exp/<tag>/score.json.

``exp/<tag>/score/`` holds the same file with what it rests on: a table of utterances and sclite's trn files a
set.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlt.core.context import Context


def run(ctx: Context) -> None:
    """Score ``cfg.scored_sets``; DataError if hypotheses and references do not match, StageError without
    either.
    """
    from xlt import lm
    from xlt.core.context import need
    from xlt.core.stage import Unit, atomic_text, run_unit
    from xlt.data.normalisers import normaliser_of
    from xlt.decode import GREEDY, fusion
    from xlt.score.facts import settings
    from xlt.score.rungs import PARTS
    from xlt.score.slices import tag_files
    from xlt.tokens import check_kind
    from xlt.upstreams.freeze import resolved

    cfg = ctx.cfg
    found = settings(ctx)
    check_kind(ctx, found["tokens.type"])
    sets = cfg.scored_sets
    ctx.need_texts(*sets)
    need(ctx, *(ctx.exp / f"decode_{name}" / "text" for name in sets), stage="decode")
    ctx = resolved(ctx)
    normaliser = normaliser_of(cfg)
    texts = [
        path
        for name in sets
        for path in (
            ctx.reference(name),
            *tag_files(ctx.data / name),
            ctx.data / name / "text_raw",
            ctx.exp / f"decode_{name}" / "text",
            ctx.exp / f"decode_{name}" / "lang",
            *(ctx.exp / f"decode_{name}" / table for table in (GREEDY, *PARTS, "decode.json")),
            ctx.exp / f"before_{name}" / "text",
        )
    ]
    train = ctx.data / cfg.train_set
    texts += [lm.folder(ctx), fusion.folder(ctx)]
    own = [Path(path) for path in (*cfg.score.words.values(), cfg.score.word_tags) if isinstance(path, str)]
    texts += [train / "text", train / "utt2lang", *own, ctx.everything / "report.json"]
    texts += [ctx.data / name / "utt2spk" for name in cfg.learned_sets]

    def make(out: Path) -> dict:
        from xlt.score.document import write

        return write(ctx, normaliser, sets, out)

    settings_of_score = cfg.section("score.words", "score.word_tags", "score.long_chars")
    run_unit(
        ctx,
        Unit(
            "score", ctx.exp / "score", {**found, **settings_of_score, "normaliser": normaliser}, texts, make
        ),
    )
    made, shown = ctx.exp / "score" / "score.json", ctx.exp / "score.json"
    if not ctx.dry_run and (not shown.exists() or shown.read_bytes() != made.read_bytes()):
        atomic_text(shown, made.read_text(encoding="utf-8"))
    if cfg.mixed and not ctx.dry_run:
        from xlt.formats.results import of_stage_8
        from xlt.score.change import gate

        gate(cfg, of_stage_8(shown).get("forgetting", {}))
