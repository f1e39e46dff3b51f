"""``xlt run``: stages of a recipe, one after another in this process; egs/*/run.sh calls it.

What was imported for one stage is there for the next; models are let go of in between.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from xlt.core import jsons, log, schema
from xlt.core.config import load
from xlt.core.context import STAGES, Context, Stage, find
from xlt.core.errors import ConfigError, MissingInput, XltError
from xlt.core.remedies import remedy
from xlt.core.yaml_source import parse_overrides

IN_PRETRAINING = {"data", "train", "report"}  # stages of a recipe that pre-trains an encoder
IN_FOLDS = {"data", "features", "tokens", "lm", "train", "decode"}  # stages that every fold has
DEFECT, INTERRUPTED, NOT_READ = 1, 130, 141  # exit statuses, the last as of a program that a signal has ended


@dataclass(frozen=True)
class Call:
    """How stages are called. ``settings``: ``key=value`` words; ``cwd``: where the user stands, which
    relative paths in ``settings`` count from, None for the recipe; ``fix``: for stage 2, see
    :class:`Context`.
    """

    recipe: Path
    settings: tuple[str, ...] = ()
    force: bool = False
    dry_run: bool = False
    nj: int | None = None
    ngpu: int | None = None
    executor: str | None = None
    cwd: Path | None = None
    fix: Path | None = None

    def context(self) -> Context:
        """What the stages get; ConfigError if the settings cannot be."""
        words = [*self.settings, *([f"nj={self.nj}"] if self.nj is not None else [])]
        if self.executor is not None:
            words.append(f"executor={self.executor}")
        if self.ngpu is not None:
            words += [f"features.ngpu={self.ngpu}", f"train.ngpu={self.ngpu}"]
        cfg = load(self.recipe, words, self.cwd)
        command = "./run.sh" + "".join(f" {shlex.quote(word)}" for word in self.settings)
        return Context(self.recipe, cfg, self.force, self.dry_run, command, self.fix, self.cwd)

    def contexts(self) -> list[Context]:
        """Those of the folds of ``data.split=cross``, then that of the recipe itself."""
        whole = self.context()
        count = whole.cfg.data.folds if whole.cfg.pooled_sets else 0
        folds = [replace(self, settings=(*self.settings, f"data.fold={n + 1}")) for n in range(count)]
        return [*(call.context() for call in folds), whole]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", default="1", metavar="N|name", help="start at this stage")
    parser.add_argument(
        "--stop_stage", default=STAGES[-1].name, metavar="N|name", help="stop after this stage"
    )
    add_stage_arguments(parser)


def add_stage_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that a stage by itself has as well."""
    parser.add_argument(
        "--recipe", type=Path, default=Path(), metavar="DIR", help="recipe folder (default: the current one)"
    )
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings that override recipe.yaml")
    parser.add_argument("--force", action="store_true", help="run even if the output is up to date")
    parser.add_argument("--dry_run", action="store_true", help="show what would run, do nothing")
    parser.add_argument("--nj", type=int, help="number of parallel processes (sets nj)")
    parser.add_argument("--executor", help="where the work runs: local, slurm, dask (sets executor)")
    parser.add_argument("--ngpu", type=int, help="number of GPUs (sets features.ngpu and train.ngpu)")


def from_recipe(word: str, cwd: Path) -> str:
    """A setting whose path counts from where the user stands, ``cwd``, with an absolute one."""
    name = word.partition("=")[0]
    if "=" not in word or name not in schema.paths():
        return word
    value, _ = parse_overrides([word], cwd)[name]
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def call_of(args: argparse.Namespace, fix: Path | None = None) -> Call:
    """What the words of a command line ask for."""
    settings = tuple(args.settings)
    return Call(
        args.recipe,
        settings,
        args.force,
        args.dry_run,
        args.nj,
        args.ngpu,
        args.executor,
        args.cwd,
        fix,
    )


def main(args: argparse.Namespace) -> None:
    """Run the stages from ``--stage`` to ``--stop_stage``; ends with the status of the first that fails."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch read it
    threads = os.environ["OMP_NUM_THREADS"]
    contexts = functools.cache(call_of(args).contexts)
    for stage in chosen(args.stage, args.stop_stage):
        print(f"[{stage.number}/{len(STAGES)} {stage.name}] {stage.does}", flush=True)
        status = guarded(stage.name, functools.partial(_run, stage, contexts))
        if status:
            raise SystemExit(status)
        _let_go(threads)
    if stage is STAGES[-1] and not args.dry_run:
        sum_up(contexts()[-1])


def sum_up(ctx: Context) -> None:
    """Say what came out of a whole run, where it is, and how to use it."""
    if ctx.cfg.pretrains:
        from xlt.formats.pretrained import summary

        log.say(f"\n{summary(ctx.exp, ctx.typed(ctx.exp))}")
        return
    from xlt.core.config import ROOT
    from xlt.data.splits import NEW_VOICES
    from xlt.formats.results import of_stage_8
    from xlt.metrics.metric import counted
    from xlt.score.rungs import ladder
    from xlt.score.voices import label
    from xlt.train.overfit import barely, rising

    path = ctx.exp / "score.json"
    if not path.exists():  # --stage bundle of a model that was not scored
        return
    scores = of_stage_8(path)
    name = "test" if "test" in scores["sets"] else next(iter(scores["sets"]))
    bundle = shlex.quote(ctx.typed(ctx.exp / "bundle"))
    log.say("")
    for shown in (name, *(NEW_VOICES for _ in scores["sets"].keys() & {NEW_VOICES})):
        found = scores["sets"][shown]
        key, metric = next((key, metric) for key, metric in counted().items() if key in found)
        result = metric.in_words(found[key]["value"], found[key]["ci95"])
        log.say(f"{scores['experiment']['language']}, {shown}{label(scores['data'][shown])}: {result}")
    if "folds" in scores["data"][name]:
        log.say("  scored by models of the folds; the final one has learned from all clips but those of dev")
    for line in ladder(scores, name):
        log.say(f"  {line}")
    course = ctx.exp / "history.json"
    if course.exists():
        history = jsons.parse(course.read_text(encoding="utf-8"))
        if said := rising(history) or barely(history, ctx.cfg.train.min_updates):
            log.say(f"  {said}")
    log.say(f"  scores and examples: {ctx.typed(ctx.recipe / 'RESULTS.md')}")
    if ctx.recipe.resolve().parent == ROOT / "egs":
        command, shown = (ctx.typed(ROOT / place) for place in ("tools/xlt", "egs/report/report.html"))
        log.say(f"  utterances to hear and compare: {shlex.quote(command)} report, then open {shown}")
    for page in sorted(ctx.data.glob("check/*.html")):
        log.say(f"  data check, to look at and listen to in a browser: {ctx.typed(page)}")
    log.say(f"  transcribe recordings: xlt transcribe {bundle} FILE.wav")


def _run(stage: Stage, contexts: Callable[[], list[Context]]) -> None:
    run_in_folds(stage.name, contexts())


def chosen(first: str, last: str) -> list[Stage]:
    """The stages from ``first`` to ``last``; ConfigError."""
    start, stop = find(first), find(last)
    if start.number > stop.number:
        raise ConfigError(f"--stage {first} comes after --stop_stage {last}")
    return [s for s in STAGES if start.number <= s.number <= stop.number]


def _let_go(threads: str) -> None:
    """Free what a stage has left in circles, such as models, and give torch its threads back."""
    gc.collect()
    os.environ["OMP_NUM_THREADS"] = threads
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(int(threads.split(",")[0]))


def run_in_folds(name: str, contexts: list[Context]) -> None:
    """Run one stage for each fold that has it, then for the final model, whose decoding puts the texts of the
    folds together.
    """
    for ctx in contexts:
        data = ctx.cfg.data
        if data.fold is not None and name not in IN_FOLDS:
            if len(contexts) == 1:
                log.say(f"{name}: is of all folds together; give the command without data.fold")
            continue
        if len(contexts) > 1 and name in IN_FOLDS:
            log.say("the final model" if data.fold is None else f"fold {data.fold} of {data.folds}")
        run_stage(name, ctx)
        if len(contexts) > 1:  # the model of a fold, before the next one
            gc.collect()


def run_stage(name: str, ctx: Context) -> None:
    """Run one stage, with its log beside the recipe; XltError. A dry run says what would be missing."""
    if ctx.cfg.pretrains and name not in IN_PRETRAINING:
        log.say(f"{name}: nothing to do in a pre-training (pretrain.method={ctx.cfg.pretrain.method})")
        return
    with log.to_file(None if ctx.dry_run else ctx.recipe / "log" / ctx.cfg.tag / f"{name}.log"):
        try:
            find(name).run(ctx)
        except MissingInput as err:
            if not ctx.dry_run:
                raise
            number = find(err.stage).number
            log.say(f"{name}: would run after stage {number} ({err.stage}), whose output it needs")


def guarded(what: str, work: Callable[[], None]) -> int:
    """The exit status of ``work``: 0, 2 for an error that the user can mend, 130 after Ctrl-C, 1 for a defect
    of xlt; the message of an error is printed, and ``what`` says in it who speaks.
    """
    try:
        work()
    except XltError as err:
        log.complain(f"xlt {what}: {log.with_commands(str(err))}")
        return 2
    except KeyboardInterrupt:
        print(f"\nxlt {what}: interrupted; the same command continues from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_READ
    except OSError as err:
        if (what_to_do := remedy(err)) is None:
            return _defect(what, err)
        where = f" ({err.filename2 or err.filename or 'standard output, or a temporary file'})"
        log.complain(
            f"xlt {what}: {os.strerror(err.errno or 0)}{where}; {what_to_do}, then run the same command:"
            " it continues from here"
        )
        return 2
    except ModuleNotFoundError as err:
        if (err.name or "xlt").partition(".")[0] == "xlt":
            return _defect(what, err)
        log.complain(
            f"xlt {what}: {err.name}: the package is not installed; run tools/install.sh (xlt-runtime has"
            " only what xlt transcribe needs for exported bundles)"
        )
        return 2
    except Exception as err:  # the last resort
        return _defect(what, err)
    return 0


def _defect(what: str, err: Exception) -> int:
    """Say in one line what nobody foresaw, and keep where it came from."""
    said = " ".join(str(err).split())[:200].encode("utf-8", "backslashreplace").decode("utf-8")
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="xlt-", suffix=".traceback", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            traceback.print_exception(err, file=file)
        where = f"the traceback is in {file.name}"
    except OSError:
        traceback.print_exception(err)
        where = "the traceback is above"
    log.complain(
        f"xlt {what}: {type(err).__name__}: {said}; this is a defect of xlt: {where}; please report it"
    )
    return DEFECT
