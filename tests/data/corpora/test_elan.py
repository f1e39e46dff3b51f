"""The reader elan: documents that pympi itself has written, and the faults that field work brings."""

import re

import pytest
from pympi import Eaf

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.elan import read, recognise
from xlt.formats.tables import read_table


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=elan", f"data.dir={place}", *settings))


def document(path, tiers, media="rec.wav", **linked):
    """Write an .eaf: ``tiers``: {name: (participant, [(start ms, end ms, text), …])}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    eaf = Eaf()
    eaf.remove_tier("default")
    if media:
        eaf.add_linked_file(
            f"file:///D:/field/{media}", relpath=f"./{media}", mimetype="audio/x-wav", **linked
        )
    for name, (participant, annotations) in tiers.items():
        eaf.add_tier(name, part=participant)
        for start, end, text in annotations:
            eaf.add_annotation(name, start, end, text)
    eaf.to_file(str(path))
    return eaf


LINES = [(0, 800, "O pisică."), (1000, 1900, "Un câine"), (2000, 2900, "ზღვა")]


@pytest.fixture
def folder(tmp_path):
    tone(tmp_path / "field/rec.wav", dur_s=3.0)
    return tmp_path / "field"


def test_the_only_tier(recipe, folder):
    document(folder / "story.eaf", {"text": ("Ana Pop", LINES), "notes": ("", [])})
    corpus = of(recipe, folder)
    assert [(u.id, u.speaker, u.text, u.start_s, u.end_s) for u in corpus.utterances] == [
        ("Ana_Pop-story-0000000-0000800", "Ana_Pop", "O pisică.", 0.0, 0.8),
        ("Ana_Pop-story-0001000-0001900", "Ana_Pop", "Un câine", 1.0, 1.9),
        ("Ana_Pop-story-0002000-0002900", "Ana_Pop", "ზღვა", 2.0, 2.9),
    ]
    assert {u.audio for u in corpus.utterances} == {folder / "rec.wav"} and corpus.facts["tiers"] == ["text"]
    assert recognise(folder) and recognise(folder / "story.eaf") and not recognise(folder / "rec.wav")
    assert [u.id for u in of(recipe, folder / "story.eaf").utterances] == [u.id for u in corpus.utterances]


def test_a_document_of_a_tool_that_names_no_schema(recipe, folder):
    document(folder / "story.eaf", {"text": ("Ana", LINES)})
    text = (folder / "story.eaf").read_text(encoding="utf-8")
    bare, count = re.subn(r' (xmlns:xsi|xsi:noNamespaceSchemaLocation)="[^"]*"', "", text)
    (folder / "story.eaf").write_text(bare, encoding="utf-8")
    assert count == 2
    assert [u.text for u in of(recipe, folder).utterances] == [text for _, _, text in LINES]


def test_tiers_that_leave_no_doubt_are_taken_and_told(recipe, folder, capsys):
    document(
        folder / "a.eaf",
        {
            "tx@A": ("Ana", LINES[:2]),
            "tx@B": ("Ion", [(2000, 2900, "Trei mere")]),
            "ft": ("", [(0, 800, "A cat.")]),
        },
    )
    corpus = of(recipe, folder)
    assert [u.speaker for u in corpus.utterances] == ["Ana", "Ana", "Ion"]
    told = "takes the tiers 'tx@A', 'tx@B', not 'ft'; data.tier names others"
    assert told in capsys.readouterr().out
    assert [u.speaker for u in of(recipe, folder, "data.tier=tx@*").utterances] == ["Ana", "Ana", "Ion"]
    assert [u.text for u in of(recipe, folder, "data.tier=[ft]").utterances] == ["A cat."]
    with raises(DataError, "data.tier: no tier 'tx' with text in ", "'ft': 1 annotations"):
        of(recipe, folder, "data.tier=tx")


def test_a_tier_of_numbers_above_the_text_is_not_taken(recipe, folder, capsys):
    """As Toolbox and FLEx export them: all have the times of ``ref``."""
    eaf = document(folder / "a.eaf", {"ref@R": ("Rosa", [(0, 800, "a.001"), (1000, 1900, "a.002")])})
    eaf.add_linguistic_type("below", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("tx@R", ling="below", parent="ref@R")
    for at, text in ((400, "o pisică"), (1400, "un câine")):
        eaf.add_ref_annotation("tx@R", "ref@R", at, text)
    eaf.to_file(str(folder / "a.eaf"))
    assert [u.text for u in of(recipe, folder).utterances] == ["o pisică", "un câine"]
    assert "takes the tier 'tx@R', not 'ref@R'" in capsys.readouterr().out


def test_a_translation_below_the_text_is_not_taken(recipe, folder, capsys):
    """As SayMore names its tiers."""
    eaf = document(folder / "a.eaf", {"Transcription": ("", [(0, 800, "o pisică"), (1000, 1900, "doi")])})
    eaf.add_linguistic_type("Translation", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("Phrase Free Translation", ling="Translation", parent="Transcription")
    eaf.add_ref_annotation("Phrase Free Translation", "Transcription", 400, "a cat")
    eaf.to_file(str(folder / "a.eaf"))
    assert [u.text for u in of(recipe, folder).utterances] == ["o pisică", "doi"]
    assert "takes the tier 'Transcription', not 'Phrase Free Translation'" in capsys.readouterr().out


@pytest.mark.parametrize("second", [[(0, 800, "Un câine mare")], [(0, 300, "o"), (300, 800, "pisică")]])
def test_several_tiers_in_doubt_must_be_chosen_from(recipe, folder, second):
    """Two texts of one time; a text and a further speaker's words alone."""
    own = [(0, 800, "o pisică")] if len(second) == 1 else [(0, 800, "pisică")]
    document(folder / "a.eaf", {"one": ("Ana", own), "two": ("Ana", second)})
    with raises(DataError, "data.tier: not set, and ", "has 2 tiers; name the one with the texts") as err:
        of(recipe, folder)
    assert f"'one': 1 annotations, e.g. {own[0][2]!r}" in str(err.value)


def test_reference_tiers_have_the_times_of_what_they_refer_to(recipe, folder):
    eaf = document(folder / "a.eaf", {"ref": ("Ana", [(0, 800, "s1"), (1000, 1900, "s2")])})
    eaf.add_linguistic_type("words", constraints="Symbolic_Subdivision", timealignable=False)
    eaf.add_linguistic_type("said", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("said", ling="said", parent="ref")
    eaf.add_ref_annotation("said", "ref", 400, "o pisică")
    eaf.add_ref_annotation("said", "ref", 1400, "un câine")
    eaf.add_tier("free", ling="said", parent="said")
    below = {eaf.tiers["said"][1][name][1]: name for name in eaf.tiers["said"][1]}
    eaf.tiers["free"][1]["a90"] = (below["un câine"], "a dog", None, None)
    eaf.annotations["a90"] = "free"
    eaf.add_tier("words", ling="words", parent="ref")
    first = next(iter(eaf.tiers["ref"][0]))
    for name, word, before in (("a91", "o", None), ("a92", "pisică", "a91")):
        eaf.tiers["words"][1][name] = (first, word, before, None)
        eaf.annotations[name] = "words"
    eaf.to_file(str(folder / "a.eaf"))

    def said(tier):
        return [
            (u.text, u.start_s, u.end_s, u.speaker)
            for u in of(recipe, folder, f"data.tier={tier}").utterances
        ]

    assert said("said") == [("o pisică", 0.0, 0.8, "Ana"), ("un câine", 1.0, 1.9, "Ana")]
    assert said("free") == [("a dog", 1.0, 1.9, "Ana")]
    assert said("words") == [("o pisică", 0.0, 0.8, "Ana")]


def test_without_a_participant_a_file_is_a_speaker(recipe, folder):
    document(folder / "one.eaf", {"text": ("", LINES[:1])})
    document(folder / "two.eaf", {"text": ("", LINES[1:])})
    corpus = of(recipe, folder)
    assert [u.speaker for u in corpus.utterances] == ["one", "two", "two"]
    assert corpus.facts["speakers"] == "tiers without a participant: one speaker a file"


@pytest.mark.parametrize("where", ["rec.wav", "sub/rec.wav", "Story.wav"])
def test_the_recording_is_looked_up(recipe, tmp_path, where):
    document(tmp_path / "f/docs/Story.eaf", {"text": ("A", LINES)}, media="rec.wav")
    wav = tone(tmp_path / "f/docs" / where, dur_s=3.0)
    assert {u.audio for u in of(recipe, tmp_path / "f").utterances} == {wav}


def test_a_film_gives_way_to_sound_and_an_offset_counts(recipe, folder):
    eaf = document(folder / "a.eaf", {"text": ("A", LINES)}, media="clip.mp4")
    (folder / "clip.mp4").write_bytes(b"film")
    eaf.add_linked_file("file:///D:/rec.wav", relpath="./rec.wav", mimetype="audio/x-wav", time_origin=50)
    eaf.to_file(str(folder / "a.eaf"))
    utt = of(recipe, folder).utterances[1]
    assert (utt.audio.name, utt.start_s, utt.end_s) == ("rec.wav", 1.05, 1.95)


def test_what_cannot_be_used_is_listed(recipe, folder):
    document(folder / "a.eaf", {"text": ("A", [*LINES, (2950, 2990, " ")])})
    document(folder / "b.eaf", {"text": ("A", LINES[:1])}, media="lost.wav")
    eaf = document(folder / "c.eaf", {"text": ("A", LINES[:1])})
    ((_, end, *_),) = eaf.tiers["text"][0].values()
    eaf.timeslots[end] = None
    eaf.to_file(str(folder / "c.eaf"))
    corpus = of(recipe, folder)
    assert len(corpus.utterances) == 3
    assert corpus.left_out == {
        "audio without text": ["a.eaf:text:4"],
        "text without audio": ["b.eaf:text:1"],
        "annotation without times": ["c.eaf:text:1"],
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<ANNOTATION_DOCUMENT>\n<TIER", r"a.eaf:2: not valid XML"),
        ("<html></html>", "a document of the kind html, expected ELAN's ANNOTATION_DOCUMENT"),
        ("<ANNOTATION_DOCUMENT><TIER/></ANNOTATION_DOCUMENT>", "not a complete ELAN file"),
    ],
)
def test_documents_that_are_none(recipe, folder, content, said):
    (folder / "a.eaf").write_text(content)
    with pytest.raises(DataError, match=said):
        of(recipe, folder)


def test_nothing_to_read(recipe, folder):
    with pytest.raises(DataError, match="no .eaf file in it"):
        of(recipe, folder)
    document(folder / "a.eaf", {"text": ("A", [])})
    with pytest.raises(DataError, match="no tier of its 1 .eaf files has text"):
        of(recipe, folder)
    document(folder / "a.eaf", {"text": ("A", LINES)}, media="lost.wav")
    with pytest.raises(
        DataError, match=r"its recording is not there: file:///D:/field/lost.wav; put it beside"
    ):
        of(recipe, folder)


def test_through_stage_1(recipe, tmp_path):
    for number in range(6):
        lines = [(start, end, f"{text} {'abcdef'[number]}") for start, end, text in LINES]
        document(tmp_path / f"f/{number}.eaf", {"text": (f"speaker {number}", lines)}, media=f"{number}.wav")
        tone(tmp_path / f"f/{number}.wav", dur_s=3.0, hz=300.7 + 20.1 * number, rate=44100, channels=2)
    assert recipe("data.reader=elan", f"data.dir={tmp_path / 'f'}") == 0
    assert read_table(recipe.dir / "data/all/utt2dur")["speaker_0-0-0001000-0001900"] == "0.9000"
    assert set(read_table(recipe.dir / "data/all/utt2format").values()) == {"44100 2 wav"}
    assert len(read_table(recipe.dir / "data/dev/spk2utt")) == 1  # split by speaker


def confirming(folder, *values):
    """A document whose three annotations have a tier below that says ``values`` of the first ones."""
    eaf = document(folder / "a.eaf", {"text": ("Ana", LINES)})
    eaf.add_linguistic_type("confirmed", constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier("confirmed@text", ling="confirmed", parent="text")
    for (start, _, _), value in zip(LINES, values, strict=False):
        eaf.add_ref_annotation("confirmed@text", "text", start + 400, value)
    eaf.to_file(str(folder / "a.eaf"))


def test_drafts_are_read_when_a_person_has_confirmed_them(recipe, folder):
    confirming(folder, "Yes", "")
    corpus = of(recipe, folder)
    assert [u.text for u in corpus.utterances] == ["O pisică."] and corpus.facts["tiers"] == ["text"]
    assert corpus.left_out == {"unconfirmed draft": ["a.eaf:text:2", "a.eaf:text:3"]}


def test_a_document_of_drafts_alone_is_no_corpus(recipe, folder):
    confirming(folder, "later")
    with raises(DataError, "unconfirmed draft 3", "'confirmed'", where="field"):
        of(recipe, folder)


def test_a_tier_called_confirmed_that_is_below_no_other_is_like_any(recipe, folder):
    document(folder / "a.eaf", {"confirmed": ("Ana", LINES)})
    assert len(of(recipe, folder).utterances) == 3
