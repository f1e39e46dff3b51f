"""``xlt suggest BUNDLE DIR``: which recordings to transcribe next, with drafts, and what that would bring."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.speakers.option import Teller, add_option, teller

if TYPE_CHECKING:
    from xlt.report.results import Result
    from xlt.suggest.pieces import Draft, Pieces
    from xlt.suggest.recipe import Corpus, Origin

_RARE = 20  # times that a letter is in the training texts: fewer are told
_SHOWN = 12  # letters
_SHARES = (0.5, 0.25)  # of the training, that further points of the learning curve are made of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from xlt.suggest.templates import TEMPLATES

    add = parser.add_argument
    add("bundle", type=Path, help="folder made by stage 10 (bundle), in its recipe, e.g. egs/ron/exp/main")
    add("recordings", type=Path, metavar="DIR", help="folder of recordings without texts")
    add("--minutes", type=float, default=30.0, help="how much to transcribe (default: %(default)g)")
    add(
        "--format",
        default="tsv",
        metavar="NAME",
        help=f"what to write: {', '.join(TEMPLATES)} (default: %(default)s); eaf is for ELAN",
    )
    add(
        "--out",
        type=Path,
        metavar="PATH",
        help="file, or folder of ELAN's documents, to write (default: suggested.tsv, .xlsx, or suggested)",
    )
    add(
        "--phones",
        action="store_true",
        help="count phones instead of letter trigrams; many languages need espeak-ng (GPL-3) for it",
    )
    add("--recipe", type=Path, metavar="DIR", help="recipe of a bundle that was copied elsewhere")
    add_option(add)


def main(args: argparse.Namespace) -> None:
    """Write the template, and say what it holds and what it is expected to bring. What can be refused is
    before the model is loaded.
    """
    from xlt.suggest import pieces as speech
    from xlt.suggest import recipe
    from xlt.suggest.templates import TEMPLATES, Template, refuse_existing

    if args.format not in TEMPLATES:
        raise ConfigError(f"--format {args.format}: is not known; there are {', '.join(TEMPLATES)}")
    if not args.minutes > 0:
        raise ConfigError(f"--minutes {args.minutes:g}: expected minutes of speech, above 0, e.g. 30")
    write, usual = TEMPLATES[args.format]
    out = args.out or Path(usual)
    refuse_existing(out)
    origin = recipe.origin(args.bundle, args.recipe)
    tell = teller(args.speakers)
    if args.phones:
        from xlt.phones.choice import choose

        choose(origin.cfg.language, origin.cfg.phones)  # what it refuses is refused before hours of listening
    corpus = recipe.corpus(origin)
    sounds = _sounds(args.recordings)

    from xlt.bundle.transcribe import Transcriber

    transcriber = Transcriber(origin.bundle)
    found = speech.find(sounds, transcriber, corpus, origin.cfg)
    drafts = speech.drafts(sounds, transcriber, found, origin.cfg, origin.log, origin.key)
    _tell_left_out(found)
    if not drafts:
        raise DataError(f"{args.recordings}: holds no speech that is new; name other recordings")
    picked, by = _ranked(origin, corpus, drafts, args)
    if not picked:
        shortest = min(draft.seconds for draft in drafts)
        raise ConfigError(
            f"--minutes {args.minutes:g}: the shortest piece has {shortest:.1f} s; ask for more"
        )
    if tell:
        picked = _by_speaker(picked, tell)
    write(out, Template(picked, f"xlt {args.bundle}", corpus.own_split))
    _tell(corpus, drafts, picked, by)
    minutes = sum(draft.seconds for draft in picked) / 60
    for line in outlook(origin, minutes, _command(origin)):
        say(line)
    say(_what_next(args.format, out))


def _sounds(folder: Path) -> list:
    """The recordings below the folder; what is wrong with others is said."""
    from xlt.commands.recordings import find
    from xlt.suggest.pieces import Sound

    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name one with recordings")
    found, wrong = find([os.fspath(folder)])
    for problem in wrong:
        print(f"xlt suggest: {problem}", file=sys.stderr)
    names = (os.path.relpath(one.path, folder) for one in found)
    return [Sound(name, one.path, one.duration_s) for name, one in zip(names, found, strict=True)]


def _tell_left_out(found: Pieces) -> None:
    from xlt.suggest.pieces import REASONS

    say(f"  {found.count} new pieces, {found.seconds / 60:.1f} minutes")
    for reason, places in found.left_out.items():
        if places:
            say(f"  {len(places):6} left out: {REASONS[reason]} (first: {places[0]})")


def _ranked(
    origin: Origin, corpus: Corpus, drafts: Sequence[Draft], args: argparse.Namespace
) -> tuple[list[Draft], str]:
    """The drafts to correct, the best first, and what stands for sounds."""
    from xlt.suggest import ranking

    known = {word for text in corpus.texts.values() for word in text.split()}
    said = {word for draft in drafts for word, _ in draft.words}
    table, by = ranking.sounds_of(known | said, origin.cfg, args.phones)
    candidates = [ranking.Candidate(one.seconds, one.sound.name, one.words) for one in drafts]
    trained = ranking.of_texts(corpus.texts.values(), table.__getitem__)
    chosen = ranking.choose(candidates, trained, table.__getitem__, 60 * args.minutes)
    return [drafts[number] for number in chosen], by


def _by_speaker(drafts: Sequence[Draft], tell: Teller) -> list[Draft]:
    """The drafts with their speakers, who are those of one recording each."""
    from xlt.core.log import Progress
    from xlt.data.corpora.names import speaker_ids

    sounds = {one.sound.name: one.sound for one in drafts}
    stems = {name: os.path.splitext(name)[0] for name in sounds}
    alike = Counter(stems.values())
    own = {name: stem if alike[stem] == 1 else name for name, stem in stems.items()}
    ids = speaker_ids(own.values())
    seconds = round(sum(sound.duration_s for sound in sounds.values()))
    with Progress("telling speakers apart", seconds, "s") as bar:
        turns = {name: tell(os.fspath(sound.path), bar) for name, sound in sounds.items()}
    say(f"  speakers: {sum(one.count for one in turns.values())} in {len(turns)} recordings, each by itself")

    def speaker(one: Draft) -> str:
        voice = turns[one.sound.name].of(one.start_s, one.end_s)
        return f"{ids[own[one.sound.name]]}_{voice}"

    return [replace(one, speaker=speaker(one)) for one in drafts]


def _tell(corpus: Corpus, drafts: Sequence[Draft], picked: Sequence[Draft], by: str) -> None:
    """What was picked, and what it has that the training lacks."""

    def sure(some: Sequence[Draft]) -> float:
        return sum(one.seconds * one.confidence for one in some) / sum(one.seconds for one in some)

    minutes = sum(one.seconds for one in picked) / 60
    recordings = len({one.sound.name for one in picked})
    say(
        f"  picked {len(picked)} of {len(drafts)} pieces, {minutes:.1f} minutes, of {recordings} recordings;"
        f" {100 * sure(picked):.0f}% of their words are probably right, of all {100 * sure(drafts):.0f}%"
    )
    words = {word for text in corpus.texts.values() for word in text.split()}
    new = {word for one in picked for word, _ in one.words} - words
    letters = Counter(letter for text in corpus.texts.values() for letter in text if letter != " ")
    more = Counter(letter for one in picked for word, _ in one.words for letter in word)
    rare = sorted((letters[c], c) for c in more if letters[c] < _RARE)[:_SHOWN]
    shown = ", ".join(f"{c} {count}+{more[c]}" for count, c in rare)
    say(f"  drafts have {len(new)} words that training lacks" + (f"; rare letters: {shown}" if rare else ""))
    say(f"  ranked by doubtful words, and by letters, words and {by} that are rare in training")


def outlook(origin: Origin, minutes: float, command: str) -> list[str]:
    """What ``minutes`` more are expected to bring, by the learning curve of the recipe, or what to run to
    know.
    """
    from xlt.report import forecast
    from xlt.report.results import load

    results = load(origin.cfg.recipe / "results")
    own = next((result for result in results if result.tag == origin.tag), None)
    if own is None or not own.speech_min or not own.has(forecast.SET, forecast.METRIC):
        return [f"no forecast: {origin.tag} has no scores on dev; make them: {command} tag={origin.tag}"]
    curve = forecast.points(results, origin.tag)
    if len(curve) < forecast.FEWEST:
        runs = "".join(f"\n  {line}" for line in _missing(own, curve, command))
        return [
            f"no forecast: the learning curve has {len(curve)} of the {forecast.FEWEST} points that it needs;"
            f" trainings on less speech make others:{runs}"
        ]
    then = forecast.forecast(curve, own.speech_min + minutes)
    now = own.score(forecast.SET, forecast.METRIC)["value"]
    if not then.falls or then.cer >= now:
        shown = ", ".join(f"{point.minutes:g} min {point.cer:.1f}%" for point in curve)
        return [
            f"no forecast: more speech has not lowered the error rate on dev below {now:.1f}% so far"
            f" ({shown}); more seeds, amounts of speech, or utterances in dev would tell whether that is"
            " chance"
        ]
    span = f"{curve[0].minutes:g} to {curve[-1].minutes:g} minutes"
    return [
        f"forecast: {minutes:.0f} more minutes: CER {now:.1f} → {then.cer:.1f} ± {then.half:.1f} on dev"
        f" (95% interval; by {sum(len(point.tags) for point in curve)} trainings on {span})"
    ]


def _missing(own: Result, curve: Sequence, command: str) -> list[str]:
    """The trainings to run for a learning curve: the settings of ``own`` on less speech."""
    there = {round(point.minutes) for point in curve}
    words = [word for word in shlex.split(own.document["command"])[1:] if not word.startswith("-")]
    words = [shlex.quote(word) for word in words if not re.match(r"(tag|data\.train_minutes)=", word)]
    lines = []
    for share in _SHARES:
        minutes = (own.speech_min or 0.0) * share
        minutes = round(minutes) if minutes >= 4 else max(0.5, round(2 * minutes) / 2)
        if minutes not in there:
            settings = [*words, f"data.train_minutes={minutes:g}", f"tag={own.tag}_{minutes:g}min"]
            lines.append(" ".join((command, "--stop_stage report", *settings)))
    return lines


def _command(origin: Origin) -> str:
    """How the user runs the recipe."""
    run = origin.cfg.recipe / "run.sh"
    return shlex.quote(min(os.path.relpath(run), os.fspath(run), key=len))


def _what_next(form: str, out: Path) -> str:
    where = "column" if form != "eaf" else "tier"
    return (
        f"wrote {out}\nnext: correct the texts, and write yes into the {where} 'confirmed' beside each that"
        " is right: the others are not learned. docs/suggest.md says how to train on them"
    )
