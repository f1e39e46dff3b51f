"""What normalising takes away, and letters in several forms; expected values are from the orthographies."""

from dataclasses import replace

import pytest

from tests.check.test_alphabet import data, told
from xlt.check import alphabet
from xlt.check.faults import Fault, Line, Place
from xlt.check.fix import fix
from xlt.check.forms import Forms
from xlt.check.scripts import repaired
from xlt.check.signs import places, remarks
from xlt.check.words import Seen, words_of
from xlt.formats.tables import read_table, write_table
from xlt.text.normalise import normalise

CYRILLIC = frozenset({"Cyrl"})


def corpus(folder, lang, *texts, normaliser="generic-v2"):
    raw = {f"a-{i}": text for i, text in enumerate(texts)}
    own = {utt: normalise(text, normaliser) for utt, text in raw.items()}
    return data(folder / "r", lang, own, text_raw=raw, utt2lang=dict.fromkeys(raw, lang))


def rules(sets, cfg) -> dict[str, str]:
    return dict(told(sets, cfg))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("-mɤ˧,", {"-": "before"}),
        ("a/b.", {"/": "inside"}),
        ("ma#", {"#": "behind"}),
        ("|", {"|": "alone"}),
        ("!Xóõ", {"!": "before"}),
        ("?a", {"?": "before"}),
        ("a_b", {"_": "inside"}),
        *[
            (word, {})
            for word in ("Hola!", "¿Qué", "...en", "“Ja”", "a:", "–", "-", "(s)", "«", "l'été", "क।")
        ],
    ],
)
def test_where_signs_stand(word, expected):
    found = {char: where for char, where in places(word).items() if char != "#"}
    assert found == {char: where for char, where in expected.items() if char != "#"}


def test_a_bar_ends_sentences_where_a_danda_does():
    assert places("एक|", bar_ends=True) == {} and places("एक|") == {"|": "behind"}


def test_signs_at_letters_are_told_with_the_setting_that_keeps_them(tmp_path):
    sets, cfg = corpus(tmp_path, "ngh_Latn", "!Xóõ |gui a, ja!", "||ai d: | b")
    (fault,) = alphabet.signs.signs_taken_out(sets, cfg)
    assert fault.values["count"] == 4 and str(fault.where).endswith("text_raw:1")  # d: ends like a sentence
    assert "data.keep='!|'" in fault.remedy


def test_nothing_is_told_of_signs_that_are_kept(tmp_path):
    texts = ("dʑɯ˩ l·l EU:n e.g. ۽ bla", "'quoted' \"words\", (so) – ja … «a» *item")
    sets, cfg = corpus(tmp_path, "nru_Latn", *texts)
    assert "signs_taken_out" not in rules(sets, cfg)


def test_a_sign_in_few_words_is_no_letter(tmp_path):
    sets, cfg = corpus(tmp_path, "nld_Latn", "en/of", *["een twee drie vier vijf"] * 25)
    assert "signs_taken_out" not in rules(sets, cfg)


def test_quotation_marks_that_do_not_close_may_be_tones(tmp_path):
    sets, cfg = corpus(tmp_path, "daf_Latn", '"gɔ a "ka ma')
    assert "signs_taken_out" in rules(sets, cfg)


def test_remarks_of_transcribers():
    assert remarks("ja (not clear) [laughs] *coughs* 2 * 3 <unk> （笑） {x}") == [
        "(not clear)",
        "[laughs]",
        "*coughs*",
        "<unk>",
        "（笑）",
        "{x}",
    ]


def test_round_brackets_are_noticed_like_square_ones(tmp_path):
    sets, cfg = corpus(tmp_path, "nld_Latn", "ja (niet te verstaan) nee", "een", "(niet te verstaan) twee")
    (fault,) = alphabet.signs.bracketed(sets, cfg)
    assert fault.values["count"] == 2 and fault.ids == ("a-0", "a-2")
    assert "'(niet te verstaan)'" in fault.problem


UZBEK = ("togʻ baland oʻgʻil", "bog‘ da gul ma'no", "o'rtasida bog‘ tog'", "sanʼat yog’ mas’ul")


def test_one_letter_in_several_forms(tmp_path):
    sets, cfg = corpus(tmp_path, "uzb_Latn", *UZBEK)
    found = rules(sets, cfg)["several_forms"]
    # ʻ in togʻ oʻgʻil, ‘ in bog‘ bog‘, ' in ma'no o'rtasida tog', ʼ in sanʼat, ’ in yog’ mas’ul
    for count in ("ʻ (U+02BB) 3 times", "‘ (U+2018) 2 times", "' (U+0027) 3 times", "ʼ (U+02BC) 1 times"):
        assert count in found


def test_dots_and_lines_below_are_one_sign(tmp_path):
    sets, cfg = corpus(tmp_path, "yor_Latn", "ọmọ ṣe", "s\u0329e o\u0329kan ẹyẹ")
    found = rules(sets, cfg)["several_forms"]
    # ọmọ, ṣe and ẹyẹ have five dots, and two letters lines
    assert "◌̣ (U+0323) 5 times, ◌̩ (U+0329) 2 times; 2 words would change" in found


def test_uzbek_has_two_letters():
    forms = Forms(words(*UZBEK), "uzb_Latn")
    assert [" ".join(map(forms.fold, text.split())) for text in UZBEK] == [
        "togʻ baland oʻgʻil",
        "bogʻ da gul maʼno",
        "oʻrtasida bogʻ togʻ",
        "sanʼat yogʻ masʼul",
    ]


def words(*texts: str) -> dict[str, Seen]:
    return words_of(Line(i, f"u{i}", text) for i, text in enumerate(texts, 1))


@pytest.mark.parametrize(
    ("lang", "texts", "word", "expected"),
    [
        ("haw_Latn", ("hawaiʻi oʻahu", "hawai'i ‘okina"), "hawai'i", "hawaiʻi"),
        ("haw_Latn", ("hawaiʻi oʻahu", "hawai'i ‘okina"), "‘okina", "ʻokina"),
        (
            "nav_Latn",
            ("ałkʼidą́ą́ʼ", "'ałk’i 'quoted'"),
            "'quoted'",
            "ʼquotedʼ",
        ),  # only endings are quoted once
        ("fra_Latn", ("l'été d’Anna", "'ja'"), "d’Anna", "d’Anna"),  # one sign to the normaliser
        ("pes_Arab", ("کتاب کار", "كتاب"), "كتاب", "کتاب"),
        ("pes_Arab", ("خیلی ایران", "ايران"), "ايران", "ایران"),
        ("pbt_Arab", ("خیلی ایران", "ايران"), "ايران", "ايران"),  # two letters in Pashto
        ("urd_Arab", ("ہے ہم", "هم"), "هم", "ہم"),
        ("gag_Latn", ("şu şey", "beș"), "beș", "beş"),
        ("aze_Latn", ("əl gələn", "ǝl"), "ǝl", "əl"),
        ("moh_Latn", ("aː oː", "a꞉"), "a꞉", "aː"),
        ("yor_Latn", ("ọmọ ṣe", "o\u0329\u0301jà"), "o\u0329\u0301jà", "ọ\u0301jà"),
        ("yor_Latn", ("o\u0329mo\u0329 s\u0329e", "ọ\u0301jà"), "ọ\u0301jà", "ó\u0329jà"),  # NFC
        ("deu_Latn", ("haːbn\u0329 ọ", "n\u0329"), "haːbn\u0329", "haːbn\u0329"),  # a syllabic n
    ],
)
def test_forms(lang, texts, word, expected):
    assert Forms(words(*texts), lang).fold(word) == expected


def test_a_whole_corpus_with_several_forms_is_mended(tmp_path):
    sets, cfg = corpus(tmp_path, "haw_Latn", "hawaiʻi oʻahu ʻokina", "hawai'i ‘okina ‘ōlelo")
    (sets.data.parent / "x.ogg").write_bytes(b"OggS")
    for name, one in sets.items():
        rows = one.table("text") or {f"b-{name}": "maui"}
        write_table(one.folder / "text", rows)
        write_table(one.folder / "utt2spk", {utt: utt[0] for utt in rows})
        write_table(one.folder / "wav.scp", dict.fromkeys(rows, "x.ogg"))
    sets = type(sets)(sets.data, {name: one.folder for name, one in sets.items()})
    fix(sets, cfg, tmp_path / "copy")
    text = {utt.rpartition("-")[2]: words for utt, words in read_table(tmp_path / "copy/train/text").items()}
    assert text == {
        "0": "hawaiʻi oʻahu ʻokina",
        "1": "hawaiʻi ʻokina ʻōlelo",
    }  # the last ʻ comes from the source


@pytest.mark.parametrize(
    ("word", "counts", "expected"),
    [
        ("г1ала", {"ӏ": 1}, "гӏала"),
        ("дог1", {"ӏ": 1}, "догӏ"),
        ("гiала", {"ӏ": 1}, "гӏала"),
        ("гlала", {"ӏ": 1}, "гӏала"),
        ("гiала", {}, "гіала"),  # elsewhere it is the Ukrainian letter
        ("г1ала", {}, None),
        ("з0лото", {"о": 5}, "золото"),
        ("3има", {"з": 5}, "зима"),
        ("10м", {"о": 5, "ӏ": 1}, None),  # numbers
        ("2019г", {"о": 5}, None),
    ],
)
def test_digits_that_look_like_letters(word, counts, expected):
    assert repaired(word, CYRILLIC, counts) == expected


def test_digits_for_letters_are_proposed_where_digits_are_kept(tmp_path):
    sets, cfg = corpus(tmp_path, "che_Cyrl", "г1ала дог1")
    assert "'г1ала'" in rules(sets, cfg)["look_alikes"]


def test_tones_are_not_taken_for_letters():
    assert repaired("tai5", frozenset({"Latn"}), {"o": 9}) is None
    assert repaired("hue1lang5", frozenset({"Latn"}), {"l": 9}) is None


def test_letters_are_folded_alike_in_all_sets(tmp_path):
    raw = {"a-1": "hawaiʻi oʻahu maʻi", "a-2": "kaʻi"}
    sets, cfg = data(tmp_path / "r", "haw_Latn", raw, {"b-1": "hawai'i"}, text_raw=raw)
    assert [fault.values["right"] for fault in alphabet.forms.several_forms(sets, cfg)] == ["hawaiʻi"]


def test_faults_name_the_rows_of_the_users_table(tmp_path):
    rows = {"a-0": "t.tsv:2", "a-1": "t.tsv:3", "a-2": "t.tsv:4"}
    texts = {"a-0": "ja", "a-1": "(niet te verstaan)", "a-2": "nee 5"}
    sets, cfg = data(tmp_path / "r", "nld_Latn", texts, text_raw=texts, utt2row=rows)
    (remark,) = alphabet.signs.bracketed(sets, cfg)
    assert sets.rows_of(remark) == ("t.tsv:3",)
    at_line = Fault("error", sets["train"].where("text", 3), "x", "y")
    assert sets.rows_of(at_line) == ("t.tsv:4",) and sets.rows_of(Fault("note", Place("z"), "x", "y")) == ()
    assert str(replace(remark, rows=("t.tsv:3",))).endswith("(t.tsv:3)")
    assert Fault.from_json(replace(remark, rows=("t.tsv:3",)).to_json()).rows == ("t.tsv:3",)
