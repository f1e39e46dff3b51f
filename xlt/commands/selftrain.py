"""``xlt selftrain DIR``: a model learns from recordings without texts, in rounds, each taught by the last.

Round 0 is the experiment as the settings have it; round N is the experiment ``TAG_roundN`` with
``train.teacher`` of the round before and ``train.unlabelled=DIR``. Each is an ordinary experiment, run as by
`xlt experiment`, so the command can be stopped and given again. The rounds end when dev gains nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.commands.experiment import Board, Lane, _dry_run, _stage
from xlt.commands.run import Call, from_recipe
from xlt.core.config import Config
from xlt.core.errors import ConfigError, DataError, StageError, XltError
from xlt.core.log import say
from xlt.core.plan import DEFAULT_STAGES, Plan, Run
from xlt.formats.markdown import table
from xlt.formats.model_folder import BUNDLE
from xlt.score.compare import Difference, System, compare, read

STAGES = (*DEFAULT_STAGES, BUNDLE)
_OWN = ("train.teacher", "train.unlabelled")  # what the rounds set themselves
_DEV, _TEST = "dev", "test"
_HEAD = (
    "round",
    "learned of the teacher",
    "least confidence",
    "dev: characters / words wrong, %",
    "dev: against the first",
    "test: characters / words wrong, %",
    "test: against the first",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__.replace("`", "")
    add = parser.add_argument
    what = "folder of recordings without texts, or a Kaldi directory"
    add("recordings", type=Path, metavar="DIR", help=what)
    add("settings", nargs="*", metavar="key=value", help="settings of all rounds, and the tag of the first")
    add("--recipe", type=Path, default=Path(), metavar="DIR", help="recipe folder (default: this folder)")
    add("--rounds", type=int, default=3, metavar="N", help="most rounds that are run (default: %(default)d)")
    add("--dry_run", action="store_true", help="show what would run, do nothing")


@dataclass(frozen=True)
class Round:
    """``run``: the experiment; ``system``: its scores; ``labels``: what was learned of the teacher, {} of
    round 0."""

    run: Run
    system: System
    labels: dict[str, Any]

    @property
    def rate(self) -> float:
        """The main error rate on dev, in percent."""
        return self.system.scores["sets"][_DEV][next(iter(self.system.counts(_DEV)))]["value"]


def main(args: argparse.Namespace) -> None:
    """Run the rounds, then say what each brought. What can be refused is before anything is trained."""
    rounds = Rounds(args)
    rounds.refuse()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
    if args.dry_run:
        known = [rounds.run(0), *([rounds.run(1)] if rounds.bundle(0).is_dir() else [])]
        if failed := _dry_run(rounds.lane.plan, known, rounds.egs):
            raise StageError("; ".join(f"{name}: {why}" for name, why in failed.items()))
        return
    rounds.prepare()
    done: list[Round] = []
    while len(done) <= args.rounds and (len(done) < 2 or done[-1].rate < _best(done[:-1]).rate):
        try:
            done.append(rounds.finish(len(done)))
        except XltError:
            if len(done) > 1:
                rounds.sum_up(done)
            raise
    rounds.sum_up(done)


def _best(done: Sequence[Round]) -> Round:
    """The first with the lowest error rate on dev."""
    return min(done, key=lambda one: one.rate)


class Rounds:
    """The rounds of one command, in a recipe below the folder ``egs``."""

    def __init__(self, args: argparse.Namespace):
        cwd = args.cwd
        self.recipe = Path(os.path.abspath(cwd / args.recipe))
        self.egs = self.recipe.parent
        self.place = Path(os.path.abspath(cwd / args.recordings))
        self.given, self.rounds = args.recordings, args.rounds
        self.words = [from_recipe(word, cwd) for word in args.settings]
        self.cfg = Call(self.recipe, tuple(self.words)).context().cfg
        words = [word for word in self.words if not word.startswith("tag=")]
        self.settings, self.tag = tuple(words), self.cfg.tag
        plan = Plan(self.recipe / "recipe.yaml", "selftrain", "selftrain", self._runs(), {})
        self.lane = Lane(plan, [], Board(self.egs))

    def _runs(self) -> list[Run]:
        return [self.run(number) for number in range(self.rounds + 1)]

    def name(self, number: int) -> str:
        """The tag of a round."""
        return f"{self.tag}_round{number}" if number else self.tag

    def bundle(self, number: int) -> Path:
        """What a round leaves for the next."""
        return self.recipe / "exp" / self.name(number) / BUNDLE

    def run(self, number: int) -> Run:
        """The experiment of a round."""
        teacher = f"train.teacher=exp/{self.name(number - 1)}"
        own = (teacher, f"train.unlabelled={json.dumps(str(self.place))}") if number else ()
        settings = (*self.settings, *own)
        return Run(self.recipe.name, self.name(number), settings, STAGES, None, {}, str(self.recipe))

    def refuse(self) -> None:
        """ConfigError or DataError for what cannot be, before anything is trained."""
        from xlt.data.unlabelled import check, recordings

        if self.rounds < 1:
            raise ConfigError(f"--rounds {self.rounds}: expected a number from 1")
        if not self.place.is_dir():
            raise DataError(f"{self.given}: no such folder; name one with recordings")
        for name in _OWN:
            if (value := self.cfg.as_given(name)) is not None:
                raise ConfigError(
                    f"{name}={value}: is set by each round; leave it out, and name the recordings as DIR"
                )
        _refuse_without_confidence(self.cfg)
        if _DEV not in self.cfg.decode.sets:
            raise ConfigError(
                f"decode.sets={self.cfg.decode.sets}: the rounds end when dev gains nothing; add dev"
            )
        cfg = Call(self.recipe, self.run(1).words).context().cfg
        recordings(check(cfg), cfg)

    def prepare(self) -> None:
        """Make the sets of the rounds: a held-out clip among the recordings is an error now, not after a
        training. SystemExit with the status of stage 1.
        """
        with self.lane.board.preparing():
            if status := _stage(self.run(1), "data", self.egs):
                raise SystemExit(status)

    def finish(self, number: int) -> Round:
        """Run a round, as far as it is not done; StageError if it fails, ConfigError if it cannot teach."""
        run = self.run(number)
        if number:
            _refuse_bundle(self.bundle(number - 1))
        self.lane.runs = [*self.lane.runs, run]
        if why := self.lane.go().get(run.name):
            raise StageError(f"{run.name}: {why}; the same command tries it again")
        system = read(self.bundle(number).parent, run.tag)
        found: Any = system.scores.get("teacher") or {}
        return Round(run, system, found.get("labels", {}))

    def sum_up(self, done: Sequence[Round]) -> None:
        """What each round learned and brought, and which is best on dev."""
        best = _best(done)
        say("\n" + table(_HEAD, [_row(one, done[0]) for one in done]))
        say("\nnew − old, with its 95% interval, by a paired bootstrap over utterances")
        last = len(done) - 1
        if last and done[-1] is not best:
            say(f"round {last} gains nothing on dev: the rounds end")
        elif last == self.rounds:
            say(f"round {last} is the last of --rounds {self.rounds}; dev still gained")
        bundle = shlex.quote(os.path.relpath(self.bundle(done.index(best))))
        say(f"best on dev: {best.run.tag}\ntranscribe recordings: xlt transcribe {bundle} FILE.wav")


def _row(one: Round, first: Round) -> list[str]:
    """Of the closing table."""
    learned = f"{one.labels['minutes']:.1f} min, {one.labels['utterances']}" if one.labels else "–"
    threshold = f"{one.labels['dev']['confidence']:.2f}" if one.labels else "–"
    cells = [one.run.tag, learned, threshold]
    for name in (_DEV, _TEST):
        if name not in one.system.sets:
            cells += ["–", "–"]
            continue
        scores = one.system.scores["sets"][name]
        cells.append(" / ".join(f"{scores[key]['value']:.1f}" for key in one.system.counts(name)))
        cells.append("–" if one is first else _change(compare(first.system, one.system, name)[0]))
    return cells


def _change(found: Difference) -> str:
    """``−2.1 [−3.0, −1.2]``: points of the main error rate."""
    low, high = found.paired.difference_ci95
    return f"{found.paired.difference:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def _refuse_without_confidence(cfg: Config) -> None:
    """ConfigError for settings under which no text comes with a calibrated confidence."""
    if cfg.lm.type == "none":
        raise ConfigError(
            f"lm.type={cfg.lm.type}: a network that teaches itself needs a language model, which knows more"
            " than it does; give lm.type=ngram"
        )
    if cfg.decode.method in ("greedy", "attention"):
        raise ConfigError(
            f"decode.method={cfg.decode.method}: its confidences are not calibrated on dev; give"
            " decode.method=auto"
        )


def _refuse_bundle(bundle: Path) -> None:
    """ConfigError for a bundle whose confidences are not calibrated, or that has no language model."""
    from xlt.bundle.manifest import read_manifest

    manifest = read_manifest(bundle)
    for key, what in (("lm", "no language model"), ("confidence", "no calibrated confidences")):
        if not manifest.get(key):
            raise ConfigError(
                f"{bundle}: has {what}: the search that is best on dev is {manifest['decode'].get('method')},"
                " which uses none; it cannot teach: give decode.method=beam, or more texts in lm.text"
            )
