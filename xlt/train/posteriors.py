"""The CTC outputs of ``train.teacher`` for what is learned, frame by frame (``train.posterior_weight``):
``data/labels/<tag of the teacher>_posteriors/feats.scp``, log probabilities (T, V).
"""

from __future__ import annotations

from pathlib import Path

from xlt.audio.augment import Copy
from xlt.audio.augment.sounds import Sounds
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.executor import open_executor, workers_of
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, run_unit
from xlt.features.copies import copies_of, sounds_of
from xlt.formats.archives import ArkWriter
from xlt.formats.model_folder import BUNDLE_MANIFEST, CTC, Trained
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.models.labels import Clip
from xlt.models.resolved import origin_facts

ARK, SCP = "feats.ark", "feats.scp"
_PARTNER = "partner"  # of a bundle with two models


def posteriors(ctx: Context, model: Trained) -> Path:
    """The teacher's outputs for the training set, its copies, and the speech without texts; makes them if
    they are missing.

    ConfigError for a teacher whose outputs cannot be compared with this recipe's.
    """
    _check(ctx, model)
    sets = [ctx.cfg.train_set, *ctx.cfg.unlabelled_sets]
    need(ctx, *(ctx.data / name / table for name in sets for table in ("wav.scp", "utt2audio")), stage="data")
    out = ctx.data / "labels" / f"{model.experiment.name}_posteriors"
    run_unit(
        ctx,
        Unit(
            "train",
            out,
            {
                "teacher": origin_facts(model),
                "sets": {name: [copy.recipe for copy in _copies(ctx, name)[0]] for name in sets},
            },
            [model.folder / BUNDLE_MANIFEST, *(ctx.data / name / "utt2audio" for name in sets)],
            lambda partial: _make(ctx, model, sets, partial, out),
        ),
    )
    return out / SCP


def _check(ctx: Context, model: Trained) -> None:
    cfg = ctx.cfg
    setting = f"train.posterior_weight={cfg.train.posterior_weight:g}"
    given = cfg.as_given("train.teacher")
    if cfg.train.family != "espnet":
        raise ConfigError(f"{setting}: train.family={cfg.train.family} does not have it; use preset=fast")
    if cfg.mixed:
        raise ConfigError(f"{setting}: the teacher does not know the recipes of train.mix; leave it out")
    if CTC not in model.parts or (model.folder / _PARTNER).is_dir():
        raise ConfigError(f"{setting}: {given} has no CTC outputs of its own; name one model with a CTC head")
    own = (ctx.tokens / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]
    if own != model.tokens:
        other = sorted(set(own) ^ set(model.tokens))
        raise ConfigError(
            f"{setting}: {given} has other tokens than this recipe ({len(model.tokens)} and {len(own)}; only"
            f" one of them has {' '.join(other[:8])}); name a teacher that was trained on the same texts, or"
            " leave train.posterior_weight out: its texts can be learned in any case"
        )


def _copies(ctx: Context, name: str) -> tuple[list[Copy], Sounds | None]:
    """The copies of a set, and what their noise is drawn from."""
    sounds = sounds_of(ctx, name)
    return copies_of(ctx.cfg, name, sounds), sounds


def _make(ctx: Context, model: Trained, sets: list[str], partial: Path, out: Path) -> dict:
    clips: dict[str, Clip] = {}
    for name in sets:
        copies, sounds = _copies(ctx, name)
        hashes = read_table(ctx.data / name / "utt2audio")
        for utt, path in read_scp(ctx.data / name / "wav.scp", ctx.recipe).items():
            for copy in copies:
                clips[copy.name(utt)] = Clip(path, copy.recipe, copy.content_key(hashes[utt]), sounds)
    executor = open_executor("posteriors", model.folder, workers_of(ctx.cfg))
    say(f"  {ctx.cfg.as_given('train.teacher')} listens to {len(clips)} utterances")
    try:
        with (
            ArkWriter(partial / ARK) as writer,
            Progress("posteriors", len(clips), "utterances") as bar,
        ):
            answers = executor.run([[clip] for clip in clips.values()], keep=partial)
            for utt, answer in zip(clips, answers, strict=True):
                for matrix in answer:
                    writer.write(utt, matrix)
                bar.add()
            place = ctx.display_path(out / ARK)
            rows = {utt: f"{place}:{entry.offset}" for utt, entry in writer.entries.items()}
    finally:
        executor.close()
    write_table(partial / SCP, rows)
    return {"utterances": len(rows)}
