import doctest

import pytest

from xlt.lm.overlap import HeldOut, Sentence
from xlt.text import content

TEST = {
    "u1": "un urs alb",
    "u2": "da",
    "u3": "fata vede două păsări în grădină",
    "u4": "într-o zi de vară copilul citea o carte veche despre mare și despre corăbii",
    "u5": "țara noastră",
}
EIGHT = "copilul citea o carte veche despre mare și"


def found(line: str, texts: dict[str, str] = TEST):
    held_out = HeldOut(Sentence("test", utt, text) for utt, text in texts.items())
    return [(one.utt, one.words, one.whole) for one in held_out.overlaps([(1, line)])]


@pytest.mark.parametrize(
    ("line", "utt"),
    [
        ("un urs alb", "u1"),
        ("Un urs... ALB!", "u1"),
        ("Ieri a plouat. Un urs alb. Mâine va ninge.", "u1"),
        ("tara noastra", "u5"),
        ("Ţara noastră", "u5"),  # cedilla
        ("se spune că fata vede două păsări în grădină când plouă", "u3"),
    ],
)
def test_whole_sentences_whatever_their_spelling(line, utt):
    assert found(line) == [(utt, TEST[utt], True)]


@pytest.mark.parametrize(
    "line",
    [
        "da",  # one word: every list has it
        "Da. Nu.",
        "un urs alb mare",  # a short sentence within a longer one
        "fata vede două păsări în curte",
        " ".join(EIGHT.split()[1:]),  # seven words of a longer sentence
        "",
        "...",
    ],
)
def test_what_is_no_overlap(line):
    assert found(line) == []


def test_eight_words_in_a_row_of_a_longer_sentence():
    (utt, words, whole), *more = found(f"Atunci {EIGHT.capitalize()}, iar apoi a dormit")
    assert (utt, words, whole, more) == ("u4", "copilul citea o carte veche despre mare si", False, [])


CHINESE = {
    "u1": "今天天气很好",
    "u2": "我们明天早上八点在学校门口集合然后一起坐车去山里看红叶吧",
    "u3": "你好",
}


@pytest.mark.parametrize(
    ("line", "utts"),
    [
        ("今天天气很好。", ["u1"]),
        ("你好", []),  # two characters are a word
        ("因为今天天气很好我们出去", []),  # six characters within others
        ("他说我们明天早上八点在学校门口集合然后一起坐车去", ["u2"]),  # 22 characters in a row
        ("我们明天早上八点在学校门口", []),
    ],
)
def test_scripts_without_spaces_are_compared_by_characters(line, utts):
    assert [utt for utt, _, _ in found(line, CHINESE)] == utts


def test_vowel_signs_are_no_accents():
    assert found("कि का", {"u1": "का कि"}) == [] and found("का, कि!", {"u1": "का कि"}) != []


def test_the_set_and_the_line_are_named():
    held_out = HeldOut([Sentence("dev", "a", "un urs alb"), Sentence("test", "b", "Un urs alb.")])
    assert [one[:3] for one in held_out.overlaps([(7, "x"), (9, "un urs alb")])] == [(9, "dev", "a")]


def test_examples():
    assert doctest.testmod(content).failed == 0
