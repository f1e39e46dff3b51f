"""ELAN's ``.eaf`` files with their recordings: the annotations of one tier become utterances.

The speaker is the tier's participant. Annotations that refer to others have the times of those; several that
refer to the same one are its words, and are joined. A tier below another that is called ``confirmed``, as in
the templates of ``xlt suggest``, says which of its texts a person has confirmed; the others are left out.
"""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.data.corpora import Corpus, Utterance
from xlt.data.corpora.archive import corpus_place, listing
from xlt.data.corpora.names import span, speaker_ids, utterance_ids
from xlt.data.corpora.sounds import Sounds
from xlt.data.corpora.tiers import Piece, choose, not_set
from xlt.data.reasons import DRAFT, confirms, remedy
from xlt.formats.elan import CONFIRMED, LOCATION, Annotation
from xlt.text import languages, scripts

if TYPE_CHECKING:
    from pympi import Eaf

_EXPECTED = "a folder of .eaf files with their recordings, or one .eaf file"
_FILMS = {".mp4", ".m4v", ".mov", ".avi", ".mpg", ".mpeg", ".mkv", ".webm", ".mts", ".wmv"}


@dataclass(frozen=True)
class _Segment:
    """An annotation: its tier, times (seconds, None where a slot has no time), the text, the participant, and
    whether it is a draft that nobody has confirmed.
    """

    tier: str
    start_s: float | None
    end_s: float | None
    text: str
    speaker: str
    draft: bool = False


class _Found(NamedTuple):
    """A segment that can be used: its document, its recording, start and end (seconds), and the second of the
    recording at which such times begin.
    """

    path: Path
    segment: _Segment
    recording: Path
    times: tuple[float, float]
    origin_s: float

    @property
    def speaker(self) -> str:
        """The participant; the document's name where none is named."""
        return self.segment.speaker or self.path.stem


def recognise(place: Path) -> bool:
    """Whether ``place`` is, or has, an .eaf file."""
    return any(name.lower().endswith(".eaf") for name in listing(place))


def read(cfg: Config) -> Corpus:
    """The annotations of the tier ``data.tier`` of all .eaf files; those without text, times or recording are
    listed.
    """
    place = corpus_place(cfg, _EXPECTED)
    below = place.rglob("*") if place.is_dir() else [place]
    files = sorted(p for p in below if p.suffix.lower() == ".eaf" and p.name[0] != "." and p.is_file())
    if not files:
        raise DataError(f"{place}: no .eaf file in it; expected {_EXPECTED}")
    documents = {path: _parsed(path) for path in files}
    tiers = _chosen(documents, cfg, place)
    root = place if place.is_dir() else place.parent
    sounds = Sounds(root, cfg.recipe)
    left_out: dict[str, list[str]] = defaultdict(list)
    found: list[_Found] = []
    for path, eaf in documents.items():
        recording, origin_s = _recording(eaf, path, sounds)
        segments = [segment for tier in tiers[path] for segment in _segments(eaf, tier, path)]
        for number, segment in enumerate(segments, 1):
            start_s, end_s = segment.start_s, segment.end_s
            reason = _why_not(segment, recording)
            if reason or recording is None or start_s is None or end_s is None:
                left_out[str(reason)].append(f"{path.name}:{segment.tier}:{number}")
            else:
                found.append(_Found(path, segment, recording, (start_s, end_s), origin_s))
    if not found:
        raise DataError(_nothing(place, left_out, documents))
    chosen = sorted({tier for own in tiers.values() for tier in own})
    facts = {"licence": "your own", "files": len(files), "tiers": chosen}
    if not all(one.segment.speaker for one in found):
        facts["speakers"] = "tiers without a participant: one speaker a file"
    return Corpus("ELAN", _utterances(found, root, languages.get(cfg.lang).code), dict(left_out), facts)


def long_annotations(
    path: Path, tier: str | None, longest_s: float
) -> tuple[Path, list[tuple[int, Annotation]]]:
    """The recording of a document, and its annotations that are longer than ``longest_s``, each with its
    number in its tier: ``tier``, or the only one that has such. DataError if there is none, or no recording.
    """
    eaf = _parsed(path)
    recording, origin_s = _recording(eaf, path, Sounds(path.parent, path.parent))
    if recording is None:
        raise DataError(f"{path}: its recording is not there; put it beside the document, under its name")
    found: dict[str, list[tuple[int, Annotation]]] = {}
    for name in eaf.tiers if tier is None else [tier]:
        if name not in eaf.tiers:
            raise DataError(f"{path}: has no tier {tier}; it has {', '.join(eaf.tiers)}")
        for number, one in enumerate(_segments(eaf, name, path), 1):
            if one.text and one.start_s is not None and one.end_s is not None:
                if one.end_s - one.start_s > longest_s:
                    own = Annotation(one.start_s + origin_s, one.end_s + origin_s, one.text)
                    found.setdefault(name, []).append((number, own))
    if len(found) > 1:
        raise DataError(
            f"{path}: the tiers {', '.join(found)} have long annotations; name one, such as --tier"
            f" {next(iter(found))}"
        )
    if not found:
        raise DataError(
            f"{path}: no annotation is longer than {longest_s:g} s: there is nothing to align;"
            " data.reader=elan reads it as it is"
        )
    return recording, next(iter(found.values()))


def _utterances(found: list[_Found], root: Path, lang: str) -> list[Utterance]:
    """The utterances of segments; ids have the file, seen from ``root``, and the time."""
    speakers = speaker_ids(one.speaker for one in found)
    spans = []
    for one in found:
        inside = one.path.relative_to(root).with_suffix("").as_posix()
        name = f"{inside}-{span(*one.times)}"
        spans.append((speakers[one.speaker], name, one.segment.tier))
    utterances = []
    for name, one in zip(utterance_ids(spans), found, strict=True):
        start_s, end_s = (time_s + one.origin_s for time_s in one.times)
        own = (name, speakers[one.speaker], lang, one.segment.text, one.recording, name)
        utterances.append(Utterance(*own, start_s, end_s))
    return utterances


def _parsed(path: Path) -> Eaf:
    """The document by pympi; DataError if it is not one."""
    from pympi import Eaf

    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except xml.etree.ElementTree.ParseError as err:
        raise DataError(
            f"{path}:{err.position[0]}: not valid XML ({err}); open and save it in ELAN"
        ) from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise DataError(f"{path}: a document of the kind {root.tag}, expected ELAN's ANNOTATION_DOCUMENT")
    try:
        if LOCATION in root.attrib:
            return Eaf(str(path), suppress_version_warning=True)
        root.set(LOCATION, "")  # pympi wants it; tools other than ELAN leave it out
        with tempfile.NamedTemporaryFile(suffix=path.suffix) as whole:
            whole.write(xml.etree.ElementTree.tostring(root, encoding="utf-8"))
            whole.flush()
            return Eaf(whole.name, suppress_version_warning=True)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as err:
        raise DataError(
            f"{path}: not a complete ELAN file ({type(err).__name__}: {err}); open and save it in ELAN"
        ) from None


def _segments(eaf: Eaf, tier: str, path: Path) -> Iterator[_Segment]:
    """The annotations of a tier in order of time."""
    aligned, references, attributes, _ = eaf.tiers[tier]
    parts: dict[str, list[str]] = {name: [text] for name, (_, _, text, _) in aligned.items()}
    for name, (_, text, _, _) in references.items():
        parts.setdefault(_aligned(eaf, name, path), []).append(text)
    asked, confirmed = _confirmed(eaf, tier)
    found = []
    for name, texts in parts.items():
        start, end, *_ = eaf.tiers[eaf.annotations[name]][0][name]
        start_s, end_s = (_seconds(eaf, slot) for slot in (start, end))
        text = " ".join(word for text in texts if (word := " ".join(text.split())))
        draft = asked and name not in confirmed
        found.append(_Segment(tier, start_s, end_s, text, _participant(eaf, tier), draft))
    yield from sorted(found, key=lambda s: (s.start_s is None, s.start_s or 0.0))


def _confirmed(eaf: Eaf, tier: str) -> tuple[bool, set[str]]:
    """Whether a tier below ``tier`` says which of its annotations are confirmed, and these."""
    below = [name for name in eaf.tiers if _is_confirmed_tier(eaf, name, tier)]
    rows = [row for name in below for row in eaf.tiers[name][1].values()]
    return bool(below), {above for above, value, *_ in rows if confirms(value)}


def _is_confirmed_tier(eaf: Eaf, name: str, above: str | None = None) -> bool:
    """Whether the tier says which annotations of the one above it, or of ``above``, are confirmed."""
    parent = eaf.tiers[name][2].get("PARENT_REF")
    return name.partition("@")[0] == CONFIRMED and parent is not None and above in (None, parent)


def _seconds(eaf: Eaf, slot: str) -> float | None:
    """The time of a slot, None if it has none."""
    ms = eaf.timeslots.get(slot)
    return None if ms is None else ms / 1000


def _aligned(eaf: Eaf, name: str, path: Path) -> str:
    """The annotation with times to which ``name`` refers, perhaps through others."""
    seen = {name}
    while name not in eaf.tiers[eaf.annotations[name]][0]:
        above = eaf.tiers[eaf.annotations[name]][1][name][0]
        if above not in eaf.annotations or above in seen:
            raise DataError(
                f"{path}: annotation {name} refers to {above}, which is not there; open and save it in ELAN"
            )
        seen.add(above)
        name = above
    return name


def _participant(eaf: Eaf, tier: str) -> str:
    """The participant of a tier, or of the tiers above it; "" if none is named."""
    seen: set[str] = set()
    while tier in eaf.tiers and tier not in seen:
        attributes = eaf.tiers[tier][2]
        if name := attributes.get("PARTICIPANT", "").strip():
            return name
        seen.add(tier)
        tier = attributes.get("PARENT_REF", "")
    return ""


def _pieces(eaf: Eaf, path: Path) -> Iterator[Piece]:
    """The annotations with text of all tiers, those apart that say which texts are confirmed."""
    for tier in eaf.tiers:
        if not _is_confirmed_tier(eaf, tier):
            for one in _segments(eaf, tier, path):
                if one.text:
                    times = (one.start_s or 0.0, one.end_s or 0.0)
                    yield Piece(str(path), tier, *times, one.text, one.speaker)


def _chosen(documents: dict[Path, Eaf], cfg: Config, place: Path) -> dict[Path, list[str]]:
    """The tiers to read of each file: those that data.tier names, the only one, or those whose names or texts
    leave no doubt. DataError that lists them otherwise.
    """
    pieces = [piece for path, eaf in documents.items() for piece in _pieces(eaf, path)]
    if not pieces:
        raise DataError(f"{place}: no tier of its {len(documents)} .eaf files has text")
    texts: dict[str, list[str]] = defaultdict(list)
    for piece in pieces:
        texts[piece.tier].append(piece.text)
    setting = "*" if len(texts) == 1 and cfg.data.tier is None else cfg.data.tier
    chosen = choose(pieces, setting, scripts.parts(languages.get(cfg.lang).code[4:]), place)
    taken = {tier for own in chosen.tiers.values() for tier in own}
    if setting is None and chosen.words & taken:  # words with times of their own are no sentences
        raise not_set(texts, place)
    if chosen.why:
        say(f"  {chosen.why}; data.tier names others")
    return {path: chosen.tiers.get(str(path), []) for path in documents}


def _recording(eaf: Eaf, path: Path, sounds: Sounds) -> tuple[Path | None, float]:
    """The sound file of a document, and the second of it at which the annotations' time begins.

    Tried are the links as they are, their names beside the document and below the folder, and a sound file of
    the document's own name: files are moved, and their links stay. A film is taken only where there is
    nothing else.
    """
    found: list[tuple[Path, float]] = []
    for media in eaf.media_descriptors:
        links = [
            unquote(link.strip())
            for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL")
            if (link := media.get(key, "").strip())
        ]
        names = [link.removeprefix("file://").removeprefix("file:").replace("\\", "/") for link in links]
        beside = [path.parent / name for name in names] + [path.parent / Path(name).name for name in names]
        below = [hits[0] for name in names if len(hits := sounds.find(Path(name).name)) == 1]
        origin_s = int(media.get("TIME_ORIGIN") or 0) / 1000
        found += [(hit, origin_s) for hit in [place for place in beside if place.is_file()] + below]
    own = [hit for hit in sounds.find(path.stem) if hit.parent == path.parent] or sounds.find(path.stem)
    found += [(own[0], 0.0)] if len(own) == 1 else []
    return min(found, key=lambda hit: hit[0].suffix.lower() in _FILMS, default=(None, 0.0))


def _why_not(segment: _Segment, recording: Path | None) -> str | None:
    """The reason to leave out an annotation, or None."""
    if not segment.text:
        return "audio without text"
    if recording is None:
        return "text without audio"
    if segment.start_s is None or segment.end_s is None:
        return "annotation without times"
    if segment.draft:
        return DRAFT
    return None if segment.start_s < segment.end_s else "the end is not behind the start"


def _nothing(place: Path, left_out: dict[str, list[str]], documents: dict[Path, Eaf]) -> str:
    if not left_out["text without audio"]:
        counts = ", ".join(f"{reason} {len(ids)}" for reason, ids in left_out.items() if ids)
        what_to_do = "".join(f"; {remedy(reason)}" for reason, ids in left_out.items() if ids)
        return f"{place}: no annotation can be used: {counts}{what_to_do}"
    path, eaf = next(iter(documents.items()))
    links = [media.get("MEDIA_URL") or media.get("RELATIVE_MEDIA_URL") for media in eaf.media_descriptors]
    return (
        f"{path}: its recording is not there: {', '.join(map(str, links)) or 'it links none'}; put it beside"
        " the .eaf file, under its name"
    )
