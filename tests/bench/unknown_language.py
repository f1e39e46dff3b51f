"""Languages that Whisper cannot know, from recipes whose stage 1 has run: the same recordings and sets, with
each letter of the texts replaced by a letter of another script, drawn by a seed.

    egs/ron/run.sh --stop_stage data && egs/spa/run.sh --stop_stage data
    python -m tests.bench.unknown_language egs/ron egs/spa

makes the recipes egs/qro (qro_Geor) and egs/qsp (qsp_Geor), codes that ISO 639-3 keeps for local use, and their
corpora in corpora/. Spaces, hyphens and apostrophes stay. The recipes have no word list (lm.words=none), and
Whisper gets the token of a language that is written with these letters and is none of them
(train.whisper_token=ka): its decoder has to learn all of the spelling from the training texts. Then::

    egs/qro/run.sh preset=whisper_ed tag=ed_10min_s0       # does tuning still win?
    egs/qro/run.sh preset=fast tag=words_10min_s0          # the small network on the frozen encoder
    egs/qro/run.sh preset=whisper_zero tag=whisper_zero    # what Whisper writes without training
    egs/qro/run.sh preset=whisper_ed train.whisper_token=auto tag=ed_new_s0   # a new token, as auto finds no relative

and egs/qro/RESULTS.md has the decoders side by side; beside the languages that they were made of::

    python -m tests.bench.unknown_language egs/ron egs/spa --table

``letters.tsv`` of a corpus turns texts back.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from xlt.core.config import ROOT, load
from xlt.core.errors import ConfigError, DataError, XltError
from xlt.core.log import say
from xlt.data.groups import SPLITS
from xlt.formats.tables import read_scp, read_table, write_table
from xlt.report.decoders_by_language import over_languages
from xlt.report.results import experiments
from xlt.report.results import load as results
from xlt.text.languages import GENERIC
from xlt.text.normalise import normalise

KEPT = " -'"  # as they are: they part words, or stand inside them
SCRIPTS = {  # letters without capitals or in lower case, the usual ones first; a language that Whisper names
    "Geor": ([chr(code) for code in (*range(0x10D0, 0x10F1), *range(0x10F1, 0x10FB))], "ka"),
    "Armn": ([chr(code) for code in range(0x0561, 0x0587)], "hy"),
}
RECIPE = """# Made by tests/bench/unknown_language.py from {source}: its recordings and sets, each letter of the texts replaced (seed {seed}).
lang: {code}
data: {{reader: kaldi, dir: {corpus}, train_minutes: {minutes}}}
features: {{upstream: whisper_base}}
lm: {{words: none}}
train: {{whisper_token: {token}}}
"""


def letters(texts: Iterable[str], script: str, seed: int) -> dict[str, str]:
    """``{letter of the texts: letter of the script}``, no two alike; DataError if the script has too few."""
    there = sorted({char for text in texts for char in text} - set(KEPT))
    all_letters, _ = SCRIPTS[script]
    if len(there) > len(all_letters):
        raise DataError(
            f"{script}: has {len(all_letters)} letters, and the texts have {len(there)}: {' '.join(there)};"
            " choose another --script, or correct the texts"
        )
    usual = all_letters[: max(len(there), 33)]
    drawn = np.random.default_rng(seed).permutation(len(usual))[: len(there)]
    return {old: usual[new] for old, new in zip(there, drawn, strict=True)}


def write_corpus(source: Path, train_set: str, corpus: Path, script: str, seed: int) -> None:
    """The sets of the recipe ``source`` as Kaldi directories in ``corpus``, with replaced letters, train being
    what the recipe learns from; DataError before stage 1.
    """
    sets = {name: source / "data" / (train_set if name == "train" else name) for name in SPLITS}
    for folder in sets.values():
        if not (folder / "text").exists():
            raise DataError(f"{folder / 'text'}: not there; run stage 1 of {source.name} first")
    texts = {name: read_table(folder / "text") for name, folder in sets.items()}
    table = letters([text for own in texts.values() for text in own.values()], script, seed)
    replace = str.maketrans(table)
    replaced = {
        name: {utt: text.translate(replace) for utt, text in own.items()} for name, own in texts.items()
    }
    for name, own in replaced.items():
        for utt, text in own.items():
            if normalise(text, GENERIC) != text:
                raise DataError(
                    f"{sets[name] / 'text'}: {utt!r}: {text!r} is changed by {GENERIC}; leave the utterance out"
                )
    for name, folder in sets.items():
        out = corpus / name
        out.mkdir(parents=True)
        write_table(out / "text", replaced[name])
        write_table(out / "utt2spk", read_table(folder / "utt2spk"))
        write_table(out / "wav.scp", read_scp(folder / "wav.scp", source))
    rows = "".join(f"{old}\t{new}\n" for old, new in table.items())
    (corpus / "letters.tsv").write_text(rows, encoding="utf-8")


def _code(source: Path, script: str) -> str:
    return f"q{source.name[:2]}_{script}"


def make(source: Path, args: argparse.Namespace) -> Path:
    """The recipe and the corpus; ConfigError if one of them is there already."""
    cfg = load(source)
    code = _code(source, args.script)
    recipe, corpus = args.egs / code[:3], args.corpora / code
    for folder in (recipe, corpus):
        if folder.exists():
            raise ConfigError(f"{folder}: already exists; remove it first, if it is to be made again")
    write_corpus(source, cfg.train_set, corpus, args.script, args.seed)
    recipe.mkdir()
    shutil.copy(ROOT / "egs" / "TEMPLATE" / "run.sh", recipe)
    minutes = cfg.data.train_minutes
    filled = RECIPE.format(
        source=source.name,
        seed=args.seed,
        code=code,
        corpus=json.dumps(os.path.relpath(corpus, recipe), ensure_ascii=False),
        minutes="null" if minutes is None else f"{minutes:g}",
        token=args.token or SCRIPTS[args.script][1],
    )
    (recipe / "recipe.yaml").write_text(filled, encoding="utf-8")
    load(recipe)
    return recipe


def table(sources: list[Path], args: argparse.Namespace) -> str:
    """What each decoder reaches in these languages and in those made of them; "" without results."""
    names = [name for source in sources for name in (source.name, _code(source, args.script)[:3])]
    there = {name: args.egs / name / "results" for name in names}
    return over_languages({name: experiments(results(folder)) for name, folder in there.items()})


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "recipes", nargs="+", type=Path, metavar="RECIPE", help="recipe whose stage 1 has run"
    )
    parser.add_argument("--script", choices=SCRIPTS, default="Geor", help="whose letters are taken")
    parser.add_argument("--token", help="train.whisper_token (default: a language of that script)")
    parser.add_argument("--seed", type=int, default=0, help="of the letters")
    parser.add_argument("--egs", type=Path, default=ROOT / "egs", help="where the recipes are made")
    parser.add_argument("--corpora", type=Path, default=ROOT / "corpora", help="where their corpora are made")
    parser.add_argument("--table", action="store_true", help="print the results; make nothing")
    args = parser.parse_args(words)
    args.egs, args.corpora = args.egs.resolve(), args.corpora.resolve()
    try:
        if args.table:
            print(table([source.resolve() for source in args.recipes], args))
            return 0
        for source in args.recipes:
            say(f"unknown_language: made {make(source.resolve(), args)} from {source}")
    except XltError as err:
        print(f"unknown_language: {err}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
