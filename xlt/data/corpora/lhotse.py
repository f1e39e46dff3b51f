"""Lhotse manifests: recordings and supervisions, or cuts; `lhotse prepare` calls them
``[NAME_]recordings[_PART].jsonl.gz`` ….

``data.dir`` is the folder of the manifests or one of them. PART tells the set (train-clean-100 is train, eval
is test); ``data.splits`` tells it where the names do not. Every supervision is an utterance, on its own
channel.
"""

# no `from __future__ import annotations`: typing tells NotRequired only where annotations are no strings

import gzip
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from xlt.core import jsons
from xlt.core.config import Config
from xlt.core.errors import ConfigError, DataError
from xlt.data import sets
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, is_archive, listing
from xlt.data.corpora.kaldi import base
from xlt.data.corpora.names import SET_OF, clean, names_language, speaker_ids
from xlt.formats import typed
from xlt.text import languages

_MANIFEST = re.compile(
    r"(?:(?P<name>.+?)_)?(?P<kind>recordings|supervisions|cuts)(?:[_-](?P<part>.+?))?\.jsonl?(?:\.gz)?"
)
_KEYS = re.compile(
    r'"(sources|recording_id|supervisions|tracks)"'
)  # one of them is in every entry of a manifest
_EXPECTED = "NAME_recordings_PART.jsonl.gz with NAME_supervisions_PART.jsonl.gz, or NAME_cuts_PART.jsonl.gz"
_HARMLESS = {"Resample"}  # audio is resampled in any case


class _Source(TypedDict):
    type: str
    channels: list[int]
    source: str


class _Recording(TypedDict):
    id: str
    sources: list[_Source]
    duration: float


class _Supervision(TypedDict):
    id: str
    recording_id: str
    start: float
    duration: float
    text: NotRequired[str | None]
    language: NotRequired[str | None]
    speaker: NotRequired[str | None]
    gender: NotRequired[str | None]
    custom: NotRequired[dict[str, Any] | None]


class _Entry(TypedDict):
    """What is read of an entry, of whichever kind; lhotse itself takes any value."""

    id: str
    start: NotRequired[float]
    duration: NotRequired[float]
    sources: NotRequired[list[_Source]]
    recording_id: NotRequired[str]
    recording: NotRequired[_Recording | None]
    supervisions: NotRequired[list[_Supervision]]
    text: NotRequired[str | None]
    language: NotRequired[str | None]
    speaker: NotRequired[str | None]
    gender: NotRequired[str | None]
    custom: NotRequired[dict[str, Any] | None]


Manifests = dict[str, dict[str, Path]]  # {part: {kind: file}}


def recognise(place: Path) -> bool:
    """Whether ``place`` is a manifest, or a folder or archive with some; the start of one is read."""
    if is_archive(place):
        return any(_MANIFEST.fullmatch(Path(name).name) for name in listing(place))
    try:
        found = [path for kinds in _manifests(place).values() for path in kinds.values()]
        with _opened(found[0]) as handle:
            start = handle.read(1 << 16)
    except (DataError, OSError, EOFError, zlib.error, IndexError, UnicodeDecodeError):
        return False
    return '"id"' in start and '"duration"' in start and bool(_KEYS.search(start))


def _opened(path: Path):
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _manifests(place: Path) -> Manifests:
    """The manifests in folder ``place``; of a file, itself and what belongs to it."""
    if place.is_file():
        hit = _MANIFEST.fullmatch(place.name)
        if hit is None or hit["kind"] == "cuts":
            return {"": {"cuts": place}} if ".jsonl" in place.suffixes or ".json" in place.suffixes else {}
        part = hit["part"] or ""
        return {part: {kind: path for kind, path in _manifests(place.parent)[part].items() if kind != "cuts"}}
    found: Manifests = defaultdict(dict)
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        if (hit := _MANIFEST.fullmatch(path.name)) and path.is_file():
            part, kind = hit["part"] or "", hit["kind"]
            if kind in found[part]:
                raise DataError(
                    f"{place}: {found[part][kind].name} and {path.name} are both {kind} of"
                    f" {part or 'everything'}; name one of them in data.dir, or keep each corpus in its own"
                    " folder"
                )
            found[part][kind] = path
    return dict(found)


def read(cfg: Config) -> Corpus:
    """Every supervision of ``cfg.lang`` that has text; DataError for manifests that cannot be used as they
    are.
    """
    place = corpus_place(cfg, _EXPECTED)
    found = {part: kinds for part, kinds in _manifests(place).items() if "cuts" in kinds or len(kinds) > 1}
    if not found:
        raise DataError(f"data.dir: {place}: no manifests there; expected {_EXPECTED}")
    split_of = _splits(found, cfg, place)
    corpus = Corpus(
        "lhotse",
        [],
        {"audio without text": [], "text without audio": [], "another language": []},
        {
            "licence": "that of the corpus",
            "manifests": sorted(p.name for k in found.values() for p in k.values()),
        },
        {part: _count(kinds) for part, kinds in found.items() if part not in split_of},
    )
    items = [
        (split_of[part], *item)
        for part, kinds in found.items()
        if part in split_of
        for item in _items(kinds, corpus)
    ]
    wanted = _wanted(cfg, place, {sup.language for _, _, sup, _ in items if sup.language})
    unnamed = 0
    speakers = speaker_ids(sup.speaker or recording.id for _, _, sup, recording in items)
    for split, where, sup, recording in items:
        if sup.language and wanted and sup.language not in wanted:
            corpus.left_out["another language"].append(sup.id)
        elif not _text(sup):
            corpus.left_out["audio without text"].append(sup.id)
        else:
            unnamed += not sup.speaker
            corpus.utterances.append(
                _utterance(cfg, split, where, sup, recording, speakers[sup.speaker or recording.id])
            )
    if unnamed:
        corpus.facts["speakers"] = f"{unnamed} utterances name none; there a recording counts as a speaker"
    return corpus


def _splits(found: Manifests, cfg: Config, place: Path) -> dict[str, str | None]:
    """``{part: its set, or None if all are to be split}``, without the parts that ``data.splits``
    leaves out. A part that is called like a further set of ``decode.sets`` is that set.
    """
    given, further = cfg.data.splits, sets.further(cfg)
    if given is not None:
        missing = sorted(map(str, given.keys() - found.keys()))
        if missing or not all(isinstance(name, str) and name for name in given.values()):
            raise ConfigError(
                f"data.splits: found {given}, expected parts and their sets, such as {{train-clean-100:"
                f" train, dev-clean: dev, test-clean: test}}; {place} has the parts"
                f" {', '.join(sorted(found))}"
            )
        return {part: given.get(part, part) for part in found if part in given or part in further}
    set_of: dict[str, str | None] = {}
    for part in found:
        words = [SET_OF[word] for word in re.findall("[a-z]+", part.lower()) if word in SET_OF]
        set_of[part] = part if part in further else next(iter(words), None)
    if len(found) == 1 or not any(set_of.values()):
        return dict.fromkeys(found)
    odd = sorted(part or "(none)" for part in found if set_of[part] is None)
    if odd:
        there = ", ".join(sorted(part or "(none)" for part in found))
        raise DataError(
            f"{place}: has the parts {there}; {', '.join(odd)} tell no set. "
            "Say which is which: data.splits={PART: train, PART: dev, PART: test}"
        )
    return set_of


def _count(kinds: dict[str, Path]) -> int:
    """Lines of a part's manifest, which is not read otherwise."""
    with _opened(kinds["cuts"] if "cuts" in kinds else kinds["supervisions"]) as handle:
        return sum(1 for line in handle if line.strip())


def _lines(path: Path) -> Iterator[tuple[str, Any]]:
    """``(file:line, item)`` of a manifest, as lhotse makes them."""
    from lhotse.serialization import deserialize_item

    where = str(path)
    try:
        with _opened(path) as handle:
            whole = ".jsonl" not in path.suffixes
            for number, line in enumerate(jsons.parse(handle.read(), finite=True) if whole else handle, 1):
                where = f"{path}:{number}"
                if whole or line.strip():
                    entry = line if whole else jsons.parse(line, finite=True)
                    typed.check(entry, _Entry)
                    yield where, deserialize_item(entry)
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as err:
        raise DataError(f"{path}: damaged or cut off ({err}); make it again") from None
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as err:
        raise DataError(
            f"{where}: not an entry of a lhotse manifest "
            f"({type(err).__name__}: {err}); make it again with lhotse"
        ) from None


def _items(kinds: dict[str, Path], corpus: Corpus) -> Iterator[tuple[str, Any, Any]]:
    """``(file:line, supervision, recording)``, times from the recording's start; what lacks one of them is
    left out.
    """
    if not {"recordings", "supervisions"} <= kinds.keys():
        for where, cut in _lines(kinds["cuts"]):
            yield from _of_cut(where, cut, corpus)
        return
    recordings = {item.id: item for _, item in _lines(kinds["recordings"])}
    described = set()
    for where, sup in _lines(kinds["supervisions"]):
        described.add(sup.recording_id)
        if sup.recording_id in recordings:
            yield where, sup, recordings[sup.recording_id]
        else:
            corpus.left_out["text without audio"].append(sup.id)
    corpus.left_out["audio without text"] += [name for name in recordings if name not in described]


def _of_cut(where: str, cut: Any, corpus: Corpus) -> Iterator[tuple[str, Any, Any]]:
    from lhotse.cut import MixedCut, PaddingCut

    if isinstance(cut, MixedCut):
        heard = [track for track in cut.tracks if not isinstance(track.cut, PaddingCut)]
        if len(heard) != 1:
            raise DataError(
                f"{where}: cut {cut.id!r} is a mix of {len(heard)} tracks; give the cuts from before they"
                " were mixed"
            )
        cut = heard[0].cut
    if not hasattr(cut, "recording"):
        raise DataError(
            f"{where}: found a {type(cut).__name__}, expected a cut; name the manifest *_cuts_*,"
            " *_recordings_* or *_supervisions_*"
        )
    if cut.recording is None:
        raise DataError(
            f"{where}: cut {cut.id!r} has no recording, features at the most; give cuts with their recordings"
        )
    if not cut.supervisions:
        corpus.left_out["audio without text"].append(cut.id)
    for sup in cut.supervisions:
        inside = sup.trim(cut.duration)
        yield where, inside.with_offset(cut.start), cut.recording


def _wanted(cfg: Config, place: Path, named: set[str]) -> set[str]:
    """Those of the languages that supervisions name which are the recipe's; all where there is one only."""
    lang = languages.get(cfg.lang)
    hits = {name for name in named if names_language(name, lang)}
    if len(named) > 1 and not hits:
        raise DataError(
            f"{place}: supervisions are in {', '.join(sorted(named))}, none of which is known as {lang.code} "
            f"({lang.name}); write {lang.code} into their field language"
        )
    return hits


def _utterance(
    cfg: Config, split: str | None, where: str, sup: Any, recording: Any, speaker: str
) -> Utterance:
    named = [t["name"] if isinstance(t, dict) else type(t).__name__ for t in recording.transforms or []]
    if changed := [name for name in named if name not in _HARMLESS]:
        raise DataError(
            f"{where}: recording {recording.id!r} is changed by {', '.join(changed)}; give the manifest from"
            " before augmentation: features.speed makes further copies"
        )
    source, channel = _source(where, sup.channel, recording)
    if not 0 <= sup.start < sup.start + sup.duration:
        raise DataError(
            f"{where}: supervision {sup.id!r} is {sup.start:g}–{sup.start + sup.duration:g} s, expected "
            "0 <= start < end"
        )
    whole = sup.start == 0 and abs(sup.duration - recording.duration) < 0.001
    name = clean(sup.id)
    utt = (
        name if name.startswith(f"{speaker}-") else f"{speaker}-{name}"
    )  # sorted by id is then sorted by speaker
    folder = Path(where).parent
    command = source.source if source.type == "command" else None
    if command is not None and not cfg.data.allow_pipes:
        raise DataError(
            f"{where}: the audio of {recording.id!r} is a command; commands are run with"
            " data.allow_pipes=true only, since they can do all that you can: read them first, or write"
            " their output to files"
        )
    words = command.split() if command else [source.source]
    place = base(cfg.recipe, folder, *words)
    place = place if command else place / source.source
    start_s, end_s = (None, None) if whole else (sup.start, sup.start + sup.duration)
    own = (utt, speaker, languages.get(cfg.lang).code, _text(sup), place, utt)
    return Utterance(*own, start_s, end_s, split, _tags(sup), command, channel)


def _text(sup: Any) -> str:
    """The text; as it was before normalisation where `xlt export` has kept that."""
    return ((sup.custom or {}).get("text_raw") or sup.text or "").strip()


def _tags(sup: Any) -> dict[str, str]:
    """What the custom fields say in one line each, and the gender; the un-normalised text is no tag."""
    named = {"gender": sup.gender, **(sup.custom or {})}
    return {
        key: value
        for key, value in named.items()
        if isinstance(value, str)
        and value.strip()
        and re.fullmatch("[a-z][a-z0-9_]*", key)
        and not key.startswith("text")
    }


def _source(where: str, channel: int | list[int], recording: Any) -> tuple[Any, int | None]:
    """The source in which ``channel`` is, and its place there; None = all channels of the source,
    averaged.
    """
    wanted = set(channel) if isinstance(channel, list) else {channel}
    source = next((s for s in recording.sources if wanted & set(s.channels)), None)
    if source is None:
        has = sorted(c for s in recording.sources for c in s.channels)
        raise DataError(
            f"{where}: recording {recording.id!r} has the channels {has}, and channel {channel} is asked for"
        )
    if source.type not in ("file", "command"):
        raise DataError(
            f"{where}: the audio of {recording.id!r} is a {source.type}, not a file; write it to files: "
            "CutSet.save_audios of lhotse does it"
        )
    whole = len(source.channels) == 1 or wanted >= set(source.channels)
    return source, None if whole else source.channels.index(min(wanted & set(source.channels)))
