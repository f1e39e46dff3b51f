"""Stage 1 of a pre-training: speech without texts, of recipes, folders and packages, as data/train and
data/dev.

Nothing here reads a text. Clips that a recipe tests on (its dev, test and further sets) are an error wherever
they turn up: an encoder must not learn from what its users are tested on.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xlt.audio.alike import Known, bands
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import Progress, say
from xlt.core.stage import Unit, run_unit, write_json
from xlt.data.build import MAX_UNREADABLE
from xlt.data.clips import audio_digest, write_wav
from xlt.data.corpora.debian import package_folder
from xlt.data.corpora.recipes import bring_up_to_date
from xlt.data.corpora.sounds import SUFFIXES
from xlt.data.sources import settings_of
from xlt.data.spans import TABLE as SPANS
from xlt.data.spans import Taken
from xlt.data.unlabelled import Recording, pieces, recordings
from xlt.formats.pretrained import hours
from xlt.formats.tables import read_scp, read_table, spk2utt, write_table

SHORTEST_S = 0.5  # shorter clips are too short for a mask and what is around it
DEV = 50  # every fiftieth clip, by the hash of its samples, is heard only to measure
REASONS = {
    "unreadable": "not audio, or empty",
    "too short": f"shorter than {SHORTEST_S} s, or than data.min_dur_s",
    "duplicate": "the same audio as another one",
    "held out": "speech of a recording that dev or test of a recipe has clips of",
}
_TABLES = ("wav.scp", "utt2spk", "utt2dur", "utt2lang", "utt2audio")
_TEXTS = {".txt", ".tsv", ".csv", ".jsonl", ".xlsx", ".textgrid", ".eaf", ".srt", ".vtt", ".cha", ".lab"}
_UNREAD = "a pre-training learns from sound alone"


class Recipe(NamedTuple):
    """A recipe whose data are read. ``name``: as the setting spells it, e.g. ../ron."""

    name: str
    folder: Path
    lang: str

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def held_out(self) -> dict[str, list[str]]:
        """``{set: utterances}`` of data/all that are not training speech."""
        found: dict[str, list[str]] = {}
        for utt, name in read_table(self.data / "all" / "utt2split").items():
            if name != "train":
                found.setdefault(name, []).append(utt)
        return found

    def further(self) -> list[Path]:
        """The folders of sets from other corpora, which its tests read as well."""
        own = re.compile(r"train|unlabelled|empty|all$")
        places = (path.parent for path in sorted(self.data.glob("*/utt2audio")))
        return [place for place in places if not own.match(place.name) and place.name not in ("dev", "test")]


class Place(NamedTuple):
    """A folder of recordings. ``word``: what the ids of its clips begin with; ``given``: the setting that
    names it, with the value.
    """

    word: str
    folder: Path
    given: str


class Clip(NamedTuple):
    """A clip to learn from."""

    speaker: str
    lang: str
    wav: str
    seconds: float
    audio: str


def run(ctx: Context, fingerprint: Callable[[Path], str]) -> None:
    """Make data/all, and data/train and data/dev of it. ``fingerprint``: changes when a folder does."""
    check(ctx)
    recipes, targets = _recipes(ctx, "recipes"), _recipes(ctx, "held_out")
    if ctx.dry_run and not all((recipe.data / "all" / "stage.json").exists() for recipe in recipes + targets):
        say("data: would make data/all, data/train and data/dev of the speech of other recipes")
        return
    everything, folders = ctx.everything, ctx.cfg.pretrain.folders
    config = {
        **ctx.cfg.section("pretrain.recipes", "pretrain.folders", "pretrain.packages", "pretrain.held_out"),
        **ctx.cfg.section("data.min_dur_s", "data.max_dur_s", "data.allow_pipes"),
        "recordings": [fingerprint(Path(str(folder))) for folder in folders],
    }
    inputs = [recipe.data / "all" for recipe in recipes]
    inputs += [recipe.data / "all" / table for recipe in targets for table in ("utt2split", "utt2audio")]
    inputs += [place / "utt2audio" for recipe in recipes + targets for place in recipe.further()]
    make = functools.partial(collect, ctx, recipes, targets)
    run_unit(ctx, Unit("data", everything, config, inputs, make))
    if ctx.dry_run and not everything.exists():
        return
    for name in ("train", "dev"):
        own = functools.partial(_set, everything, name)
        run_unit(ctx, Unit("data", ctx.data / name, {}, [everything], own))


def check(ctx: Context) -> None:
    """ConfigError unless the settings name speech, and none of what a recogniser has."""
    cfg = ctx.cfg
    if not (cfg.pretrain.recipes or cfg.pretrain.folders or cfg.pretrain.packages):
        raise ConfigError(
            "pretrain.recipes=[]: no speech to learn from; name recipes, pretrain.folders with recordings, or"
            " pretrain.packages"
        )
    for name in ("data.reader", "data.sources", "train.unlabelled", "train.teacher", "train.init"):
        if (value := cfg.as_given(name)) is not None:
            raise ConfigError(
                f"{name}={value}: not for a pre-training (pretrain.method={cfg.pretrain.method}); name"
                " speech in pretrain.recipes or pretrain.folders"
            )
    for given in cfg.as_given("pretrain.folders"):
        if not (cfg.recipe / os.path.expanduser(str(given))).is_dir():
            raise ConfigError(
                f"pretrain.folders={given}: no such folder; name a folder of sound files or a Kaldi directory"
                " (wav.scp)"
            )


def _recipes(ctx: Context, key: str) -> list[Recipe]:
    """The recipes that a setting names; stage 1 is run in those that have no data yet."""
    found = []
    setting = f"pretrain.{key}"
    for name in ctx.cfg.as_given(setting):
        own = settings_of(str(name), ctx.cfg, setting)
        folder = ctx.recipe / str(name)
        if not (folder / "data" / "all" / "stage.json").exists():
            say(f"data: {name} has no data yet")
            bring_up_to_date(str(name), own, ctx, setting)
        found.append(Recipe(str(name), folder, own.language))
    return found


def _places(ctx: Context) -> Iterator[Place]:
    """The folders of recordings; packages are fetched and unpacked into the cache."""
    given = [
        (str(name), Path(str(place)), "pretrain.folders")
        for name, place in zip(ctx.cfg.as_given("pretrain.folders"), ctx.cfg.pretrain.folders, strict=True)
    ]
    for package in map(str, ctx.cfg.pretrain.packages):
        folder = package_folder(ctx.cfg, package, _is_sound, "sound files")
        given.append((package, folder, "pretrain.packages"))
    taken: Counter[str] = Counter()
    for name, folder, setting in given:
        word = re.sub(r"\W+", "_", Path(name).name) or "recordings"
        taken[word] += 1
        yield Place(word + (str(taken[word]) if taken[word] > 1 else ""), folder, f"{setting}={name}")


def _is_sound(path: str) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


class HeldOut:
    """The clips that recipes are tested on: by their samples, and by their sound, which another format
    keeps.
    """

    def __init__(self, recipes: list[Recipe], by_sound: bool):
        self.by_hash: dict[str, tuple[str, str]] = {}
        self.clips: list[tuple[str, str, str]] = []  # utterance, set, file
        spans: dict[str, str] = {}
        for recipe in recipes:
            everything = recipe.data / "all"
            tested = {utt for utts in recipe.held_out().values() for utt in utts}
            rows = read_table(everything / SPANS) if (everything / SPANS).exists() else {}
            spans |= {f"{utt} of {recipe.name}": span for utt, span in rows.items() if utt in tested}
            parts = [(everything, name, utts) for name, utts in recipe.held_out().items()]
            parts += [
                (place, place.name, list(read_table(place / "utt2audio"))) for place in recipe.further()
            ]
            for place, name, utts in parts:
                audio, waves = read_table(place / "utt2audio"), read_scp(place / "wav.scp", recipe.folder)
                where = f"{name} of {recipe.name}"
                self.by_hash |= {audio[utt]: (utt, where) for utt in utts}
                self.clips += [(utt, where, waves[utt]) for utt in utts]
        self.parts = Taken(spans)
        self.known = None
        if by_sound:
            self.known = Known(len(self.clips), lambda number: bands(read_wav(self.clips[number][2])))

    def of(self, audio: str, samples: np.ndarray | None = None) -> tuple[str, str] | None:
        """The held-out utterance with these samples (N,), int16, or with the same sound, and its set."""
        if audio in self.by_hash or samples is None or self.known is None:
            return self.by_hash.get(audio)
        number = self.known.find(bands(samples / np.float32(32768)))
        return None if number is None else self.clips[number][:2]


def collect(ctx: Context, recipes: list[Recipe], targets: list[Recipe], out: Path) -> dict:
    """Write data/all; returns counts. DataError if a held-out clip is among the speech, if most of a folder
    cannot be read, or if nothing is left.
    """
    places = list(_places(ctx))
    held_out = HeldOut(list(dict.fromkeys(recipes + targets)), by_sound=bool(places))
    gathered = _Gathered(ctx, held_out)
    for recipe in recipes:
        gathered.take_recipe(recipe)
    (out / "wav").mkdir(exist_ok=True)
    for place in places:
        gathered.take_folder(place, out)
    gathered.refuse()
    return gathered.write(out)


class _Gathered:
    """The clips found so far, and those that are left out, by reason."""

    def __init__(self, ctx: Context, held_out: HeldOut):
        self.ctx, self.held_out = ctx, held_out
        self.clips: dict[str, Clip] = {}
        self.left_out: dict[str, list[str]] = {reason: [] for reason in REASONS}
        self.first: set[str] = set()
        self.tested: list[tuple[str, str, str, str]] = []  # setting, clip, utterance, set
        self.minutes: dict[str, float] = {}
        self.shortest_s = max(SHORTEST_S, ctx.cfg.data.min_dur_s)

    def _add(self, utt: str, clip: Clip) -> bool:
        if clip.seconds < self.shortest_s:
            self.left_out["too short"].append(utt)
        elif clip.audio in self.first:
            self.left_out["duplicate"].append(utt)
        else:
            self.first.add(clip.audio)
            self.clips[utt] = clip
            source = utt.partition("-")[0]
            self.minutes[source] = self.minutes.get(source, 0.0) + clip.seconds / 60
            return True
        return False

    def take_recipe(self, recipe: Recipe) -> None:
        """Its training speech, where it is."""
        tables = {table: read_table(recipe.data / "all" / table) for table in (*_TABLES, "utt2split")}
        word = re.sub(r"\W+", "_", recipe.folder.name)
        before = len(self.clips)
        for utt, name in tables["utt2split"].items():
            if name != "train":
                continue
            audio = tables["utt2audio"][utt]
            if found := self.held_out.of(audio):
                self.tested.append((f"pretrain.recipes={recipe.name}", utt, *found))
                continue
            wav = os.path.normpath(os.path.join(recipe.name, tables["wav.scp"][utt]))
            speaker, lang = f"{word}-{tables['utt2spk'][utt]}", tables["utt2lang"][utt]
            self._add(f"{word}-{utt}", Clip(speaker, lang, wav, float(tables["utt2dur"][utt]), audio))
        self._say(recipe.name, before, "its training speech; texts are not read")

    def take_folder(self, place: Place, out: Path) -> None:
        """The recordings in a folder, as 16-kHz clips of at most 20 s in ``out/wav``."""
        cfg, before, folder = self.ctx.cfg, len(self.clips), place.folder
        found = recordings(folder, cfg, _UNREAD)
        if not (folder / "wav.scp").exists() and (texts := _text_files(folder)):
            more = f" and {len(texts) - 1} more files" if len(texts) > 1 else ""
            say(f"  note: {folder} may have texts ({texts[0]}{more}), which are not read: {_UNREAD}")
        unreadable: dict[str, DataError] = {}
        with Progress("decoding", len(found), "recordings") as bar:
            for one in found:
                own = Recording(_renamed(one.id, place.word), _renamed(one.speaker, place.word), *one[2:])
                for utt, start_s, samples in pieces(own, cfg, unreadable, out):
                    if self.held_out.parts.of(own.path, start_s, start_s + len(samples) / SAMPLE_RATE):
                        self.left_out["held out"].append(utt)
                        continue
                    audio = audio_digest(samples)
                    if tested := self.held_out.of(audio, samples):
                        self.tested.append((place.given, utt, *tested))
                        continue
                    wav = self.ctx.display_path(self.ctx.everything / "wav" / f"{utt}.wav")
                    clip = Clip(own.speaker, cfg.language, wav, len(samples) / SAMPLE_RATE, audio)
                    if self._add(utt, clip):
                        write_wav(out / "wav" / f"{utt}.wav", samples)
                bar.add()
        self.left_out["unreadable"] += list(unreadable)
        if unreadable and len(unreadable) > MAX_UNREADABLE * len(found):
            raise DataError(
                f"{place.given}: {len(unreadable)} of {len(found)} recordings cannot be read, first"
                f" {next(iter(unreadable))!r}; copy them again, or name a folder of recordings"
            )
        self._say(place.given.partition("=")[2], before, "recordings")

    def _say(self, what: str, before: int, kind: str) -> None:
        new = list(self.clips.values())[before:]
        minutes = sum(clip.seconds for clip in new) / 60
        say(f"  {what}: {len(new)} clips, {minutes:.1f} minutes of {kind}")

    def refuse(self) -> None:
        """DataError for what must not be learned from, and if there is nothing."""
        if self.tested:
            setting, utt, other, name = self.tested[0]
            raise DataError(
                f"{setting}: {len(self.tested)} clips are held-out utterances, first {utt!r}, which is"
                f" {other!r} in {name}; take them out: an encoder must not learn from what its users are"
                " tested on"
            )
        if len(self.clips) < 2:
            counts = ", ".join(f"{reason} {len(ids)}" for reason, ids in self.left_out.items() if ids)
            raise DataError(
                f"pretrain.recipes={self.ctx.cfg.as_given('pretrain.recipes')}: nothing is left to learn"
                f" from. Left out: {counts or 'nothing'}; name other recipes, or more recordings"
            )

    def write(self, out: Path) -> dict:
        """Write the tables and report.json; returns counts."""
        place = {
            utt: "dev" if int(clip.audio[:8], 16) % DEV == 0 else "train" for utt, clip in self.clips.items()
        }
        if len(set(place.values())) < 2:  # few clips: the one with the smallest hash
            place = dict.fromkeys(place, "train")
            place[min(self.clips, key=lambda utt: self.clips[utt].audio)] = "dev"
        tables = {
            "wav.scp": {utt: clip.wav for utt, clip in self.clips.items()},
            "utt2spk": {utt: clip.speaker for utt, clip in self.clips.items()},
            "utt2dur": {utt: f"{clip.seconds:.4f}" for utt, clip in self.clips.items()},
            "utt2lang": {utt: clip.lang for utt, clip in self.clips.items()},
            "utt2audio": {utt: clip.audio for utt, clip in self.clips.items()},
            "utt2split": place,
        }
        for table, rows in tables.items():
            write_table(out / table, rows)
        minutes = sum(self.minutes.values())
        report = {reason: sorted(ids) for reason, ids in self.left_out.items() if ids}
        sources = {name: round(value, 3) for name, value in self.minutes.items()}
        facts = {"utterances": len(self.clips), "minutes": round(minutes, 3)}
        write_json(out / "report.json", {**facts, "sources": sources, "left_out": report})
        say(f"  {len(self.clips)} clips, {hours(minutes / 60)} in all")
        for reason, ids in report.items():
            say(f"  {len(ids):6} left out: {REASONS[reason]} ({ids[0]} …)")
        return facts


def _renamed(name: str, source: str) -> str:
    """``unlabelled-a`` → ``source-a``, and ``unlabelled`` alone → ``source``."""
    rest = name.removeprefix("unlabelled").removeprefix("-")
    return f"{source}-{rest}" if rest else source


def _text_files(place: Path) -> list[str]:
    """Files below a folder that may hold texts of its sounds."""
    found = (path for path in sorted(place.rglob("*")) if path.suffix.lower() in _TEXTS and path.is_file())
    return [path.relative_to(place).as_posix() for path in found]


def _set(everything: Path, name: str, out: Path) -> dict:
    utts = [utt for utt, part in read_table(everything / "utt2split").items() if part == name]
    for table in _TABLES:
        rows = read_table(everything / table)
        write_table(out / table, {utt: rows[utt] for utt in utts})
    write_table(out / "spk2utt", spk2utt(read_table(out / "utt2spk")))
    minutes = sum(map(float, read_table(out / "utt2dur").values())) / 60
    return {"utterances": len(utts), "minutes": round(minutes, 3)}
