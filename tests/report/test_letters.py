import pytest

from xlt.report.confusions import alphabet, confusions
from xlt.report.letters import coverage, letter, letters, matrix

HEAD = "id\tchar_n_ref\tchar_sub\tchar_del\tchar_ins\tref\thyp\n"


def table(tmp_path, *pairs, head=HEAD):
    path = tmp_path / "t.tsv"
    path.write_text(
        head + "".join(f"u{k}\t9\t0\t0\t0\t{ref}\t{hyp}\n" for k, (ref, hyp) in enumerate(pairs)),
        encoding="utf-8",
    )
    return path


def test_confusions_by_hand(tmp_path):
    found = confusions(table(tmp_path, ("casă", "cază"), ("o masă", "omasă"), ("un", "unu"), ("da", "da")))
    assert found == {
        "unit": "char",
        "left_off": 0,
        "pairs": {"": {"u": 1}, " ": {"": 1}, "s": {"z": 1}},
        "n": {" ": 1, "a": 3, "c": 1, "d": 1, "m": 1, "n": 1, "o": 1, "s": 2, "u": 1, "ă": 2},
    }


def test_confusions_of_phones(tmp_path):
    found = confusions(table(tmp_path, ("tʃ a", "ʃ a"), head=HEAD.replace("char", "phone")))
    assert (found["unit"], found["n"], found["pairs"]) == ("phone", {"a": 1, "tʃ": 1}, {"tʃ": {"ʃ": 1}})


def test_rare_pairs_of_a_large_script_are_counted_not_listed(tmp_path):
    found = confusions(table(tmp_path, *((chr(0x4E00 + k), chr(0x6000 + k)) for k in range(500))))
    assert len(found["n"]) == 500 and len(found["pairs"]) == 300 and found["left_off"] == 200


@pytest.mark.parametrize(
    ("token", "shown", "name"),
    [
        ("ș", "ș", "U+0219 LATIN SMALL LETTER S WITH COMMA BELOW"),
        ("\u093f", "◌\u093f", "U+093F DEVANAGARI VOWEL SIGN I"),
        ("\u200d", "U+200D", "U+200D ZERO WIDTH JOINER"),
        ("\ue000", "U+E000", "U+E000 unnamed"),
        ("ሀ", "ሀ", "U+1200 ETHIOPIC SYLLABLE HA"),
        (" ", "␣", "space between words"),
    ],
)
def test_every_character_can_be_seen(token, shown, name):
    assert (letter(token).shown, letter(token).name) == (shown, name)


def test_alphabet_with_what_only_the_test_set_has():
    learned = alphabet({"u1": "ab a", "u2": "b"}, "char")
    assert learned == {" ": 1, "a": 2, "b": 2}
    found, left_off = letters(learned, {"a": 1, "c": 4})
    assert [(x.shown, x.n, x.new) for x in found] == [
        ("␣", 1, False),
        ("a", 2, False),
        ("b", 2, False),
        ("c", 4, True),
    ]
    assert left_off == 0 and letters({chr(0x4E00 + k): 1 for k in range(250)}, {})[1] == 50


def test_a_letter_that_a_source_has_in_a_foreign_name_only_does_not_count():
    found = coverage({"ron": {" ": 500, "a": 75, "ș": 25}, "rus": {"а": 1999, "a": 1}, "cat": {"a": 10}})
    assert {source: share.percent for source, share in found["ron"].items()} == {
        "ron": 100.0,
        "rus": 0.0,
        "cat": 75.0,
    }
    assert found["cat"]["ron"].percent == 100.0


def test_the_matrix_counts_what_it_does_not_show():
    pairs = {"a": {chr(ord("b") + k): 1 for k in range(20)}, "": {"z": 7}}
    found = matrix({"unit": "char", "n": {"a": 40}, "pairs": pairs, "left_off": 3})
    ((said, errors, counts),) = found.rows
    assert (said.shown, errors.n, errors.total, errors.percent) == ("a", 20, 40, 50.0)
    assert len(found.heads) == 14 and found.heads[0].shown == "z"  # inserted most often
    assert (
        [c.n for c in counts] == [0, *[1] * 13, 7, 0]
        and found.inserted == [7, *[0] * 14]
        and found.pairs == []
    )
    assert matrix({"unit": "char", "n": {"a": 4}, "pairs": {}, "left_off": 0}) is None


def test_look_alikes_of_two_scripts_are_told_apart():
    def mixed(*said):
        return matrix(
            {"unit": "char", "n": dict.fromkeys(said, 2), "pairs": {c: {"-": 1} for c in said}, "left_off": 0}
        ).mixed

    assert mixed("a", "а") and not mixed("a", "o", " ") and not mixed("а")  # Latin, Cyrillic
    assert (letter("a").script, letter("а").script, letter("-").script, letter("我").script) == (
        "Latin",
        "Cyrillic",
        "",
        "Cjk",
    )
