"""Which form a corpus has: the first reader of the registry that recognises it is the right one."""

import importlib

import pytest

from xlt.registry import READERS

FORMS = {
    "kaldi": ["train/wav.scp", "train/text", "train/utt2spk", "notes.csv", "a.wav"],
    "commonvoice": ["cv-corpus-24.0/sw/validated.tsv", "cv-corpus-24.0/sw/clips/common_voice_sw_1.mp3"],
    "fleurs": ["sw_ke/train.tsv", "sw_ke/dev.tsv", "sw_ke/test.tsv", "sw_ke/audio/train.tar.gz", "sw_ke/audio/dev/1.wav"],
    "elan": ["session 1/story.eaf", "session 1/story.wav", "metadata.csv"],
    "tuxpaint": ["animals/frog_desc_ro.ogg", "animals/frog.txt"],
    "table": ["train.csv", "test.csv", "clips/a.wav"],
}


def first(place):
    readers = [name for name in READERS.entries if name != "recipes"]
    return next((name for name in readers
                 if importlib.import_module(READERS.entries[name].partition(":")[0]).recognise(place)), None)


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    for name in FORMS[form]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert first(tmp_path) == form


def test_what_is_none(tmp_path):
    (tmp_path / "a.wav").touch()
    assert first(tmp_path) is None and first(tmp_path / "a.wav") is None and first(tmp_path / "nowhere") is None


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr("os.scandir", lambda *_: (_ for _ in ()).throw(PermissionError("no")))
    assert first(tmp_path) is None


def test_every_reader_recognises():
    assert all(hasattr(importlib.import_module(entry.partition(":")[0]), "recognise")
               for name, entry in READERS.entries.items() if name != "recipes")
