"""`xlt new_recipe`, which tools/new_recipe.sh calls: the recipe of a new language, filled in, with what its
data are like.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import shlex
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from xlt.check.faults import Fault
from xlt.commands.run import INTERRUPTED, Call, guarded, run_in_folds
from xlt.core.config import ROOT, load
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.stage import read_json
from xlt.data.splits import NEW_VOICES
from xlt.text import languages

SHOWN_CHARACTERS, SHOWN_PROBLEMS = 80, 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code",
        metavar="CODE_Script",
        help="language (ISO 639-3) and script (ISO 15924), e.g. swh_Latn, srp_Cyrl",
    )
    parser.add_argument(
        "corpus",
        nargs="?",
        metavar="DIR_OR_FILE",
        help="the corpus: a folder, an archive or a table; docs/data.md lists the forms",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="then rank the encoders that can be had on five minutes of the speech (takes minutes)",
    )


def main(args: argparse.Namespace) -> None:
    lang = languages.get(args.code)
    recipe = ROOT / "egs" / lang.iso
    name = f"egs/{lang.iso}"
    place, reader = None, None
    if args.corpus is not None:
        from xlt.data.corpora.recognise import about, recognise

        place = Path(_found(args.corpus))
        reader = recognise(place)
        say(f"new_recipe: {args.corpus}: reader {reader} ({about(reader)})")
    if recipe.exists():
        raise ConfigError(f"{name} already exists{_instead(recipe, name, reader, args.corpus)}")
    write(recipe, lang.code, reader, place)
    cfg = load(recipe)
    say(
        f"new_recipe: made {name}: run.sh recipe.yaml README.md; preset {cfg.preset}, upstream"
        f" {cfg.features.upstream}"
    )
    if place is None:
        say(
            f"new_recipe: fill in data.reader and data.dir in {name}/recipe.yaml\nnext: {name}/run.sh"
            " --stop_stage check"
        )
        return
    status = _first_stages(recipe)
    if (recipe / "data" / "test" / "stage.json").exists():
        say(summary(recipe, name))
    if status == INTERRUPTED:
        say(f"new_recipe: {name} is made; continue with: {name}/run.sh --stop_stage check")
        raise SystemExit(INTERRUPTED)
    if status:
        raise DataError(
            f"{name} is made, but its data have errors: correct what is listed above, in the corpus or by a"
            f" setting in {name}/recipe.yaml; then continue with: {name}/run.sh --stop_stage check"
        )
    if args.probe:
        from xlt.commands.probe import probe

        probe(load(recipe))
    else:
        say(f"new_recipe: to see which encoder suits {lang.code}: tools/xlt probe {name}")
    say(f"next: {name}/run.sh")


def _first_stages(recipe: Path) -> int:
    """Run stages 1 and 2; the exit status of the first that fails, or 0."""
    for stage in ("data", "check"):
        if status := guarded(stage, functools.partial(_run, stage, recipe)):
            return status
        if stage == "data":
            _score_new_voices(recipe)
    return 0


def _score_new_voices(recipe: Path) -> None:
    """Name the set of new voices in recipe.yaml, if stage 1 has made one: both questions are asked."""
    if not (recipe / "data" / NEW_VOICES).exists() or NEW_VOICES in load(recipe).decode.sets:
        return
    sets = [*load(recipe).decode.sets, NEW_VOICES]
    with (recipe / "recipe.yaml").open("a", encoding="utf-8") as settings:
        settings.write(f"decode: {{sets: [{', '.join(sets)}]}}  # known voices and new ones\n")
    say(f"new_recipe: recipe.yaml: decode.sets has {NEW_VOICES}, too: the scores of known and of new voices")


def _run(stage: str, recipe: Path) -> None:
    run_in_folds(stage, Call(recipe).contexts())


def _instead(recipe: Path, name: str, reader: str | None, corpus: str | None) -> str:
    """What to do with a recipe that was there before."""
    data = load(recipe).data
    if reader is None or corpus is None:
        return "; edit its recipe.yaml, or remove it first"
    if data.reader == reader and data.dir and os.path.realpath(recipe / data.dir) == _found(corpus):
        return f", with this corpus; continue with: {name}/run.sh"
    return (
        f"; with this corpus: {name}/run.sh data.reader={reader} data.dir={shlex.quote(corpus)} tag=mine; or"
        " edit its recipe.yaml, or remove it first"
    )


def _found(corpus: str) -> str:
    """The corpus that the user names, from where he stands."""
    return os.path.realpath(corpus)


def write(recipe: Path, code: str, reader: str | None, place: Path | None) -> None:
    """Make the folder ``recipe`` from the template; it appears whole or not at all."""
    template = ROOT / "egs" / "TEMPLATE"
    filled = {
        "lang: ": f"lang: {code}",
        "# Fill in lang": "# Settings of this recipe. All others, with their defaults, are in",
    }
    if place is not None:
        filled |= {"  reader: ": f"  reader: {reader}", "  dir: ": f"  dir: {_quoted(place, recipe)}"}
    lines = (template / "recipe.yaml").read_text(encoding="utf-8").splitlines()
    lines = [next((new for start, new in filled.items() if line.startswith(start)), line) for line in lines]
    readme = (
        (template / "README.md")
        .read_text(encoding="utf-8")
        .replace("CODE_Script", code)
        .replace("CODE", code[:3])
    )
    draft = Path(tempfile.mkdtemp(prefix=".new_recipe.", dir=recipe.parent))
    try:
        shutil.copy(template / "run.sh", draft)
        (draft / "recipe.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (draft / "README.md").write_text(readme, encoding="utf-8")
        load(draft)
        draft.chmod(0o755)
        draft.rename(recipe)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _quoted(place: Path, recipe: Path) -> str:
    """The path for recipe.yaml: relative to the recipe if it lies in this checkout, else absolute."""
    path = str(place)
    if path.startswith(f"{ROOT}{os.sep}"):
        path = os.path.relpath(path, recipe)
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{os.fsencode(path)!r}: the name is not UTF-8, and recipe.yaml cannot hold it; rename the folder"
        ) from None
    return json.dumps(path, ensure_ascii=False)


def summary(recipe: Path, name: str) -> str:
    """What stages 1 and 2 found, in some lines: speech, speakers, alphabet, problems."""
    from xlt.formats.tables import read_table

    cfg = load(recipe)
    sets = cfg.checked_sets
    lines = [f"{name} has:"]
    characters: Counter[str] = Counter()
    for part in sets:
        folder = recipe / "data" / part
        text, speakers = read_table(folder / "text"), set(read_table(folder / "utt2spk").values())
        minutes = sum(map(float, read_table(folder / "utt2dur").values())) / 60
        amount = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.2f} minutes"
        lines.append(f"  {part:12} {amount:>14}, {len(text)} utterances, {len(speakers)} speakers")
        characters.update("".join(text.values()))
    shown = "  ".join(
        f"{'space' if c == ' ' else c} {n}" for c, n in characters.most_common(SHOWN_CHARACTERS)
    )
    more = f"  and {len(characters) - SHOWN_CHARACTERS} more" if len(characters) > SHOWN_CHARACTERS else ""
    lines.append(f"  alphabet: {len(characters)} characters: {shown}{more}")
    report = read_json(recipe / "data" / "all" / "report.json", "data")
    if left_out := report["seen"] - report["kept"]:
        reasons = ", ".join(f"{reason} {len(ids)}" for reason, ids in report["left_out"].items())
        lines.append(
            f"  left out: {left_out} of {report['seen']} ({reasons}); their ids are in"
            f" {name}/data/all/report.json"
        )
    checked = recipe / "data" / "check" / "report.json"
    if checked.exists():
        rows = [Fault.from_json(row) for row in read_json(checked, "check")["faults"]]
        faults = [fault for level in ("error", "warning") for fault in rows if fault.severity == level]
        lines.append(
            f"  problems: {len(faults)}" + (f"; more in {name}/data/check/report.md" if faults else "")
        )
        lines += [f"    {fault.severity}: {fault}" for fault in faults[:SHOWN_PROBLEMS]]
        if len(faults) > SHOWN_PROBLEMS:
            lines.append(f"    and {len(faults) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)
