"""What a training must know of settings, source model, freezing and features, found out once at its start."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.core.config import UNLABELLED, Config
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError
from xlt.core.registry import FAMILIES
from xlt.data.normalisers import normaliser_of
from xlt.data.subsets import tag_tables
from xlt.features import pace
from xlt.features.speech import Speech, joined
from xlt.formats.features import read_features
from xlt.formats.model_folder import (
    MANIFEST,
    Trained,
    initial_model,
    recipe_of,
    training_manifest,
    write_info,
)
from xlt.formats.tables import read_table, write_table
from xlt.formats.weights import stored
from xlt.models.family import Family
from xlt.models.labels import Labels
from xlt.tokens.tokenizer import Tokenizer
from xlt.upstreams.freeze import Freezing, decide


@dataclass(frozen=True)
class Resolved:
    """Handed to all that a training does; nothing further down reads settings, recipe.yaml or feats.json
    again.

    ``ctx``: with ``train.freeze`` and ``features.on_the_fly`` decided as ``freezing`` says; ``source``: the
    model of ``train.init``; ``sets``: what is read of each set that is learned, and of dev; ``info``:
    feats.json of the training set; ``normaliser``: which the model is stored with; ``labels``: what is
    learned of a teacher's texts.
    """

    ctx: Context
    family: Family
    freezing: Freezing
    source: Trained | None
    sets: dict[str, Speech]
    info: dict[str, Any]
    tokenizer: Tokenizer
    normaliser: str
    labels: Labels | None = None

    @property
    def cfg(self) -> Config:
        return self.ctx.cfg

    @property
    def inputs(self) -> list[Path]:
        """The files that the trained model depends on."""
        ctx, cfg = self.ctx, self.cfg
        found = [ctx.tokens / "tokens.txt"]
        if self.source:
            found += [stored(self.source.folder / name) for name in self.family.starts_from]
        for name, files in self.sets.items():
            found += [files.content, files.lengths, files.info, files.text, ctx.data / name / "utt2audio"]
        if self.labels:
            found += self.labels.inputs
        if self.labels and (more := self.labels.speech):
            found += [more.content, more.lengths, more.info]
        if cfg.balanced is not None:
            found.append(ctx.data / cfg.train_set / f"utt2{cfg.balanced[0]}")
        if cfg.tokens.language_tag:
            found += [ctx.data / name / "utt2lang" for name in self.sets]
        return found

    def training_speech(self, folder: Path) -> Speech:
        """The training set, with a teacher what it labelled, and what is learned with empty texts
        (``data.empty``), as tables in ``folder``."""
        own = self.sets[self.cfg.train_set]
        own = self.labels.joined(own, folder) if self.labels else own
        for name in self.cfg.empty_sets:
            own = joined(own, self.sets[name], read_table(self.sets[name].text), folder / name)
        return own

    def write_info(self, out: Path, features: dict, frame_rate: float, **more: Any) -> None:
        """Write ``out/xlt.json``: ``features``, as feats.json has them or the training left them, and
        ``frame_rate`` of the model's output a second.
        """
        write_info(
            out,
            {
                "family": self.cfg.train.family,
                "lang": self.cfg.lang,
                "normaliser": self.normaliser,
                "features": {**features, "settings": self.cfg.section("features")},
                "tokens": {"type": self.tokenizer.type, "count": len(self.tokenizer.tokens)},
                "frame_rate": frame_rate,
                "decode": self.cfg.section("decode"),
                **({"init": origin_facts(self.source)} if self.source else {}),
                **({"teacher": taught_facts(self.labels)} if self.labels else {}),
                **more,
            },
        )

    def write_heard(self, out: Path) -> None:
        """Write ``out/heard``: utterance → audio hash and content, of all that this model, those before it
        and its teacher were trained on.

        An id that stands for two utterances, of two corpora, gets the second one's audio hash behind it.
        """
        models = [*([self.source] if self.source else []), *([self.labels.teacher] if self.labels else [])]
        rows: dict[str, str] = {}
        own = [training_manifest(self.ctx.data / name) for name in self.cfg.learned_sets]
        if self.labels and self.labels.texts:
            heard = training_manifest(self.ctx.data / UNLABELLED)
            own.append({utt: heard[utt] for utt in self.labels.texts})
        for model in models:
            if model.manifest is None:
                return  # a list that is not whole would pass for one
            own.insert(0, {utt: " ".join(values) for utt, values in model.manifest.items()})
        for part in own:
            for utt, values in part.items():
                rows[utt if rows.get(utt, values) == values else f"{utt}-{values[:8]}"] = values
        write_table(out / MANIFEST, rows)


def origin_facts(source: Trained) -> dict[str, str]:
    """What ``xlt.json`` says of the model that training started from."""
    return {
        "lang": source.info["lang"],
        "tag": source.experiment.name,
        "recipe": recipe_of(source.folder).absolute().name,
    }


def taught_facts(labels: Labels) -> dict[str, Any]:
    """What ``xlt.json`` says of the teacher, and of its texts, if some were learned."""
    facts: dict[str, Any] = origin_facts(labels.teacher)
    return facts | ({"labels": dict(labels.facts)} if labels.facts else {})


def resolve(ctx: Context, labels: Labels | None = None) -> Resolved:
    """Everything that stage 6 must know, ``labels`` of a teacher among it; ConfigError for settings that do
    not fit, MissingInput without features or tokens.
    """
    family: Family = FAMILIES.get(ctx.cfg.train.family)
    family.check(ctx)
    freezing = decide(ctx, None if ctx.dry_run else pace.seconds)
    ctx = dataclasses.replace(ctx, cfg=freezing.cfg)
    cfg = ctx.cfg
    normaliser = normaliser_of(cfg)  # what it refuses is refused before hours of training
    source = initial_model(cfg)
    if cfg.train.forget_limit is not None and not (source and cfg.mixed):
        raise ConfigError(
            f"train.forget_limit={cfg.train.forget_limit}: needs a model that could forget, train.init, and a"
            " language to watch, train.mix={spa: 0.1} (a share of 0 only watches)"
        )
    sets = {name: family.needs(ctx, name) for name in (*cfg.learned_sets, "dev")}
    for name in cfg.empty_sets:
        from xlt.data.empty import check  # loads numpy

        check(cfg)
        need(ctx, ctx.data / name / "text", stage="data")
        sets[name] = dataclasses.replace(family.needs(ctx, name), text=ctx.data / name / "text")
    for files in sets.values():
        files.need(ctx)
    if labels and labels.speech:
        labels.speech.need(ctx)
    need(ctx, ctx.tokens / "tokens.txt", stage="tokens")
    if cfg.balanced is not None:
        _need_tag(ctx, cfg.balanced[0])
    info = read_features(sets[cfg.train_set].info.parent)
    return Resolved(ctx, family, freezing, source, sets, info, family.tokens(ctx), normaliser, labels)


def _need_tag(ctx: Context, tag: str) -> None:
    """MissingInput or ConfigError unless the training set has values of ``tag``, for ``train.balance``."""
    path = ctx.data / ctx.cfg.train_set / f"utt2{tag}"
    if tag == "lang" or not path.parent.exists():
        need(ctx, path, stage="data")
    if not path.exists():
        there = ", ".join(name.removeprefix("utt2") for name in tag_tables(path.parent)) or "none"
        raise ConfigError(
            f"train.balance={ctx.cfg.train.balance}: no utterance of {ctx.display_path(path.parent)} has a"
            f" tag {tag!r}; tags there: {there}; name one of them, or give the corpus a column {tag!r}"
        )
