"""Every form is taken for itself, whatever the others think of it: the order of the registry decides."""

import gzip
import importlib
import shutil
from pathlib import Path

import pytest

from tests.data.corpus import stamp, tone
from tests.errors import raises
from tests.lazy import Lazy
from tests.recipes.layouts import common_voice, fleurs
from xlt.core.errors import DataError
from xlt.core.registry import READERS
from xlt.data.corpora.recognise import about, recognise

manifests = Lazy("lhotse")


def kaldi(folder: Path) -> Path:
    """With a table of notes beside it, as people keep them."""
    tone(folder / "a.wav")
    for name in ("wav.scp", "text", "utt2spk", "notes.csv"):
        (folder / name).write_text("a a.wav\n", encoding="utf-8")
    return folder


def lhotse(folder: Path) -> Path:
    tone(folder / "a.wav")
    recording = manifests.Recording.from_file(folder / "a.wav", recording_id="a")
    manifests.RecordingSet.from_recordings([recording]).to_file(folder / "recordings.jsonl")
    supervision = manifests.SupervisionSegment("a", "a", 0, 1.0, text="un")
    manifests.SupervisionSet.from_segments([supervision]).to_file(folder / "supervisions.jsonl")
    return folder


def elan(folder: Path) -> Path:
    tone(folder / "a.wav")
    (folder / "a.eaf").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT VERSION="3.0"/>\n', "utf-8"
    )
    return folder


def tuxpaint(folder: Path) -> Path:
    stamp(folder, "animals/fish", {"ro": "un pește"}, {"ro": 300.0})
    return folder


def table(folder: Path) -> Path:
    tone(folder / "a.wav")
    (folder / "texts.csv").write_text("path,text\na.wav,un\n", encoding="utf-8")
    return folder


def festvox(folder: Path) -> Path:
    tone(folder / "wav/a.wav")
    (folder / "etc").mkdir()
    (folder / "etc/txt.done.data").write_text('( a "un" )\n', encoding="utf-8")
    return folder


def fillets(folder: Path) -> Path:
    tone(folder / "sound/airplane/cs/a.ogg")
    (folder / "script/airplane").mkdir(parents=True)
    (folder / "script/airplane/dialogs_cs.lua").write_text('dialogId("a", "font_big", "A.")\n', "utf-8")
    return folder


def asterisk(folder: Path) -> Path:
    tone(folder / "digits/1.wav")
    (folder / "core-sounds-es.txt").write_text("digits/1: uno\n", encoding="utf-8")
    return folder


def labels(folder: Path) -> Path:
    """With a table of people beside them."""
    tone(folder / "a.wav")
    (folder / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nun\n", encoding="utf-8")
    (folder / "people.csv").write_text("name,age\nana,7\n", encoding="utf-8")
    return folder


FORMS = {
    "kaldi": kaldi,
    "lhotse": lhotse,
    "commonvoice": lambda f: common_voice(f, "swh", "sw"),
    "fleurs": lambda f: fleurs(f, "swh"),
    "elan": elan,
    "tuxpaint": tuxpaint,
    "festvox": festvox,
    "fillets": fillets,
    "asterisk": asterisk,
    "labels": labels,
    "table": table,
}


def test_every_reader_that_reads_a_corpus_is_tried():
    assert [name for name in READERS.entries if name not in ("join", "recipes")] == list(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_folder(name, tmp_path):
    assert recognise(FORMS[name](tmp_path / "c")) == name


@pytest.mark.parametrize("name", FORMS)
def test_archive(name, tmp_path):
    """As it was fetched: one folder in a tarball."""
    FORMS[name](tmp_path / "whole" / "corpus-1.0")
    archive = shutil.make_archive(str(tmp_path / "corpus"), "gztar", tmp_path / "whole")
    assert recognise(Path(archive)) == name


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("commonvoice", ["cv-corpus-24.0/sw/validated.tsv", "cv-corpus-24.0/sw/clips/common_voice_sw_1.mp3"]),
        (
            "fleurs",
            [
                "sw_ke/train.tsv",
                "sw_ke/dev.tsv",
                "sw_ke/test.tsv",
                "sw_ke/audio/train.tar.gz",
                "sw_ke/audio/dev/1.wav",
            ],
        ),
        ("elan", ["session 1/story.eaf", "session 1/story.wav", "metadata.csv"]),
        ("table", ["train.csv", "test.csv", "clips/a.wav"]),
        ("labels", ["wav/s1/a.WAV", "praat/s1/a.TextGrid", "metadata.csv"]),
        ("labels", ["spk/a.flac", "spk/a.lab"]),
    ],
)
def test_some_folders_deeper(name, files, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert recognise(tmp_path) == name


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    """A reader that is asked does not raise."""
    monkeypatch.setattr("os.scandir", lambda *_: (_ for _ in ()).throw(PermissionError("no")))
    for entry in READERS.entries.values():
        module = importlib.import_module(entry.partition(":")[0])
        assert not hasattr(module, "recognise") or module.recognise(tmp_path) is False


def test_corpora_side_by_side_are_named(tmp_path):
    """As lhotse leaves FLEURS: a folder for each language; the sound files lie elsewhere."""
    for code in ("sw_ke", "tr_tr"):
        lhotse(tmp_path / "c" / code)
        for file in (tmp_path / "c" / code).glob("*.jsonl"):
            (file.parent / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
        (tmp_path / "c" / code / "a.wav").unlink()
    with pytest.raises(
        DataError, match=r"is no corpus itself, but holds 2: .*sw_ke \(lhotse\), .*tr_tr \(lhotse\); name"
    ):
        recognise(tmp_path / "c")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        recognise(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no reader knows this form. It has no files"):
        recognise(tmp_path / "empty")
    tone(tmp_path / "a.wav")
    with pytest.raises(DataError, match="It has the ending .wav. Looked for"):
        recognise(tmp_path / "a.wav")
    (tmp_path / "notes.docx").touch()
    with raises(DataError, ".docx", where="notes.docx"):
        recognise(tmp_path / "notes.docx")


@pytest.mark.parametrize("name", FORMS)
def test_what_a_reader_reads_is_one_sentence(name):
    assert 20 < len(about(name)) < 160


def test_an_archive_in_a_folder_is_named(tmp_path):
    table(tmp_path / "made")
    shutil.make_archive(str(tmp_path / "given/corpus"), "zip", tmp_path / "made")
    with raises(DataError, "given/corpus.zip (table)", "name the one that is meant"):
        recognise(tmp_path / "given")
    assert recognise(tmp_path / "given/corpus.zip") == "table"


def test_archives_in_an_archive_are_named(tmp_path):
    """The table is there, its sound files are not to be seen."""
    table(tmp_path / "made")
    shutil.make_archive(str(tmp_path / "outer/wav"), "zip", tmp_path / "made")
    shutil.make_archive(str(tmp_path / "given/corpus"), "zip", tmp_path / "outer")
    with raises(DataError, "such as wav.zip", "unpack everything, then name the folder"):
        recognise(tmp_path / "given/corpus.zip")
    with raises(DataError, "such as corpus.zip", "unpack everything, then name the folder"):
        recognise(tmp_path / "given")


def test_whole_texts_in_word_documents_are_to_be_aligned(tmp_path):
    for name in ("one.mp3", "one.docx"):
        (tmp_path / name).write_bytes(b"?")
    with raises(DataError, "xlt align", "docs/align.md"):
        recognise(tmp_path)
    (tmp_path / "one.mp3").unlink()
    with pytest.raises(DataError) as caught:
        recognise(tmp_path)
    assert "xlt align" not in str(caught.value)
