"""Classes of words in stage 8; the counts are worked out by hand."""

import json

import pytest

from tests.score.test_score import document, score
from xlt.formats.tables import write_table
from xlt.score.names import Names
from xlt.text.normalise import normalise


def micro(recipe, name="test"):
    return document(recipe)["micro"][name]


def log(recipe):
    return (recipe / "log/main/score.log").read_text(encoding="utf-8")


def brief(entry):
    return entry["n_ref"], entry["correct"], entry["sub"], entry["del"], entry["ins"], entry["value"]


def test_built_in_classes(recipe):
    # test: "o broască" → "o broasca", "unu doi trei" → "unu trei", "mulțumesc"; train: o broască, un papagal
    assert score(recipe) == 0
    found = micro(recipe)
    assert brief(found["classes"]["numbers"]) == (3, 2, 0, 1, 0, 33.333)  # o alone is an article; doi is lost
    assert brief(found["classes"]["unseen"]) == (4, 3, 0, 1, 0, 25.0)  # unu doi trei mulțumesc
    assert brief(found["classes"]["long"]) == (
        1,
        1,
        0,
        0,
        0,
        0.0,
    )  # of 4 training words the longest has 7 letters: from 8
    assert found["classes"]["long"]["note"] == "8 or more characters"
    assert brief(found["all"]) == (4, 3, 0, 1, 0, 25.0) and brief(found["rest"]) == (2, 1, 1, 0, 0, 50.0)
    assert found["absent"] == {"names": "data/test/text_raw is not there: stage 1 (data) writes it"}
    assert found["classes"]["numbers"]["n"] == 1 and found["all"]["n"] == 2
    # of two utterances with such words one has 1 of 3 wrong, one none
    assert found["all"]["mean"]["value"] == 16.667
    assert micro(recipe, "dev")["classes"] == {} and micro(recipe, "dev")["rest"] is None


def test_a_class_that_cannot_be_is_logged(recipe):
    (recipe / "recipe.yaml").write_text("lang: swh_Latn\nscore: {bootstrap: 20}\n")
    (recipe / "data/train/text").unlink()
    assert score(recipe) == 0
    absent = micro(recipe)["absent"]
    assert absent["numbers"] == "num2words does not know Swahili"
    assert absent["unseen"] == "data/train/text has no words of swh_Latn"
    assert absent["long"] == "data/train/text has no words; set score.long_chars"
    assert "test: no WER of numbers (num2words does not know Swahili)" in log(recipe)


def test_words_of_a_language_that_training_never_heard(recipe):
    """As in another recipe's test set, that train.mix brings: what is unseen there says nothing."""
    write_table(recipe / "data/test/utt2lang", {"s-1": "ron_Latn", "s-2": "spa_Latn", "s-3": "spa_Latn"})
    score(recipe)
    assert micro(recipe)["absent"]["unseen"] == "no reference word is of it"  # o broască was seen
    write_table(recipe / "data/test/utt2lang", dict.fromkeys(("s-1", "s-2", "s-3"), "spa_Latn"))
    score(recipe)
    assert micro(recipe)["absent"]["unseen"] == "data/train/text has no words of spa_Latn"


def test_a_script_without_spaces_has_no_words(recipe):
    (recipe / "recipe.yaml").write_text("lang: tha_Thai\nscore: {bootstrap: 20}\ndecode: {sets: [test]}\n")
    for place, sign in (("data/test", "กบเจ้าชาย"), ("exp/main/decode_test", "กบเจ้าชาง")):
        write_table(recipe / place / "text", dict.fromkeys(("s-1", "s-2", "s-3"), sign))
    score(recipe)
    assert micro(recipe)["absent"] == {"words": "the references have no spaces between words"}
    write_table(
        recipe / "data/test/text", dict.fromkeys(("s-1", "s-2", "s-3"), "กบ เจ้าชาย")
    )  # somebody has parted them
    score(recipe)
    assert micro(recipe)["classes"]["unseen"]["n_ref"] == 6


def test_length_of_a_long_word(recipe):
    score(recipe, "score.long_chars=4")
    # broască, trei and mulțumesc have 4 characters or more: one is wrong
    assert brief(micro(recipe)["classes"]["long"]) == (3, 2, 1, 0, 0, 33.333)
    score(recipe, "score.long_chars=9")  # a changed setting is scored again
    assert micro(recipe)["classes"]["long"]["n_ref"] == 1
    assert score(recipe, "score.long_chars=0") == 2


def test_words_and_phrases_of_a_list(recipe):
    (recipe / "mine.txt").write_text("\ufeffDoi, TREI\n\nbroască\ntrei papagali\n", encoding="utf-8")
    assert score(recipe, f"score.words={{entities: {recipe}/mine.txt}}") == 0
    # normalised like the text; the phrase "doi trei" stands in s-2, broască in s-1; "trei papagali" nowhere
    assert brief(micro(recipe)["classes"]["entities"]) == (3, 1, 1, 1, 0, 66.667)
    assert "test: WER of entities 66.7" in log(recipe)
    text = (recipe / "exp/main/score.json").read_text(encoding="utf-8")
    assert str(recipe) not in text and "score.words" not in document(recipe)["config"]
    (recipe / "mine.txt").write_text("trei\n", encoding="utf-8")
    score(recipe, f"score.words={{entities: {recipe}/mine.txt}}")
    assert micro(recipe)["classes"]["entities"]["n_ref"] == 1


def test_a_list_takes_the_place_of_a_built_in_class(recipe):
    (recipe / "mine.txt").write_text("trei\n", encoding="utf-8")
    (recipe / "recipe.yaml").write_text(
        "lang: ron_Latn\nscore: {bootstrap: 20, words: {numbers: mine.txt}}\n"
    )
    score(recipe)  # a path in recipe.yaml is relative to it
    assert micro(recipe)["classes"]["numbers"]["n_ref"] == 1


@pytest.mark.parametrize(
    "text, message",
    [
        (None, "score.words: mine: "),
        (b"", "empty; write a word"),
        (b"a\n...\n", ":2: '...' has no text once it is normalised"),
        (b"caf\xe9\n", "not UTF-8 (byte 3)"),
    ],
)
def test_faults_of_a_list(recipe, capsys, text, message):
    path = recipe / "mine.txt"
    if text is not None:
        path.write_bytes(text)
    assert score(recipe, f"score.words={{mine: {path}}}") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", ["{all: x.txt}", "{mine: 3}", "{mine: [x]}"])
def test_lists_that_cannot_be(recipe, capsys, words):
    assert score(recipe, f"score.words={words}") == 2
    assert "expected names of classes (not all or rest) with files" in capsys.readouterr().err


def test_tags_of_words(recipe):
    write_table(recipe / "tags", {"s-2": "- NUM NUM", "s-3": "POLITE"})
    assert score(recipe, f"score.word_tags={recipe}/tags", "decode.sets=[test]") == 0
    classes = micro(recipe)["classes"]
    assert brief(classes["NUM"]) == (2, 1, 0, 1, 0, 50.0) and brief(classes["POLITE"]) == (1, 1, 0, 0, 0, 0.0)


def test_tags_for_another_set_are_said(recipe):
    write_table(recipe / "tags", {"s-3": "POLITE"})
    assert score(recipe, f"score.word_tags={recipe}/tags") == 0
    assert (
        micro(recipe, "dev")["absent"]["POLITE"] == f"{recipe}/tags has no line for an utterance of this set"
    )


@pytest.mark.parametrize(
    "tags, message",
    [
        (
            {"s-1": "- -", "s-2": "- NUM"},
            "tags:2: utterance 's-2' has 2 tags, and its normalised reference 3 words (unu doi trei)",
        ),
        ({"s-3": "rest"}, "the tag 'rest' is a list in score.words, too, or means all or no classes"),
    ],
)
def test_faults_of_tags(recipe, capsys, tags, message):
    write_table(recipe / "tags", tags)
    assert score(recipe, f"score.word_tags={recipe}/tags", "decode.sets=[test]") == 2
    assert message in capsys.readouterr().err


def test_names_from_the_raw_text(recipe):
    write_table(
        recipe / "data/test/text_raw", {"s-1": "O Broască!", "s-2": "Unu, doi Trei", "s-3": "Mulţumesc"}
    )
    score(recipe)
    # O, Unu and Mulţumesc begin; broască is wrong, trei right
    assert brief(micro(recipe)["classes"]["names"]) == (2, 1, 1, 0, 0, 50.0)


@pytest.mark.parametrize(
    "raw, why",
    [
        (
            {"s-1": "o broască!", "s-2": "unu doi trei", "s-3": "mulţumesc"},
            "data/test/text_raw has no capital letters",
        ),
        (
            {"s-1": "O BROASCĂ", "s-2": "UNU DOI TREI", "s-3": "MULŢUMESC"},
            "data/test/text_raw has no small letters",
        ),
        (
            {"s-1": "O pisică", "s-2": "", "s-3": "Da"},
            "the words of data/test/text_raw are not those of the references: run stage 1",
        ),
    ],
)
def test_raw_text_without_names(recipe, raw, why):
    write_table(recipe / "data/test/text_raw", raw)
    score(recipe)
    assert micro(recipe)["absent"]["names"].startswith(why)


@pytest.mark.parametrize(
    "lang, raw, found",
    [
        ("eng_Latn", "We saw Anna. Then I and O'Brien left: Nobody saw I'm", "anna o'brien"),
        ("eng_Latn", "“Hello,” said Mary, “My friend” of “Moby Dick”", "mary moby dick"),
        ("fra_Latn", "— Voici l'Espagne ! Paris", "l'espagne"),
        ("ell_Grek", "Πουλί Κετσάλ (Quetzal) - Το εθνικό πτηνό", "κετσάλ quetzal"),
        ("spa_Latn", "¿Dónde está Jean-Paul? ¡Ana!", "jean-paul"),
        ("ell_Grek", "Είδες την Άννα; Ναι, στην Αθήνα", "άννα αθήνα"),  # the semicolon is its question mark
        ("hin_Deva", "यह राम है। सीता", ""),
        ("hye_Armn", "Նա Աննան է։ Այո", "աննան"),
        ("kat_Geor", "ეს ანა არის", ""),
    ],
)
def test_what_is_a_name(lang, raw, found):
    def clean(_, text):
        return normalise(text, "generic-v1")

    names, words = Names({"u": raw}, clean), clean(lang, raw).split()
    assert " ".join(words[i] for i in sorted(names.places("u", words, lang))) == found


def test_german_nouns_are_noted():
    names = Names({"u": "Der Hund schläft"}, lambda _, text: text.lower())
    assert names.places("u", ["der", "hund", "schläft"], "deu_Latn") == {1}
    assert names.note(["deu_Latn"]) == "deu_Latn: all nouns have capitals"


def test_phones_have_no_classes_but_features(recipe):
    (recipe / "data/tokens/phone").mkdir(parents=True)
    (recipe / "data/tokens/phone/tokens.json").write_text(
        json.dumps({"g2p": {"ron_Latn": {"g2p": "espeak ro"}}})
    )
    write_table(recipe / "data/tokens/phone/test.text", {"s-1": "t a k", "s-2": "t", "s-3": "a"})
    write_table(recipe / "exp/main/decode_test/text", {"s-1": "d a k", "s-2": "t", "s-3": "a"})
    assert score(recipe, "tokens.type=phone", "decode.sets=[test]") == 0
    found = document(recipe)
    assert found["sets"]["test"]["per"]["value"] == 20.0 and 0 < found["sets"]["test"]["fer"]["value"] < 5
    assert "micro" not in found and "script" not in found
    assert set(found["means"]["test"]) == {"per", "fer", "ser"}
