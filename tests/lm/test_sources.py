"""Word lists and texts as a language model gets them."""

import gzip

import pytest

from tests.errors import raises, says
from tests.lm.conftest import AFF, ALPHABET
from xlt.core.errors import ConfigError, DataError
from xlt.formats.tables import write_table
from xlt.lm import sources
from xlt.lm.sources import read_texts, word_list
from xlt.text.normalise import names, normalise

CYRILLIC = set("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіў'- ")


def a_list(recipe, content: str, *settings: str, alphabet=frozenset(ALPHABET)):
    recipe.write("words.txt", content)
    return word_list(recipe("lm.words=words.txt", *settings).cfg, alphabet)


def test_words_are_normalised_and_frequencies_are_per_million(recipe):
    found = a_list(recipe, "Țară\t2\nţară\t1\nmere!\t1\n")  # comma, and cedilla as old keyboards wrote it
    assert found.words == pytest.approx({"țară": 750_000, "mere": 250_000})
    assert (found.facts.path, found.facts.lines, found.facts.words) == ("words.txt", 3, 2)


def test_what_is_no_word_is_left_out_and_counted(recipe):
    found = a_list(recipe, "ana\nAna\nмир\n…\n4x4\nana/maria\n")
    assert found.words == {"ana": 1.0}
    assert found.facts.left_out == {
        "duplicates": 1,
        "with characters that the training texts lack": 1,
        "without letters": 1,
        "with digits": 1,
        "of several words": 1,
    }


def test_a_list_in_another_script_is_refused(recipe):
    with raises(DataError, "ron_Latn", 2, where="lm.words=words.txt"):
        a_list(recipe, "мир\nдом\n")


def test_a_path_counts_from_the_recipe_and_words_are_no_paths(recipe):
    assert recipe("lm.words=auto").cfg.lm.words == "auto"
    assert recipe("lm.words=hunspell:ro_RO").cfg.lm.words == "hunspell:ro_RO"
    dic = recipe("lm.words=hunspell:dicts/ro.dic").cfg
    assert dic.lm.words == f"hunspell:{recipe.dir}/dicts/ro.dic"
    assert dic.as_given("lm.words") == "hunspell:dicts/ro.dic"


def test_none_is_none(recipe):
    assert word_list(recipe("lm.words=none").cfg, ALPHABET) is None


def test_wordfreq_has_the_most_frequent_words_first(recipe, monkeypatch):
    monkeypatch.setattr(sources, "MOST_WORDS", 100)
    found = word_list(recipe("lm.words=wordfreq").cfg, ALPHABET)
    assert len(found.words) == 100 and {"de", "și", "la"} <= set(found.words)
    # wordfreq.word_frequency("de", "ro") of wordfreq 3.1.1 is 0.0525
    assert found.words["de"] == pytest.approx(52_500, rel=0.01)
    assert found.facts.licence == "CC-BY-SA-4.0"
    assert any("100" in reason for reason in found.facts.left_out)


@pytest.mark.parametrize(
    ("lang", "alphabet", "word"),
    [
        ("cmn_Hans", set("的是我们"), "我们"),
        ("jpn_Jpan", {chr(code) for code in range(0x3041, 0x3097)}, "これ"),
        ("arb_Arab", set("منفيال"), "من"),
    ],
)
def test_lists_of_scripts_without_spaces_need_no_tokeniser(recipe, lang, alphabet, word, monkeypatch):
    monkeypatch.setattr(sources, "MOST_WORDS", 100)
    assert word in word_list(recipe("lm.words=wordfreq", f"lang={lang}").cfg, alphabet).words


def test_belarusian_is_not_russian(recipe, debian, capsys):
    """wordfreq answers ``be`` with its Russian list."""
    with raises(ConfigError, "bel_Cyrl", where="lm.words=wordfreq"):
        word_list(recipe("lm.words=wordfreq", "lang=bel_Cyrl").cfg, CYRILLIC)
    assert word_list(recipe("lang=bel_Cyrl").cfg, CYRILLIC) is None
    (said,) = capsys.readouterr().out.splitlines()
    assert says(said, "lm.words") and says(said, "bel_Cyrl") and says(said, "hunspell-be")


def test_a_latin_list_is_not_for_cyrillic(recipe):
    """wordfreq's list of Serbian is in Latin letters."""
    with raises(DataError, "srp_Cyrl", where="lm.words=wordfreq"):
        word_list(recipe("lm.words=wordfreq", "lang=srp_Cyrl").cfg, CYRILLIC)


def test_greek_words_of_wordfreq_end_with_a_final_sigma(recipe):
    """wordfreq's list has the word for "how" as πωσ."""
    alphabet = set("αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊΐϋΰ")
    found = word_list(recipe("lm.words=wordfreq", "lang=ell_Grek").cfg, alphabet)
    assert {"πως", "της", "σε"} <= set(found.words) and not {"πωσ", "τησ"} & set(found.words)


def test_auto_takes_a_dictionary_where_wordfreq_has_no_list(recipe, debian, capsys):
    debian(
        "hunspell-be",
        {
            "usr/share/hunspell/be_BY.aff": AFF,
            "usr/share/hunspell/be_BY.dic": "2\nвада/S\nМінск\n",
            "usr/share/doc/hunspell-be/copyright": "Source: there\n\nFiles: *\nLicense: CC-BY-SA\n",
        },
    )
    found = word_list(recipe("lang=bel_Cyrl").cfg, CYRILLIC)
    assert found.words == {"вада": 1.0, "вадаў": 1.0, "мінск": 1.0}
    assert (found.facts.licence, found.facts.url, found.facts.path) == ("CC-BY-SA", "there", None)
    said = capsys.readouterr().out
    assert says(said, "be_BY") and says(said, "CC-BY-SA")


def test_several_languages_have_no_list_of_their_own(recipe, capsys):
    assert word_list(recipe("lang=mul_Zyyy").cfg, ALPHABET) is None
    assert says(capsys.readouterr().out, "mul_Zyyy")


def test_a_plain_word_is_what_the_normaliser_makes_of_it(recipe):
    """The short way for words in small letters gives the same as the normaliser."""
    texts = [
        "țară",
        "ţară",
        "i\u0307",
        "ά\u0301",
        "l·l",
        "ŀl",
        "п’ять",
        "να\u0301",
        "𐐀",
        "ǅ",
        "ʼn",
        "ﬁ",
        "σσ",
        "〇",
    ]
    for name in names():
        of = sources.normaliser(recipe(f"data.normaliser={name}").cfg, "lm.words")
        assert [of(text) for text in texts] == [normalise(text, name) for text in texts]


def texts_of(recipe, content: str | bytes, *settings: str, name: str = "a.txt"):
    recipe.write(name, content)
    (found,) = read_texts(recipe(f"lm.text=[{name}]", *settings), ALPHABET)
    return found


def test_sentences_are_normalised_and_what_is_left_out_is_counted(recipe):
    content = "\ufeffAna are mere.\r\n\n…\nДоброе утро!\nÎn 1989, acasă.\nc\ufffdine\n"
    found = texts_of(recipe, content)
    assert found.lines == ["ana are mere", "în 1989 acasă"] and found.numbers == [1, 5]
    assert found.facts.left_out == {
        "empty lines": 1,
        "lines without letters": 1,
        "lines mostly of characters that the training texts lack": 1,
        "lines with U+FFFD, where a program lost a character": 1,
    }
    assert (found.facts.path, found.facts.lines, found.facts.words) == ("a.txt", 6, 6)


def test_a_packed_text(recipe):
    packed = gzip.compress(b"Ana are mere.\n", mtime=0)
    assert texts_of(recipe, packed, name="a.txt.gz").lines == ["ana are mere"]


@pytest.mark.parametrize(
    ("content", "where", "facts"),
    [
        ("", "a.txt", []),
        ("\n…\n", "a.txt", []),
        ("ana\nb\xe3".encode("latin-1"), "a.txt:2", ["UTF-8"]),
        ("ana\nДоброе утро\nКак дела\n", "a.txt:2", ["ron_Latn"]),
        (gzip.compress(b"Ana are mere.\n", mtime=0)[:-12], "a.txt:1", [".gz"]),
    ],
)
def test_texts_that_are_none(recipe, content, where, facts):
    with raises(DataError, *facts, where=where):
        texts_of(recipe, content)


def test_a_long_text_in_another_script_is_not_read_to_its_end(recipe):
    """The byte that is not UTF-8 is never reached."""
    with raises(DataError, "100", where="a.txt:1"):
        texts_of(recipe, "Доброе утро\n".encode() * 2000 + b"\xff\n")


def test_held_out_sentences_are_refused_or_left_out(recipe):
    content = "Ana are mere.\nUn urs alb!\nO casă veche.\n"
    with raises(DataError, 2, 3, "test-1", "lm.exclude_overlap=true", where="a.txt:2"):
        texts_of(recipe, content)
    found = texts_of(recipe, content, "lm.exclude_overlap=true")
    assert found.lines == ["ana are mere"] and [one.number for one in found.overlaps] == [2, 3]
    assert found.facts.left_out == {"lines with sentences of held-out sets": 2}


def test_sentences_of_one_word_count_where_longer_ones_are(recipe):
    write_table(recipe.dir / "data/test/text", {"test-1": "un urs alb", "test-2": "luna"})
    assert texts_of(recipe, "Luna!\nAna are mere.\n").lines == ["luna", "ana are mere"]
    found = texts_of(recipe, "Luna!\nAna are mere.\nUn urs alb.\n", "lm.exclude_overlap=true")
    assert (found.lines, found.numbers, found.facts.words) == (["ana are mere"], [2], 3)
    assert [one.utt for one in found.overlaps] == ["test-2", "test-1"]


def test_files_are_there_each_once(recipe):
    recipe.write("a.txt", "Ana are mere.\n")
    for given in ("none.txt", "a.txt, a.txt", "data", "3"):
        with raises(ConfigError, where="lm.text"):
            read_texts(recipe(f"lm.text=[{given}]"), ALPHABET)


def test_a_huge_text_is_refused_with_a_way_out(recipe):
    with (recipe.dir / "huge.txt").open("wb") as handle:
        handle.truncate(10**13)
    with raises(ConfigError, "huge.txt", "lmplz", "lm.model", where="lm.text"):
        read_texts(recipe("lm.text=[huge.txt]"), ALPHABET)


def test_the_memory_decides_how_much_text_there_may_be(recipe, monkeypatch):
    monkeypatch.setattr(sources, "free_memory", lambda: 16e6)
    assert sources.largest(recipe("lm.order=5").cfg).size == 200_000  # 16 bytes an order
    recipe.write("a.txt", "ana are mere\n" * 20_000)
    with raises(ConfigError, "a.txt", where="lm.text"):
        read_texts(recipe("lm.text=[a.txt]", "lm.order=5"), ALPHABET)
    assert len(read_texts(recipe("lm.text=[a.txt]", "lm.order=2"), ALPHABET)[0].lines) == 20_000


def test_joined_recipes_with_several_normalisers_take_no_text(recipe):
    for name in ("ron", "rus"):
        (recipe.dir / name).mkdir()
        code = {"ron": "ron_Latn", "rus": "rus_Cyrl"}[name]
        recipe.write(f"{name}/recipe.yaml", f"lang: {code}\ndata: {{reader: kaldi, dir: corpus}}\n")
    recipe.write("a.txt", "ana\n")
    settings = ("data.reader=recipes", "data.sources=[ron, rus]", "lang=mul_Zyyy", "lm.text=[a.txt]")
    with raises(ConfigError, "ron-v2", where="lm.text"):
        read_texts(recipe(*settings), ALPHABET)
