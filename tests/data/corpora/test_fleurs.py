"""The reader fleurs on a language in the release's layout, with tones."""

import shutil
import tarfile

import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.fleurs import read, recognise
from xlt.formats.tables import read_table

ROWS = {
    "train": (1, '"Un urs", zise el.', "FEMALE"),
    "dev": (7, "O pisică neagră", "MALE"),
    "test": (9, "Trei mere roșii", "FEMALE"),
}


def line(sentence, file, raw, gender):
    return "\t".join([str(sentence), file, raw, raw.lower(), "u n |", "16000", gender]) + "\n"


@pytest.fixture
def folder(tmp_path):
    """data/ro_ro as on the hub, with the audio unpacked."""
    root = tmp_path / "data/ro_ro"
    for number, (part, (sentence, raw, gender)) in enumerate(ROWS.items()):
        tone(root / f"audio/{part}/100{number}.wav", hz=300.0 + 50 * number)
        (root / f"{part}.tsv").write_text(line(sentence, f"100{number}.wav", raw, gender), encoding="utf-8")
    return root


def packed(folder):
    """The audio in a tarball for each set, as the hub has it."""
    for part in ROWS:
        with tarfile.open(folder / f"audio/{part}.tar.gz", "w:gz") as pack:
            pack.add(folder / "audio" / part, part)
        shutil.rmtree(folder / "audio" / part)


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=fleurs", f"data.dir={place}", *settings))


def test_the_three_sets(recipe, folder):
    corpus = of(recipe, folder)
    assert [(u.id, u.text, u.split, u.content, u.tags) for u in corpus.utterances] == [
        ("fleurs_ron_train-1_1000", '"Un urs", zise el.', "train", "fleurs_1", {"gender": "female"}),
        ("fleurs_ron_dev-7_1001", "O pisică neagră", "dev", "fleurs_7", {"gender": "male"}),
        ("fleurs_ron_test-9_1002", "Trei mere roșii", "test", "fleurs_9", {"gender": "female"}),
    ]
    assert corpus.left_out == {} and recognise(folder) and recognise(folder.parent)


def test_audio_in_tarballs(recipe, folder):
    packed(folder)
    assert recognise(folder)
    assert [u.audio.name for u in of(recipe, folder).utterances] == ["1000.wav", "1001.wav", "1002.wav"]
    (folder / "audio/dev.tar.gz").unlink()
    with pytest.raises(
        DataError, match="audio/dev: no such folder, nor dev.tar.gz; fetch the audio of ro_ro, too"
    ):
        of(recipe, folder)


def test_the_language_is_found_in_the_repository(recipe, folder):
    shutil.copytree(folder, folder.parent / "sw_ke")
    assert of(recipe, folder.parent.parent).name == "FLEURS ro_ro"
    assert of(recipe, folder.parent, "lang=swh_Latn").name == "FLEURS sw_ke"
    with pytest.raises(DataError, match=r"has no Turkish \(tur_Latn\), but ro_ro, sw_ke"):
        of(recipe, folder.parent, "lang=tur_Latn")
    with raises(DataError, "tur_Latn", "ro_ro", where=str(folder)):
        of(recipe, folder, "lang=tur_Latn")


def test_what_cannot_be_used_is_listed(recipe, folder):
    with (folder / "train.tsv").open("a", encoding="utf-8") as table:
        table.write("too\tfew\n" + line(2, "lost.wav", "Un lup", "MALE") + line(3, "1000.wav", " ", "MALE"))
    assert of(recipe, folder).left_out == {
        "line without the seven values of FLEURS": ["train.tsv:2"],
        "text without audio": ["fleurs_ron_train-2_lost"],
        "audio without text": ["fleurs_ron_train-3_1000"],
    }


def test_another_folder(recipe, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no train.tsv, dev.tsv or test.tsv in it"):
        of(recipe, tmp_path / "empty")
    (folder / "test.tsv").write_text("path\ttext\na.wav\tx\n")
    with pytest.raises(DataError, match="test.tsv: none of its 2 lines has text and audio"):
        of(recipe, folder)
    (folder / "test.tsv").unlink()
    with pytest.raises(DataError, match="test.tsv: no such file"):
        of(recipe, folder)
    assert not recognise(tmp_path / "empty")


def test_the_whole_tarball_through_stage_1(recipe, folder, tmp_path):
    with tarfile.open(tmp_path / "ro_ro.tar.gz", "w:gz") as pack:
        pack.add(folder, "ro_ro")
    assert recognise(tmp_path / "ro_ro.tar.gz")
    assert recipe("data.reader=fleurs", f"data.dir={tmp_path / 'ro_ro.tar.gz'}") == 0
    for part, (_, raw, gender) in ROWS.items():
        assert list(read_table(recipe.dir / "data" / part / "text_raw").values()) == [raw]
        assert list(read_table(recipe.dir / "data" / part / "utt2gender").values()) == [gender.lower()]
