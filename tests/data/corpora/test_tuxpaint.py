import pytest

from tests.data.corpus import stamp
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.tuxpaint import contents, read, stamp_clips, stamp_texts
from xlt.data.groups import split


def of(recipe, root, *settings):
    return read(recipe.cfg(f"data.dir={root}", *settings))


def test_ids_are_speaker_prefixed_and_unique_over_folders(recipe, stamps):
    stamp(stamps, "plants/s00", {"ro": "O floare."}, {"ro": 900.0})
    ids = [utt.id for utt in of(recipe, stamps).utterances]
    assert {"tuxpaint_ron-animals_s00", "tuxpaint_ron-plants_s00"} <= set(ids)
    assert len(ids) == len(set(ids)) == 13


def test_text_and_audio_belong_together(recipe, stamps):
    utt = next(u for u in of(recipe, stamps).utterances if u.id.endswith("_s03"))
    assert (utt.text, utt.audio.name, utt.lang, utt.speaker) == (
        "Trei mere roșii.",
        "s03_desc_ro.ogg",
        "ron_Latn",
        "tuxpaint_ron",
    )


def test_what_is_left_out_is_listed(recipe, stamps):
    stamp(stamps, "a/no_clip", {"ro": "Ceva."})
    stamp(stamps, "a/no_text", {"es": "Algo."}, {"ro": 900.0})
    stamp(stamps, "symbols/alphabets/english/A", {"ro": "Litera A."}, {"ro": 950.0})
    corpus = of(recipe, stamps)
    assert corpus.left_out == {
        "text without audio": ["tuxpaint_ron-a_no_clip"],
        "audio without text": ["tuxpaint_ron-a_no_text"],
        "alphabet": ["tuxpaint_ron-symbols_alphabets_english_A"],
    }
    assert len(corpus.utterances) == 12


def test_variants_are_not_taken_for_the_language_and_double_endings_are(recipe, stamps):
    path = stamps / "animals/s00"
    path.with_suffix(".txt").write_text("A bear.\nro@x.utf8=Alt urs.\nro_MD.utf8=Alt urs.\nro.utf8=Un urs.\n")
    (stamps / "animals/s01_desc_ro.ogg").rename(stamps / "animals/s01_desc_ro.ogg.ogg")
    utts = {utt.id: utt for utt in of(recipe, stamps).utterances}
    assert utts["tuxpaint_ron-animals_s00"].text == "Un urs."
    assert utts["tuxpaint_ron-animals_s01"].audio.name == "s01_desc_ro.ogg.ogg"


def test_a_language_that_the_corpus_lacks(recipe, stamps):
    stamp(stamps, "animals/s00", {"ro": "Un urs.", "lt": "Meška.", "es": "Un oso."}, {"es": 700.0})
    with pytest.raises(
        DataError, match=r"no speech with text in Lithuanian \(lit_Latn\); it has ron_Latn, spa_Latn"
    ):
        of(recipe, stamps, "lang=lit_Latn")
    with raises(DataError, "gsw_Latn", "ron_Latn", where="lang"):
        of(recipe, stamps, "lang=gsw_Latn")


def test_stamps_are_grouped_by_their_text_in_any_spoken_language(stamps):
    stamp(stamps, "b/1", {"ro": "O vacă.", "es": "Una vaca."}, {"es": 700.0})
    stamp(stamps, "b/2", {"ro": "Altă vacă.", "es": "Una vaca!"})
    stamp(stamps, "b/3", {"ro": "o VACĂ"})
    stamp(stamps, "b/4", {"ro": "Un bou.", "fi": "Yhtä."})
    stamp(stamps, "b/5", {"ro": "Un taur.", "fi": "Yhtä."})  # nobody speaks Finnish here
    texts = stamp_texts(stamps)
    found = contents(sorted(texts), texts, stamp_clips(stamps))
    assert {name: found[name] for name in found if name.startswith("b/")} == {
        "b/1": "b/1",
        "b/2": "b/1",
        "b/3": "b/1",
        "b/4": "b/4",
        "b/5": "b/5",
    }


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: root / "nowhere", "no such folder"),
        (lambda root: root, "no clips"),
    ],
)
def test_a_folder_that_is_not_the_corpus(recipe, tmp_path, make, said):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        of(recipe, make(tmp_path / "empty"))


@pytest.mark.slow
def test_the_real_corpus_has_no_giant_group_and_one_split_for_all_languages(recipe, real_stamps):
    of_stamp: dict[str, set[str]] = {}
    for code in ("ron_Latn", "cat_Latn", "ell_Grek"):
        utts = of(recipe, real_stamps, f"lang={code}").utterances
        assert len(utts) > 300
        for utt in utts:
            of_stamp.setdefault(utt.id.split("-", 1)[1], set()).add(utt.content)
    assert all(len(groups) == 1 for groups in of_stamp.values())
    groups = [next(iter(groups)) for groups in of_stamp.values()]
    assert max(map(groups.count, set(groups))) < 0.02 * len(groups)
    assert set(split(set(groups)).values()) == {"train", "dev", "test"}
