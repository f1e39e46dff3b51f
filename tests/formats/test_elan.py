"""A transcript as a tier of ELAN's documents; read back by pympi, which other linguists use."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pympi
import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.core.registry import FORMATS
from xlt.formats import elan
from xlt.formats.transcripts import Transcript

PIECES = [
    {"start_s": 0.5, "end_s": 1.25, "text": "bună & <ziua>", "score": 0.0, "words": []},
    {"start_s": 2.0, "end_s": 3.0, "text": "", "score": 0.0, "words": []},
    {"start_s": 3.0, "end_s": 4.0, "text": "da", "score": 0.0, "words": []},
]
USER = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<ANNOTATION_DOCUMENT AUTHOR="ana" DATE="2020-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <LICENSE LICENSE_URL="https://example.org/cc-by">CC-BY</LICENSE>
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///old/place/a%20b.wav" MIME_TYPE="audio/x-wav" TIME_ORIGIN="500"/>
    <PROPERTY NAME="urn:nl-mpi-tools-elan-eaf:lastUsedAnnotationId">7</PROPERTY>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="900"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="words" TIER_ID="xlt" PARTICIPANT="Maria">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a7" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
      <ANNOTATION_VALUE> hand-made  text </ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <LINGUISTIC_TYPE CONTROLLED_VOCABULARY_REF="v" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="words"
      TIME_ALIGNABLE="true"/>
  <CONSTRAINT DESCRIPTION="x" STEREOTYPE="Time_Subdivision"/>
  <CONTROLLED_VOCABULARY CV_ID="v"><DESCRIPTION LANG_REF="und">d</DESCRIPTION></CONTROLLED_VOCABULARY>
  <EXTERNAL_REF EXT_REF_ID="er1" TYPE="ecv" VALUE="file:/x.ecv"/>
</ANNOTATION_DOCUMENT>
"""
# the order of elements in EAFv3.0.xsd
ORDER = "LICENSE HEADER TIME_ORDER TIER LINGUISTIC_TYPE LOCALE LANGUAGE CONSTRAINT CONTROLLED_VOCABULARY"
ORDER += " LEXICON_REF REF_LINK_SET EXTERNAL_REF"


def rendered(path: Path, *, eaf=None, pieces=PIECES, channels=False) -> ET.Element:
    """The document as parsed, after it was written to ``path``."""
    found = Transcript("in/a b.wav", pieces, channels=channels, eaf=eaf, model="xlt b")
    path.write_text("".join(FORMATS.get("eaf").render(found)), encoding="utf-8")
    root = ET.parse(path).getroot()
    places = [ORDER.split().index(child.tag) for child in root]
    assert places == sorted(places)
    slots = {slot.get("TIME_SLOT_ID") for slot in root.iter("TIME_SLOT")}
    used = {
        one.get(key)
        for one in root.iter("ALIGNABLE_ANNOTATION")
        for key in ("TIME_SLOT_REF1", "TIME_SLOT_REF2")
    }
    ids = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert used <= slots and len(ids) == len(set(ids)) and len(slots) == len(list(root.iter("TIME_SLOT")))
    return root


def test_a_new_document_links_its_recording(tmp_path):
    rendered(tmp_path / "a b.eaf")
    found = pympi.Eaf(str(tmp_path / "a b.eaf"), suppress_version_warning=True)
    assert list(found.get_tier_names()) == ["xlt"]
    assert found.get_annotation_data_for_tier("xlt") == [(500, 1250, "bună & <ziua>"), (3000, 4000, "da")]
    (media,) = found.media_descriptors
    assert media["RELATIVE_MEDIA_URL"] == "./a%20b.wav" and media["MIME_TYPE"] == "audio/x-wav"
    assert media["MEDIA_URL"].startswith("file:///") and media["MEDIA_URL"].endswith("/in/a%20b.wav")


def test_a_tier_is_added_to_a_copy_of_the_users_document(tmp_path):
    own = tmp_path / "own.eaf"
    own.write_text(USER, encoding="utf-8")
    root = rendered(tmp_path / "made.eaf", eaf=own)
    assert own.read_text(encoding="utf-8") == USER
    found = pympi.Eaf(str(tmp_path / "made.eaf"), suppress_version_warning=True)
    # the name is taken; ELAN's time begins at second 0.5 of the recording
    assert list(found.get_tier_names()) == ["xlt", "xlt-2"]
    assert found.get_annotation_data_for_tier("xlt") == [(0, 900, " hand-made  text ")]
    assert found.get_annotation_data_for_tier("xlt-2") == [(0, 750, "bună & <ziua>"), (2500, 3500, "da")]
    assert found.licenses == [("CC-BY", "https://example.org/cc-by")]
    assert "v" in found.controlled_vocabularies and "er1" in found.external_refs
    # the only type there is has a vocabulary, so another is made; the next annotation comes behind ours
    (tier,) = (tier for tier in root.iter("TIER") if tier.get("TIER_ID") == "xlt-2")
    kinds = {kind.get("LINGUISTIC_TYPE_ID"): kind for kind in root.iter("LINGUISTIC_TYPE")}
    assert tier.get("LINGUISTIC_TYPE_REF") == "xlt" and kinds["xlt"].get("TIME_ALIGNABLE") == "true"
    numbers = [int(one.get("ANNOTATION_ID")[1:]) for one in root.iter("ALIGNABLE_ANNOTATION")]
    (last,) = (one for one in root.iter("PROPERTY"))
    assert int(last.text) == max(numbers) >= 7


def test_a_tier_for_each_speaker(tmp_path):
    pieces = [{**PIECES[0], "speaker": "2"}, {**PIECES[2], "speaker": "1"}]
    root = rendered(tmp_path / "a.eaf", pieces=pieces, channels=True)
    assert [(t.get("TIER_ID"), t.get("PARTICIPANT"), t.get("ANNOTATOR")) for t in root.iter("TIER")] == [
        ("xlt@1", "1", "xlt b"),
        ("xlt@2", "2", "xlt b"),
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<ANNOTATION_DOCUMENT>\n<HEADER", "own.eaf:2"),
        ("<html/>", "own.eaf"),
        ("<ANNOTATION_DOCUMENT/>", "own.eaf"),
    ],
)
def test_what_is_no_document(tmp_path, text, where):
    (tmp_path / "own.eaf").write_text(text)
    with raises(DataError, where=where):
        elan.read(tmp_path / "own.eaf")


def test_a_template_links_a_recording_elsewhere_and_asks_whether_drafts_are_right(tmp_path):
    root = elan.new(tmp_path / "in/a b.wav", tmp_path / "out")
    said = [elan.Annotation(0.5, 1.0, "unu"), elan.Annotation(2.0, 3.5, "doi")]
    elan.add_tiers(root, [elan.Tier("text", "", said)], "a b.wav", "xlt")
    elan.add_confirmed(root, "text")
    (tmp_path / "a.eaf").write_text(elan.written(root), encoding="utf-8")
    places = [ORDER.split().index(child.tag) for child in ET.parse(tmp_path / "a.eaf").getroot()]
    assert places == sorted(places)
    found = pympi.Eaf(str(tmp_path / "a.eaf"), suppress_version_warning=True)
    assert found.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./../in/a%20b.wav"
    assert list(found.get_tier_names()) == ["text", "confirmed@text"]
    assert found.get_parameters_for_tier("confirmed@text")["PARENT_REF"] == "text"
    assert found.get_annotation_data_for_tier("text") == [(500, 1000, "unu"), (2000, 3500, "doi")]
    confirmed = found.get_ref_annotation_data_for_tier("confirmed@text")
    assert [(*times, value or "") for *times, value, _ in confirmed] == [(500, 1000, ""), (2000, 3500, "")]
    assert "Symbolic_Association" in found.constraints
