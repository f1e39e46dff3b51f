from pathlib import Path

import pytest

from tests.data.corpus import tone
from xlt.data.corpora.kaldi import read
from xlt.errors import DataError


def write(folder: Path, **tables: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (folder / name.replace("wav_scp", "wav.scp")).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    tone(tmp_path / "corpus/a.wav", dur_s=3.0)
    return write(tmp_path / "corpus", wav_scp="ana-1 a.wav\nana-2 a.wav\n", text="ana-1 unu\nana-2 doi\n",
                 utt2spk="ana-1 ana\nana-2 ana\n")


def of(recipe, folder):
    return read(recipe.cfg("data.reader=kaldi", f"data.dir={folder}"))


def test_utterances(recipe, corpus):
    utts = of(recipe, corpus).utterances
    assert [(u.id, u.speaker, u.text, u.audio, u.split) for u in utts] == [
        ("ana-1", "ana", "unu", corpus / "a.wav", None), ("ana-2", "ana", "doi", corpus / "a.wav", None)]


def test_ids_get_their_speaker_in_front(recipe, corpus):
    write(corpus, utt2spk="ana-1 ana\nana-2 ion\n")
    assert [u.id for u in of(recipe, corpus).utterances] == ["ana-1", "ion-ana-2"]


def test_segments(recipe, corpus):
    write(corpus, wav_scp="rec a.wav\n", segments="ana-1 rec 0.5 1.25\nana-2 rec 1.25 2\n")
    assert [(u.id, u.start_s, u.end_s) for u in of(recipe, corpus).utterances] == [("ana-1", 0.5, 1.25),
                                                                                   ("ana-2", 1.25, 2.0)]


def test_missing_text_and_audio_are_listed(recipe, corpus):
    write(corpus, text="ana-1 unu\nana-3 trei\n")
    found = of(recipe, corpus)
    assert found.left_out == {"audio without text": ["ana-2"], "text without audio": ["ana-3"]}
    assert [u.id for u in found.utterances] == ["ana-1"]


def test_a_split_of_its_own_is_kept(recipe, tmp_path):
    for name, utt in (("train", "a-1"), ("dev", "b-1"), ("test", "c-1")):
        tone(tmp_path / "sets" / name / f"{utt}.wav")
        write(tmp_path / "sets" / name, wav_scp=f"{utt} {utt}.wav\n", text=f"{utt} x\n", utt2spk=f"{utt} {utt[0]}\n")
    assert {u.id: u.split for u in of(recipe, tmp_path / "sets").utterances} == {"a-1": "train", "b-1": "dev",
                                                                                 "c-1": "test"}


@pytest.mark.parametrize(("tables", "said"), [
    ({"wav_scp": "ana-1 sox a.wav -t wav - |\n"}, r"wav.scp:1: 'ana-1' is a command.*write its output to a file"),
    ({"wav_scp": "rec a.wav\n", "segments": "ana-1 rec 2 1\n"}, r"segments:1: found 2–1 s, expected 0 <= start < end"),
    ({"wav_scp": "rec a.wav\n", "segments": "ana-1 rec x 1\n"}, r"segments:1: found 'rec x 1', expected RECORDING"),
    ({"wav_scp": "rec a.wav\n", "segments": "ana-1 other 0 1\n"}, r"segments:1: recording 'other' is not in wav.scp"),
    ({"utt2spk": "ana-1 ana\n"}, r"utt2spk: utterance 'ana-2' of text is missing"),
    ({"text": "ana-1 unu\nana-1 doi\n"}, r"text:2: 'ana-1' stands twice"),
])
def test_faults_name_file_and_line(recipe, corpus, tables, said):
    write(corpus, **tables)
    with pytest.raises(DataError, match=said):
        of(recipe, corpus)


def test_no_folder(recipe, tmp_path):
    with pytest.raises(DataError, match="data.dir: not set"):
        read(recipe.cfg("data.reader=kaldi"))
    with pytest.raises(DataError, match="no such folder"):
        of(recipe, tmp_path / "nowhere")
