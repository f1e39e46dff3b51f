"""ELAN's documents (.eaf, EAF 3.0): a tier for a transcript, in a new document or in a copy of a user's.

What is in a document stays as it is; https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from xlt.core.errors import DataError

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
LOCATION = f"{{{_XSI}}}noNamespaceSchemaLocation"
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_LAST_ID = "urn:nl-mpi-tools-elan-eaf:lastUsedAnnotationId"
CONFIRMED = "confirmed"  # the tier below another in which a person says that a draft is right now
_TYPE = "xlt"  # the linguistic type of new tiers: free times, no parent
_ASSOCIATION = "Symbolic_Association"  # of tiers with one annotation for each of those above
_MIME = {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg"}
_NEW = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/><TIME_ORDER/></ANNOTATION_DOCUMENT>"""


class Annotation(NamedTuple):
    """Times in seconds from the beginning of the recording."""

    start_s: float
    end_s: float
    text: str


class Tier(NamedTuple):
    """``name``: made another if the document has it."""

    name: str
    participant: str
    annotations: list[Annotation]


def read(path: Path) -> ET.Element:
    """A user's document; DataError if it is none."""
    keep = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    try:
        root = ET.parse(path, keep).getroot()
    except ET.ParseError as err:
        raise DataError(
            f"{path}:{err.position[0]}: not valid XML ({err}); open and save it in ELAN"
        ) from None
    if root.tag != "ANNOTATION_DOCUMENT" or root.find("HEADER") is None or root.find("TIME_ORDER") is None:
        raise DataError(f"{path}: expected a whole ANNOTATION_DOCUMENT; open and save it in ELAN")
    return root


def new(recording: Path, folder: Path | None = None) -> ET.Element:
    """A document of ``recording``, which lies beside it; ``folder``: that of the document, if it does not."""
    root = ET.fromstring(_NEW)
    root.set(LOCATION, _SCHEMA)
    header = root.find("HEADER")
    if header is not None:
        ET.SubElement(
            header,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=recording.resolve().as_uri(),
            RELATIVE_MEDIA_URL=f"./{quote(_beside(recording, folder))}",
            MIME_TYPE=_MIME.get(recording.suffix.lower(), "unknown"),
        )
    return root


def _beside(recording: Path, folder: Path | None) -> str:
    return recording.name if folder is None else Path(os.path.relpath(recording, folder)).as_posix()


def links(root: ET.Element) -> list[tuple[str, float]]:
    """The paths of the recordings that a document names, and the second of each at which its time begins."""
    found = []
    for media in root.iter("MEDIA_DESCRIPTOR"):
        for key in ("RELATIVE_MEDIA_URL", "MEDIA_URL"):
            if link := unquote(media.get(key, "").strip()):
                name = link.removeprefix("file://").removeprefix("file:").replace("\\", "/")
                found.append((name, int(media.get("TIME_ORIGIN") or 0) / 1000))
    return found


def add_tiers(root: ET.Element, tiers: Iterable[Tier], recording: str, annotator: str) -> None:
    """Put ``tiers`` behind those of the document. ``recording``: whose times are meant."""
    origins = [origin_s for link, origin_s in links(root) if Path(link).name == Path(recording).name]
    origin_s = origins[0] if origins else 0.0
    order = root.find("TIME_ORDER")
    assert order is not None  # read and new saw to it
    slots = {slot.get("TIME_SLOT_ID", "") for slot in order}
    ids = {value for one in root.iter() if (value := one.get("ANNOTATION_ID"))}
    names = {tier.get("TIER_ID") for tier in root.iter("TIER")}
    kind = _free_type(root)
    for tier in tiers:
        name = _unused(tier.name, names)
        made = ET.Element("TIER", LINGUISTIC_TYPE_REF=kind, TIER_ID=name, ANNOTATOR=annotator)
        if tier.participant:
            made.set("PARTICIPANT", tier.participant)
        for one in tier.annotations:
            times = []
            for time_s in (one.start_s, one.end_s):
                slot = _unused(f"ts{len(slots) + 1}", slots)
                ms = max(0, round(1000 * (time_s - origin_s)))
                ET.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(ms))
                times.append(slot)
            outer = ET.SubElement(made, "ANNOTATION")
            inner = ET.SubElement(
                outer,
                "ALIGNABLE_ANNOTATION",
                ANNOTATION_ID=_unused(f"a{len(ids) + 1}", ids),
                TIME_SLOT_REF1=times[0],
                TIME_SLOT_REF2=times[1],
            )
            ET.SubElement(inner, "ANNOTATION_VALUE").text = one.text
        root.insert(_behind(root, ("TIER", "TIME_ORDER")), made)
    _remember_last(root, ids)


def add_confirmed(root: ET.Element, above: str) -> None:
    """Put a tier below the tier ``above``, in which each of its annotations can be confirmed; none is yet."""
    ids = {value for one in root.iter() if (value := one.get("ANNOTATION_ID"))}
    own = next(tier for tier in root.iter("TIER") if tier.get("TIER_ID") == above)
    kinds = {kind.get("LINGUISTIC_TYPE_ID", "") for kind in root.iter("LINGUISTIC_TYPE")}
    kind = _unused(CONFIRMED, kinds)
    made = ET.Element("TIER", LINGUISTIC_TYPE_REF=kind, PARENT_REF=above, TIER_ID=f"{CONFIRMED}@{above}")
    for one in own.iter("ALIGNABLE_ANNOTATION"):
        outer = ET.SubElement(made, "ANNOTATION")
        inner = ET.SubElement(
            outer,
            "REF_ANNOTATION",
            ANNOTATION_ID=_unused(f"a{len(ids) + 1}", ids),
            ANNOTATION_REF=one.get("ANNOTATION_ID", ""),
        )
        ET.SubElement(inner, "ANNOTATION_VALUE").text = ""
    root.insert(_behind(root, ("TIER", "TIME_ORDER")), made)
    association = ET.Element(
        "LINGUISTIC_TYPE",
        CONSTRAINTS=_ASSOCIATION,
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID=kind,
        TIME_ALIGNABLE="false",
    )
    root.insert(_behind(root, ("LINGUISTIC_TYPE", "TIER")), association)
    if all(one.get("STEREOTYPE") != _ASSOCIATION for one in root.iter("CONSTRAINT")):
        said = "1-1 association with a parent annotation"
        constraint = ET.Element("CONSTRAINT", DESCRIPTION=said, STEREOTYPE=_ASSOCIATION)
        root.insert(_behind(root, ("CONSTRAINT", "LANGUAGE", "LOCALE", "LINGUISTIC_TYPE")), constraint)
    _remember_last(root, ids)


def _unused(name: str, taken: set) -> str:
    """``name``, or with a number that is free; it is taken then."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found


def _behind(root: ET.Element, tags: tuple[str, ...]) -> int:
    """The place behind the last child with the first of ``tags`` that there is."""
    for tag in tags:
        places = [place for place, child in enumerate(root) if child.tag == tag]
        if places:
            return places[-1] + 1
    return len(root)


def _free_type(root: ET.Element) -> str:
    """A linguistic type of tiers with times of their own and without a controlled vocabulary; made if there
    is none.
    """
    kinds = {kind.get("LINGUISTIC_TYPE_ID", ""): kind for kind in root.iter("LINGUISTIC_TYPE")}
    for name, kind in kinds.items():
        bound = kind.get("CONSTRAINTS") or kind.get("CONTROLLED_VOCABULARY_REF")
        if not bound and kind.get("TIME_ALIGNABLE", "true") == "true":
            return name
    name = _unused(_TYPE, set(kinds))
    made = ET.Element(
        "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=name, TIME_ALIGNABLE="true"
    )
    root.insert(_behind(root, ("LINGUISTIC_TYPE", "TIER", "TIME_ORDER")), made)
    return name


def _remember_last(root: ET.Element, ids: set[str]) -> None:
    """ELAN numbers its next annotation behind this."""
    header = root.find("HEADER")
    numbers = [int(name[1:]) for name in ids if name[:1] == "a" and name[1:].isdecimal()]
    if header is None or not numbers:
        return
    last = next((one for one in header.iter("PROPERTY") if one.get("NAME") == _LAST_ID), None)
    if last is None:
        last = ET.SubElement(header, "PROPERTY", NAME=_LAST_ID)
    last.text = str(max(numbers))


def written(root: ET.Element) -> str:
    """The document's text."""
    ET.register_namespace("xsi", _XSI)
    ET.indent(root, "    ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
