"""The reader commonvoice on a corpus in the release's layout, with mp3 of tones."""

import tarfile

import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.commonvoice import read, recognise
from xlt.formats.tables import read_table

COLUMNS = [
    "client_id",
    "path",
    "sentence_id",
    "sentence",
    "sentence_domain",
    "up_votes",
    "down_votes",
    "age",
    "gender",
    "accents",
    "variant",
    "locale",
    "segment",
]


def row(clip, client, sentence, up=2, down=0, locale="ro", **more):
    values = {
        "client_id": client * 16,
        "path": f"common_voice_{locale}_{clip}.mp3",
        "sentence": sentence,
        "up_votes": str(up),
        "down_votes": str(down),
        "locale": locale,
        **more,
    }
    return "\t".join(values.get(name, "") for name in COLUMNS)


def tsv(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n", encoding="utf-8")


ROWS = {
    "train": [row(1, "ana", "Un urs.", accents="Moldova", gender="female_feminine", age="twenties")],
    "dev": [row(2, "ion", '"O pisică", zise.')],
    "test": [row(3, "eva", "Trei mere")],
}
MORE = [
    row(4, "ana", "Un câine mare"),
    row(5, "ion", "O casă"),
    row(6, "dan", "trei MERE!"),
    row(7, "dan", "Un tren", up=2, down=2),
]


@pytest.fixture
def locale(tmp_path):
    """cv-corpus-24.0-2025-12-05/ro: three official clips, four more that are validated."""
    folder = tmp_path / "cv-corpus-24.0-2025-12-05/ro"
    for name, rows in ROWS.items():
        tsv(folder / f"{name}.tsv", *rows)
    tsv(folder / "validated.tsv", *[r for rows in ROWS.values() for r in rows], *MORE)
    tsv(folder / "invalidated.tsv", row(8, "dan", "x", 0, 2), row(9, "dan", "y", 0, 2))
    (folder / "reported.tsv").write_text(
        "sentence_id\tsentence\tlocale\treason\n1\tUn urs.\tro\tgrammar-or-spelling\n"
    )
    for number in range(1, 8):
        tone(folder / f"clips/common_voice_ro_{number}.mp3", rate=32000, hz=300.0 + 50 * number)
    return folder


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=commonvoice", f"data.dir={place}", *settings))


def test_the_official_sets(recipe, locale):
    corpus = of(recipe, locale)
    assert {u.text: u.split for u in corpus.utterances} == {
        "Un urs.": "train",
        '"O pisică", zise.': "dev",
        "Trei mere": "test",
    }
    utt = next(u for u in corpus.utterances if u.split == "train")
    # sha256 of "ana" sixteen times, worked out with sha256sum
    assert utt.speaker == "cv_ab2f60309b" and utt.id == "cv_ab2f60309b-common_voice_ro_1"
    assert utt.tags == {"accent": "Moldova", "gender": "female_feminine", "age": "twenties"}
    assert corpus.facts["lines"] == {
        "train": 1,
        "dev": 1,
        "test": 1,
        "validated": 7,
        "invalidated": 2,
        "reported": 1,
    }
    assert corpus.facts["of reported sentences"] == 1 and corpus.left_out == {}


def test_validated_keeps_dev_and_test_apart(recipe, locale):
    corpus = of(recipe, locale, "data.train_from=validated")
    assert [u.text for u in corpus.utterances if u.split == "train"] == ["Un urs.", "Un câine mare"]
    assert [u.text for u in corpus.utterances if u.split != "train"] == ['"O pisică", zise.', "Trei mere"]
    assert corpus.left_out == {
        "its speaker is in dev or test": ["validated.tsv:6"],
        "its sentence is in dev or test": ["validated.tsv:7"],
        "voted down": [u for ids in corpus.left_out.values() for u in ids if u.endswith("ro_7")],
    }


def test_what_train_shares_with_test_is_left_out(recipe, locale):
    tsv(locale / "train.tsv", *ROWS["train"], row(3, "eva", "Trei mere"), row(6, "dan", "trei MERE!"))
    corpus = of(recipe, locale)
    assert corpus.left_out == {
        "clip in two sets": ["train.tsv:3"],
        "its sentence is in dev or test": ["train.tsv:4"],
    }


def test_a_clip_in_dev_and_test_counts_once(recipe, locale):
    tsv(locale / "test.tsv", *ROWS["test"], *ROWS["dev"])
    corpus = of(recipe, locale)
    assert [u.split for u in corpus.utterances if u.text == '"O pisică", zise.'] == ["dev"]
    assert len(corpus.left_out["clip in two sets"]) == 1


def test_missing_clips(recipe, locale):
    (locale / "clips/common_voice_ro_3.mp3").unlink()
    left = of(recipe, locale).left_out["text without audio"]
    assert len(left) == 1 and left[0].endswith("common_voice_ro_3")
    for clip in (locale / "clips").iterdir():
        clip.unlink()
    with pytest.raises(
        DataError, match="none of the 3 clips is there, first common_voice_ro_2.mp3; unpack the whole tarball"
    ):
        of(recipe, locale)


def test_a_small_language_is_split_here(recipe, locale, capsys):
    tsv(locale / "dev.tsv")
    corpus = of(recipe, locale)
    assert {u.split for u in corpus.utterances} == {None} and len(corpus.utterances) == 6
    assert "no clips in dev.tsv: all 7 validated clips are split here" in capsys.readouterr().out
    assert corpus.unread.keys() == {"invalidated"}  # decode.sets could not ask for what has been split


def test_which_locale(recipe, locale, capsys):
    release = locale.parent
    assert len(of(recipe, release).utterances) == len(of(recipe, release.parent).utterances) == 3
    with raises(DataError, "tur_Latn", "ro", where=str(release)):
        of(recipe, release, "lang=tur_Latn")
    tsv(release / "zh-CN/validated.tsv", row(1, "a", "x", locale="zh-CN"))
    tsv(release / "zh-TW/validated.tsv", row(1, "a", "x", locale="zh-TW"))
    with raises(DataError, 1, where="zh-CN/clips"):
        of(recipe, release, "lang=cmn_Hans")
    with raises(DataError, "tur_Latn", "ro", "zh-CN", "zh-TW", where=str(release)):
        of(recipe, release, "lang=tur_Latn")


def test_a_locale_that_no_table_knows_is_taken_and_said(recipe, tmp_path, capsys):
    tsv(tmp_path / "cv/xyz/validated.tsv", row(1, "a", "x", locale="xyz"))
    tone(tmp_path / "cv/xyz/clips/common_voice_xyz_1.mp3")
    assert len(of(recipe, tmp_path / "cv", "lang=qqq_Latn").utterances) == 1
    assert (
        "note: takes xyz, a name that is not in the table of languages, as qqq_Latn"
        in capsys.readouterr().out
    )


def test_another_folder(recipe, tmp_path):
    tsv(tmp_path / "x.tsv")
    with pytest.raises(DataError, match="no validated.tsv or train.tsv in it"):
        of(recipe, tmp_path)
    (tmp_path / "validated.tsv").write_text("path\ttext\na.mp3\tx\n")
    with pytest.raises(DataError, match="validated.tsv:1: no column client_id or sentence, expected"):
        of(recipe, tmp_path)


def test_recognise(locale, tmp_path):
    assert recognise(locale) and recognise(locale.parent) and not recognise(locale / "clips")
    with tarfile.open(tmp_path / "cv.tar.gz", "w:gz") as pack:
        pack.add(locale.parent, locale.parent.name)
    assert recognise(tmp_path / "cv.tar.gz")


def test_the_tarball_through_stage_1(recipe, locale, tmp_path, capsys):
    with tarfile.open(tmp_path / "cv.tar.gz", "w:gz") as pack:
        pack.add(locale.parent, locale.parent.name)
    assert (
        recipe("data.reader=commonvoice", f"data.dir={tmp_path / 'cv.tar.gz'}", "data.min_chars_per_s=0.1")
        == 0
    )
    assert "split by corpus: the corpus has its own split" in capsys.readouterr().out
    assert set(read_table(recipe.dir / "data/all/utt2format").values()) == {"32000 1 mp3"}
    assert list(read_table(recipe.dir / "data/train/utt2accent").values()) == ["Moldova"]
    assert not (recipe.dir / "data/test/utt2accent").exists()
    assert list(read_table(recipe.dir / "data/test/text").values()) == ["trei mere"]
