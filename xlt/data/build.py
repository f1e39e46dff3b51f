"""Make data/all: decode, resample and filter a corpus, and count by reason whatever is left out."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from xlt.core import executor
from xlt.core.config import CROSS, Config
from xlt.core.errors import DataError
from xlt.core.log import Progress, say
from xlt.core.machine import need_room
from xlt.core.paths import plain, spelled
from xlt.core.registry import READERS
from xlt.core.stage import write_json
from xlt.data import folds, sets
from xlt.data.clips import Clip, Job
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.names import fault_of_id
from xlt.data.corpora.tagged import tagged
from xlt.data.groups import SPLITS, by_first_part, connect
from xlt.data.reasons import MEANINGS, REASONS, remedies
from xlt.data.spans import TABLE as SPANS
from xlt.data.spans import Span, overlaps, spans
from xlt.data.splits import (
    NEW_VOICES,
    assign,
    count_speakers,
    cross_validate,
    of_other_speakers,
    question,
)
from xlt.data.subsets import KNOWN, write_tags
from xlt.formats.tables import spk2utt, write_table
from xlt.text.normalise import has_digits, normalise, says_something

# readers of corpora whose published splits go by the hash alone; and join, where parts are split as they are
# by themselves
HASHED = {"tuxpaint", "festvox", "fillets", "asterisk", "join"}
MAX_UNREADABLE = 0.2  # a larger share means a damaged corpus, not a few bad clips


@dataclass
class Harvest:
    """A corpus on its way to data/all: what is kept of it, and by reason what is not.

    ``texts``: normalised, of the utterances whose text can be used; ``clips``: of those that were decoded;
    ``kept``: ids, in C order; ``parts``: fold and half of each, with ``data.split=cross``.
    """

    corpus: Corpus
    normaliser: str
    texts: dict[str, str] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: {reason: [] for reason in REASONS})

    def __post_init__(self) -> None:
        for reason, ids in self.corpus.left_out.items():
            self.left_out.setdefault(reason, []).extend(ids)

    @property
    def utterances(self) -> dict[str, Utterance]:
        """The utterances that are kept, in C order."""
        known = {utt.id: utt for utt in self.corpus.utterances}
        return {name: known[name] for name in self.kept}

    def spans(self) -> dict[str, Span]:
        """Where the kept utterances are, of those that are parts of recordings."""
        return spans(self.utterances, {name: self.clips[name].dur_s for name in self.kept})

    def remedies(self) -> dict[str, str]:
        """What to do about each reason for which utterances were left out."""
        texts = {utt.id: utt.text for utt in self.corpus.utterances}
        eaf = self.corpus.name == "ELAN"  # xlt align cuts its annotations, too
        whole = {utt.id for utt in self.corpus.utterances if eaf or utt.start_s is None}
        return remedies(self.left_out, texts, whole)

    def refuse_odd_ids(self) -> None:
        """DataError unless each id is the only one of its kind and can name a file."""
        name = self.corpus.name
        twice = [utt for utt, count in Counter(utt.id for utt in self.corpus.utterances).items() if count > 1]
        if twice:
            raise DataError(f"{name}: {len(twice)} duplicate utterance ids, first {twice[0]!r}; rename one")
        for utt in self.corpus.utterances:
            for what, word in (("an utterance", utt.id), ("a speaker", utt.speaker)):
                if fault := fault_of_id(word):
                    raise DataError(
                        f"{name}: {word[:80]!a} cannot be {what} id: it {fault}; use letters, digits, '-' and"
                        " '_'"
                    )

    def normalise(self, digits: bool) -> None:
        """Find the texts that can be used; those with digits are if ``digits`` says so."""
        for utt in self.corpus.utterances:
            text = normalise(utt.text, self.normaliser)
            if not says_something(text):
                self.left_out["empty text"].append(utt.id)
            elif has_digits(text) and not digits:
                self.left_out["digits"].append(utt.id)
            else:
                self.texts[utt.id] = text

    def decode(self, folder: Path, cfg: Config) -> None:
        """Write the clips with a usable text into ``folder``."""
        utts = sorted((u for u in self.corpus.utterances if u.id in self.texts), key=lambda u: u.id.encode())
        need_room(folder, 0, len(utts), "the clips", "free some, or put the recipe on another file system")
        work = [Job(utt, folder / f"{utt.id}.wav", cfg.data.max_dur_s) for utt in utts]
        found = executor.run("decode_clips", None, work, executor.workers_of(cfg, cfg.jobs), keep=folder)
        with Progress("decoding", len(utts), "clips") as bar:
            for utt, clip in zip(utts, found, strict=True):
                self.clips[utt.id] = clip
                bar.add()

    def choose(self, cfg: Config) -> None:
        """Keep what is within the limits and there once; DataError if too much cannot be read."""
        within = []
        for name, clip in self.clips.items():
            reason = _why_not(clip, self.texts[name], cfg)
            if reason is None:
                within.append(name)
            else:
                self.left_out[reason].append(name)
        self._refuse_unreadable()
        same: dict[str, list[str]] = defaultdict(list)
        for name in within:
            same[self.clips[name].audio].append(name)
        for names in same.values():
            if len({self.texts[name] for name in names}) > 1:
                self.left_out["one clip, several texts"] += names
            else:
                self.kept.append(names[0])
                self.left_out["duplicate"] += names[1:]
        self.kept.sort(key=str.encode)

    def _refuse_unreadable(self) -> None:
        """DataError if more than a few clips cannot be read; only what is damaged makes a damaged corpus."""
        bad: list[str] = []
        foreign: list[str] = []
        for name in self.left_out["unreadable"]:
            (foreign if self.clips[name].foreign else bad).append(name)
        if bad + foreign and len(bad + foreign) > MAX_UNREADABLE * len(self.clips):
            damaged = len(bad) >= len(foreign)
            first = (bad if damaged else foreign)[0]
            remedy = "; the corpus is damaged: fetch or unpack it again" if damaged else ""
            raise DataError(
                f"{self.corpus.name}: {len(bad + foreign)} of {len(self.clips)} clips cannot be read, first:"
                f" {self.clips[first].error}{remedy}"
            )

    def sharing(self) -> list[tuple[str, str]]:
        """Pairs of kept utterances that share speech of a recording."""
        return [(a, b) for a, b, _ in overlaps(self.spans())]

    def groups(self, joined: bool = False) -> dict[str, str]:
        """``{utterance: group}``: what has the same text, the same content or shares speech is one group.
        ``joined``: the first of data.parts is split as it is by itself.
        """
        utts = self.utterances
        links: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name, utt in utts.items():
            links["text", self.texts[name]].append(utt.content)
        for a, b in self.sharing():
            links["overlap", f"{a} {b}"] += [utts[a].content, utts[b].content]
        groups = connect({utt.content for utt in utts.values()}, links.values())
        if joined:
            part = {name: k for k, name in enumerate(u.tags["corpus"] for u in self.corpus.utterances)}
            groups = by_first_part(groups, ((part[u.tags["corpus"]], u.content) for u in utts.values()))
        return {name: groups[utt.content] for name, utt in utts.items()}

    def as_set(self, name: str, heard: Container[str]) -> tuple[dict[str, str], dict[str, str], dict]:
        """As :meth:`split`, with everything in the set ``name`` but the texts that train has, ``heard``."""
        self.left_out["in train"] += [utt for utt in self.kept if self.texts[utt] in heard]
        self.kept = [utt for utt in self.kept if self.texts[utt] not in heard]
        count = len({utt.speaker for utt in self.utterances.values()})
        how = {"by": "set", "why": f"all of it is {name}", "speakers": {name: count}}
        return dict.fromkeys(self.kept, name), self.groups(), how

    def split(self, cfg: Config) -> tuple[dict[str, str], dict[str, str], dict]:
        """``{utterance: set}``, ``{utterance: group}`` and how it was done; what no set may have goes."""
        utts, group_of = self.utterances, self.groups(cfg.data.reader == "join")
        try:
            durations = {name: self.clips[name].dur_s for name in utts}
            sized = cfg.data.reader not in HASHED
            if cfg.data.split == CROSS:
                utt2split, self.parts, how = cross_validate(utts, durations, group_of, cfg.data.folds)
            else:
                utt2split, how = assign(utts, durations, group_of, cfg.data.split, self.sharing(), sized)
        except DataError as err:
            raise DataError(f"{self.corpus.name}: {err}") from None
        self.left_out["in train"] += [name for name in utts if name not in utt2split]
        if cfg.data.train_speakers is not None:
            others = set(of_other_speakers(utt2split, utts, cfg.data.train_speakers))
            self.left_out["another speaker"] += others
            utt2split = {name: part for name, part in utt2split.items() if name not in others}
            how |= {"speakers": count_speakers(utt2split, utts), "question": question(utt2split, utts)}
        self.kept = [name for name in self.kept if name in utt2split]
        return utt2split, {name: group_of[name] for name in self.kept}, how


def _why_not(clip: Clip, text: str, cfg: Config) -> str | None:
    """The reason to leave out a decoded clip, or None."""
    rate = len(text) / clip.dur_s if clip.dur_s else 0.0
    checks = {
        "cut short": bool(clip.cut),
        "unreadable": bool(clip.error),
        "too long": clip.too_long or clip.dur_s > cfg.data.max_dur_s,
        "too short": clip.dur_s < cfg.data.min_dur_s,
        "too fast": rate > cfg.data.max_chars_per_s,
        "too slow": rate < cfg.data.min_chars_per_s,
    }
    return next((reason for reason, holds in checks.items() if holds), None)


def build(
    cfg: Config,
    normaliser: str,
    out: Path,
    final: str,
    only: str | None = None,
    heard: Container[str] = (),
) -> dict:
    """Write ``out``, which ``final`` will be, seen from the recipe; returns counts. DataError if the corpus
    cannot be used, ConfigError if it lacks a set that is asked for; both before anything is decoded, where
    that can be known.

    ``only``: the set that the whole corpus is, without the texts ``heard``; None = it is split.
    """
    corpus: Corpus = READERS.get(str(cfg.data.reader))(cfg)
    corpus.utterances = tagged(corpus.utterances, cfg.data.tags)
    harvest = Harvest(corpus, normaliser)
    if only is None:
        named = {utt.split for utt in corpus.utterances if utt.split}
        sets.refuse_reserved(named, cfg, corpus.name)
        sets.require(cfg, named, corpus.name, corpus.unread)
    harvest.refuse_odd_ids()
    harvest.normalise(cfg.data.digits == "keep")
    (out / "wav").mkdir(exist_ok=True)
    harvest.decode(out / "wav", cfg)
    harvest.choose(cfg)
    utt2split: dict[str, str] = {}
    if harvest.kept:
        utt2split, groups, how = harvest.as_set(only, heard) if only else harvest.split(cfg)
    for utt in set(harvest.clips) - set(harvest.kept):
        (out / "wav" / f"{utt}.wav").unlink(missing_ok=True)
    if not harvest.kept:
        raise DataError(f"{corpus.name}: no utterance is left{_why_nothing(harvest)}")
    _write_tables(harvest, cfg, utt2split, groups, out, final)
    report = _report(harvest, cfg, utt2split, groups, how)
    write_json(out / "report.json", report)
    _tell(report, harvest, os.path.join(final, "report.json"), cfg.decode.sets)
    return {"utterances": report["kept"], "minutes": report["minutes"]["all"]}


def _why_nothing(harvest: Harvest) -> str:
    """How many utterances each reason took, and what to do about the first three of these reasons."""
    counts = {reason: len(ids) for reason, ids in harvest.left_out.items() if ids}
    if not counts:
        return ": the corpus has none; name another one in data.dir"
    most = sorted(counts, key=lambda reason: -counts[reason])[:3]
    remedies = harvest.remedies()
    return f". Left out: {', '.join(f'{reason} {count}' for reason, count in counts.items())}; " + "; ".join(
        f"{reason}: {remedies[reason]}" for reason in most
    )


def _own_path(audio: Path, cfg: Config) -> str:
    """A sound file as the user's own corpus names it, seen from its folder; else as the recipe does. It is to
    be read: what a table cannot hold is shown otherwise.
    """
    name = spelled(audio, cfg.recipe)
    for part in [*(cfg.data.parts or []), {"dir": cfg.data.dir}]:
        if isinstance(part, dict) and part.get("dir"):
            place = Path(part["dir"])
            folder = place.parent if place.is_file() else place
            if audio.is_relative_to(folder):
                name = str(audio.relative_to(folder))
                break
    return " ".join(os.fsencode(name).decode("utf-8", "replace").split())


def _write_tables(
    harvest: Harvest, cfg: Config, utt2split: dict[str, str], groups: dict[str, str], out: Path, final: str
) -> None:
    """The Kaldi directory: its tables, ``utt2split``, ``utt2group``, ``utt2content`` and the tags."""
    utts, clips = harvest.utterances, harvest.clips
    speakers = {name: utt.speaker for name, utt in utts.items()}
    tables = {
        "text": {name: harvest.texts[name] for name in utts},
        "text_raw": {name: " ".join(utt.text.split()) for name, utt in utts.items()},
        "wav.scp": {name: f"{final}/wav/{name}.wav" for name in utts},
        "utt2spk": speakers,
        "spk2utt": spk2utt(speakers),
        "utt2dur": {name: f"{clips[name].dur_s:.4f}" for name in utts},
        "utt2lang": {name: utt.lang for name, utt in utts.items()},
        "utt2audio": {name: clips[name].audio for name in utts},
        "utt2format": {name: clips[name].format for name in utts},
        "utt2group": {name: group.replace(" ", "_") for name, group in groups.items()},
        "utt2content": {name: utt.content for name, utt in utts.items()},
        "utt2split": utt2split,
    }
    for table, rows in tables.items():
        write_table(out / table, rows)
    parts = {
        SPANS: {name: str(span) for name, span in harvest.spans().items()},
        folds.TABLE: {name: harvest.parts[name] for name in utts if name in harvest.parts},
        "utt2row": {name: utt.where for name, utt in utts.items() if utt.where},
        "utt2path": {name: _own_path(utt.audio, cfg) for name, utt in utts.items() if utt.where},
    }
    write_tags(parts, utts, out)
    _write_tags(harvest.corpus, utts, out)


def _report(
    harvest: Harvest, cfg: Config, utt2split: dict[str, str], groups: dict[str, str], how: dict
) -> dict:
    """What data/all/report.json says; minutes are of speech."""
    counts = Counter(utt2split.values())
    names = [*(SPLITS if how["by"] != "set" else ()), *sorted(set(counts) - set(SPLITS))]
    seconds: dict[str, float] = defaultdict(float)
    for utt, name in utt2split.items():
        seconds[name] += harvest.clips[utt].dur_s
    minutes = {name: round(seconds[name] / 60, 3) for name in names}
    left_out = {reason: sorted(ids) for reason, ids in harvest.left_out.items() if ids}
    corpus = harvest.corpus
    return {
        "corpus": corpus.name,
        "facts": corpus.facts,
        "lang": cfg.lang,
        "normaliser": harvest.normaliser,
        "seen": len(harvest.kept) + sum(map(len, left_out.values())),
        "kept": len(harvest.kept),
        "groups": len(set(groups.values())),
        "split": how,
        "minutes": {"all": round(sum(minutes.values()), 3), **minutes},
        "utterances": {name: counts[name] for name in names},
        "left_out": left_out,
        "reasons": {reason: MEANINGS.get(reason, reason) for reason in left_out},
        "remedies": harvest.remedies(),
        "unreadable": {
            utt: plain(harvest.clips[utt].error, cfg.recipe)
            for utt in harvest.left_out["unreadable"] + harvest.left_out["cut short"]
        },
        "rows": {utt.id: utt.where for utt in corpus.utterances if utt.where and utt.id not in utt2split},
        "headers": {name: clip.header for name in harvest.kept if (clip := harvest.clips[name]).header},
        "notes": {name: clip.note for name in harvest.kept if (clip := harvest.clips[name]).note},
    }


def _tell(report: dict, harvest: Harvest, path: str, asked: list) -> None:
    """What a person wants to know of stage 1: how much was kept, what was not, and how it was split."""
    dropped = report["seen"] - report["kept"]
    say(
        f"  {report['corpus']}, {report['lang']}: {report['seen']} items, {report['kept']} kept"
        f" ({report['minutes']['all']:.1f} minutes, {report['groups']} groups), {dropped} left out"
        + (":" if dropped else "")
    )
    for reason, ids in harvest.left_out.items():
        if ids:
            meaning = f"{MEANINGS[reason]}; " if reason in MEANINGS else ""
            first = report["rows"].get(ids[0], ids[0])
            say(f"  {len(ids):6} {reason:24} {meaning}{report['remedies'][reason]} (first: {first})")
    if odd := report["headers"]:
        first = next(iter(odd))
        say(
            f"  {len(odd)} clips are of sound files with a wrong length in their header, which were read to"
            f" their end; first: {first}: {odd[first]}"
        )
    if odd := report["notes"]:
        first = next(iter(odd))
        say(f"  {len(odd)} clips are of sound files to look at; first: {first}: {odd[first]}")
    how = report["split"]
    speakers = ", ".join(f"{part} {n}" for part, n in how["speakers"].items())
    by = f"{how['folds']} folds by {how['by']}" if "folds" in how else f"split by {how['by']}"
    say(f"  {by}: {how['why']} ({speakers} speakers)")
    if "question" in how:
        most = ", ".join(f"{speaker} {100 * share:.0f}%" for speaker, share in how["largest"].items())
        say(f"  test has {how['question']}; most of the speech is by {most}")
    if NEW_VOICES in report["utterances"] and NEW_VOICES not in asked:
        say(f"  to score new voices as well: decode.sets=[{','.join(map(str, [*asked, NEW_VOICES]))}]")
    if unread := harvest.corpus.unread:
        listed = ", ".join(f"{name} ({count})" for name, count in unread.items())
        say(f"  the corpus has further sets, which decode.sets can ask for: {listed}")
    say(f"  all ids are in {path}")


def _write_tags(corpus: Corpus, utts: dict[str, Utterance], out: Path) -> None:
    """``utt2accent`` and the like, with the utterances that have the tag."""
    for tag in sorted({tag for utt in utts.values() for tag in utt.tags}):
        table = f"utt2{tag}"
        if not re.fullmatch("[a-z0-9_]+", tag) or table in KNOWN:
            raise DataError(
                f"{corpus.name}: {tag!r} cannot be a tag: {table} is reserved or not a plain file name;"
                " rename the tag"
            )
        rows = {name: " ".join(utt.tags[tag].split()) for name, utt in utts.items() if tag in utt.tags}
        write_table(out / table, {name: value for name, value in rows.items() if value})
