"""What a stage gets."""

from __future__ import annotations

import difflib
import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from xlt.core.config import Config
from xlt.core.errors import ConfigError, MissingInput
from xlt.core.log import messages_of
from xlt.core.paths import spelled


@dataclass(frozen=True)
class Stage:
    """``does``: in a few words, with the folder that it writes."""

    number: int
    name: str
    does: str

    def run(self, ctx: Context) -> None:
        """Import the stage's package and run it; what it says names files as seen from the recipe."""
        with messages_of(ctx.recipe):
            importlib.import_module(f"xlt.{self.name}").run(ctx)


STAGES = [  # a line each: egs/common/asr.sh reads them, too
    Stage(1, "data", "corpus → data/{train,dev,test}"),
    Stage(2, "check", "data faults, found now → data/check/"),
    Stage(3, "features", "features of the upstream → dump/<upstream>/<set>/"),
    Stage(4, "tokens", "token list → data/tokens/<type>/"),
    Stage(5, "lm", "language model → exp/lm/<tag>/"),
    Stage(6, "train", "CTC and attention heads → exp/<tag>/"),
    Stage(7, "decode", "hypotheses with scores → exp/<tag>/decode_<set>/"),
    Stage(8, "score", "CER, WER, chrF → exp/<tag>/score.json"),
    Stage(9, "report", "tables → RESULTS.md"),
    Stage(10, "bundle", "one folder that transcribes anywhere → exp/<tag>/bundle/"),
]


def need(ctx: Context, *paths: Path, stage: str) -> None:
    """Raise MissingInput unless all ``paths`` exist; ``stage`` is the one that makes them."""
    missing = [p for p in paths if not p.exists()]
    if missing:
        number = find(stage).number
        raise MissingInput(
            f"{', '.join(map(ctx.display_path, missing))}: not found; stage {number} ({stage}) makes it: "
            f"run with --stage {number}, or from the start",
            stage,
        )


def find(word: str) -> Stage:
    """The stage called by number or name; raises ConfigError."""
    for stage in STAGES:
        if word in (str(stage.number), stage.name):
            return stage
    close = difflib.get_close_matches(word, [stage.name for stage in STAGES], n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    there = ", ".join(f"{stage.number} {stage.name}" for stage in STAGES)
    raise ConfigError(f"no stage {word!r}; there are {there}{hint}")


@dataclass
class Context:
    """What a stage gets: the recipe directory, its configuration, and how it was called.

    ``fix``: for stage 2, where a repaired copy of the data is to be written; ``cwd``: where the user stands,
    for commands that are shown to be copied.
    """

    recipe: Path
    cfg: Config
    force: bool = False
    dry_run: bool = False
    command: str = ""
    fix: Path | None = None
    cwd: Path | None = None

    def __post_init__(self) -> None:
        self.recipe = self.recipe.resolve()

    @property
    def everything(self) -> Path:
        """All that stage 1 has kept of the corpus."""
        return self.recipe / "data" / "all"

    @property
    def noise(self) -> Path:
        """The sounds of ``data.noise``."""
        return self.recipe / "data" / "noise"

    @property
    def data(self) -> Path:
        """Where the sets are; those of one fold (``data.fold``) have a folder of their own."""
        fold = self.cfg.data.fold
        return self.recipe / "data" / ("" if fold is None else f"fold{fold}")

    @property
    def dump(self) -> Path:
        """Features of this recipe's upstream; without features (``features.on_the_fly``) the lengths only."""
        fold = self.cfg.data.fold
        name = self.cfg.features.upstream + ("_onfly" if self.cfg.features.on_the_fly else "")
        return self.recipe / "dump" / (name if fold is None else f"{name}_fold{fold}")

    @property
    def exp(self) -> Path:
        return self.recipe / "exp" / self.cfg.tag

    @property
    def tokens(self) -> Path:
        """Token list of this token type; a budget has its own, since its texts differ, a union with other
        recipes, languages.
        """
        name = self.cfg.tokens.type + (str(self.cfg.tokens.size) if self.cfg.tokens.type == "bpe" else "")
        budget = self.cfg.train_set.removeprefix("train")
        others = "".join(f"+{recipe.name}" for recipe in self.cfg.written_too)
        tags = "+languages" if self.cfg.tokens.language_tag else ""
        return self.data / "tokens" / (name + budget + others + tags)

    def text(self, name: str) -> Path:
        """What is learned and scored of set ``name``: its text, or with ``tokens.type=phone`` the phones of
        it.
        """
        return self.tokens / f"{name}.text" if self.cfg.tokens.type == "phone" else self.data / name / "text"

    def reference(self, name: str) -> Path:
        """What the hypotheses of set ``name`` are compared with: :meth:`text`, or with ``lm.spell`` the words
        of the phones.
        """
        return self.data / name / "text" if self.cfg.lm.spell else self.text(name)

    def need_texts(self, *names: str) -> None:
        """MissingInput unless :meth:`text` of these sets is there."""
        need(self, *map(self.text, names), stage="tokens" if self.cfg.tokens.type == "phone" else "data")

    def typed(self, path: Path) -> str:
        """``path`` as the user would type it in a command: relative to where they stand, unless that is
        longer.
        """
        return min(os.path.relpath(path, self.cwd or self.recipe), os.path.abspath(path), key=len)

    def display_path(self, path: Path) -> str:
        """``path`` as the user knows it: relative to the recipe, unless a setting names it by an absolute
        one.
        """
        text = str(path)
        if any(text == given or text.startswith(f"{given}/") for given in self.cfg.given_absolute):
            return text
        return spelled(text, self.recipe)
