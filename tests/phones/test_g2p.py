import subprocess
import sys
from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.core.settings import PhonesConfig
from xlt.phones.choice import Choice, choose, epitran_mapping
from xlt.phones.engines import read_tsv
from xlt.phones.g2p import G2p, phones_of
from xlt.phones.segments import segment
from xlt.text.languages import LANGUAGES

AUTO = PhonesConfig("auto", None)

# transcribed by hand, after the languages' phonologies (JIPA illustrations, Wiktionary); broad, without
# stress
WORDS = {
    "cat_Latn": {
        "casa": "k a z ə",
        "lluna": "ʎ u n ə",
        "platja": "p l a d͡ʒ ə",
        "guerra": "ɡ ɛ r ə",
        "gos": "ɡ o s",
    },
    "bel_Cyrl": {
        "кот": "k ɔ t",
        "дзень": "d͡zʲ ɛ nʲ",
        "шэры": "ʂ ɛ r ɨ",
        "горад": "ɣ ɔ r a t",
        "сям'я": "sʲ a m j a",
    },
    "ell_Grek": {
        "γάτα": "ɣ a t a",
        "παιδί": "p e ð i",
        "μπάλα": "b a l a",
        "ήλιος": "i ʎ o s",
        "κυρία": "c i ɾ i a",
    },
    "dan_Latn": {"kat": "k a t", "mad": "m a ð", "skole": "s k o l ə", "hund": "h u n"},
    "fra_Latn": {
        "maison": "m ɛ z ɔ̃",
        "oiseau": "w a z o",
        "quand": "k ɑ̃",
        "fille": "f i j",
        "les enfants": "l e z ɑ̃ f ɑ̃",
    },
    "spa_Latn": {
        "perro": "p e r o",
        "pero": "p e ɾ o",
        "zapato": "θ a p a t o",
        "niño": "n i ɲ o",
        "huevo": "w e β o",
    },
    "ron_Latn": {
        "pisică": "p i s i k ə",
        "ochi": "o kʲ",
        "pomi": "p o mʲ",
        "câine": "k ɨ j n e",
        "gheață": "ɡ e̯ a t͡s ə",
    },
    "rus_Cyrl": {"вода": "v ɐ d a", "жить": "ʐ ɨ tʲ", "сыр": "s ɨ r", "лук": "ɫ u k", "чай": "t͡ɕ a j"},
    # without tones, which espeak writes as digits, the third as a vowel
    "cmn_Hans": {
        "吃": "ʈ͡ʂʰ ɻ̩",
        "资": "t͡s ɹ̩",
        "次": "t͡sʰ ɹ̩",
        "是": "ʂ ɻ̩",
        "好": "x ɑ w",
        "东": "t ʊ ŋ",
        "马": "m ɑ",
        "五": "w u",
    },
    "yue_Hant": {"生": "s aː ŋ", "史": "s i"},
    "sin_Sinh": {"මනුෂ්\u200dය": "m a n u s j a"},  # the joiner has no sound
    "bul_Cyrl": {
        "къща": "k ə ʃ t ɐ",
        "ябълка": "j a b ə ɫ k ɐ",
        "куче": "k u t͡ʃ e",
        "барабани": "b ɐ r a b a n i",
    },
}


@pytest.mark.parametrize(("code", "words"), WORDS.items(), ids=str)
def test_words(code, words):
    if code == "fra_Latn":  # liaison shows that whole texts are read
        assert G2p(choose(code, AUTO))(["les enfants"]) == [words["les enfants"].split()]
    assert {w: " ".join(p) for w, p in zip(words, G2p(choose(code, AUTO))(list(words)), strict=True)} == words


@pytest.mark.slow
def test_epitran_where_spelling_is_close_to_sound():
    g2p = G2p(choose("swh_Latn", AUTO))
    assert str(g2p.choice) == "epitran swa-Latn"
    assert [" ".join(p) for p in g2p(["shule", "kichwa"])] == ["ʃ u l e", "k i t͡ʃ w a"]


def test_every_converter_that_languages_py_names_is_there():
    import espeakng_loader
    from phonemizer.backend import EspeakBackend
    from phonemizer.backend.espeak.wrapper import EspeakWrapper

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    voices = set(EspeakBackend.supported_languages())
    named = {code: lang.g2p.split() for code, lang in LANGUAGES.items() if lang.g2p}
    assert len(named) > 50
    assert [
        code
        for code, (engine, name) in named.items()
        if not (epitran_mapping(name.replace("-", "_")) if engine == "epitran" else name in voices)
    ] == []


def test_the_choice_can_be_overridden():
    assert str(choose("spa_Latn", AUTO)) == "espeak es"
    assert str(choose("spa_Latn", PhonesConfig("epitran", None))) == "epitran spa-Latn"
    assert str(choose("tur_Latn", PhonesConfig("espeak", None))) == "espeak tr"
    assert str(choose("hau_Latn", AUTO)) == "epitran hau-Latn"  # not in languages.py


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("grn_Latn", "espeak gn"),
        ("gug_Latn", "espeak gn"),  # two-letter codes, of macrolanguages, too
        ("azj_Latn", "epitran aze-Latn"),
        ("zsm_Latn", "epitran msa-Latn"),
        ("als_Latn", "epitran sqi-Latn"),
        ("ekk_Latn", "epitran est-Latn"),
        ("swa_Latn", "epitran swa-Latn"),
    ],
)
def test_languages_have_several_codes(code, name):
    assert str(choose(code, AUTO)) == name


def test_a_script_that_a_voice_spells_is_refused(tmp_path):
    path = tmp_path / "text"
    with pytest.raises(
        DataError, match="pan_Arab: espeak pa gives .* phones a letter: it does not read the script Arab"
    ):
        phones_of({path: {"u1": "ساریاں بندیاں"}}, {path: {"u1": "pan_Arab"}}, AUTO)
    made, _ = phones_of(
        {path: {"u1": "%", "u2": "1999"}}, {path: dict.fromkeys(("u1", "u2"), "spa_Latn")}, AUTO
    )
    assert (
        len(made[path]["u1"].split()) > 3 and len(made[path]["u2"].split()) > 20
    )  # signs and numbers have no letters


@pytest.mark.parametrize(
    ("code", "settings", "words"),
    [
        (
            "xyz_Latn",
            AUTO,
            "no converter turns text of xyz_Latn into phones.*g2p.tsv.*phones.table=g2p.tsv",
        ),
        ("jpn_Jpan", AUTO, "no converter of jpn_Jpan to phones is reliable.*or try phones.g2p=espeak .ja."),
        (
            "ara_Arab",
            AUTO,
            r"ara_Arab.*try phones.g2p=epitran .ara-Arab. or phones.g2p=espeak .ar.",
        ),
        ("fao_Latn", AUTO, "fao_Latn"),  # espeak's voice has no dictionary
        ("bel_Cyrl", PhonesConfig("epitran", None), "phones.g2p=epitran: does not support bel"),
        ("ron_Latn", PhonesConfig("tsv", None), "phones.g2p=tsv: no table"),
        ("ron_Latn", PhonesConfig("auto", "none.tsv"), "none.tsv: no such file or folder"),
    ],
)
def test_no_converter_is_an_error_that_says_what_to_write(code, settings, words):
    with pytest.raises(ConfigError, match=words):
        choose(code, settings)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "g2p.tsv"
    path.write_text(
        "# Kiswahili\nsh\tʃ\na\ta\ns\ts\nh\th\nng'\tŋ\nn\tn\nquai\tk eː\nee\teː\nx\t\n", encoding="utf-8"
    )
    return path


def test_table_takes_whole_words_then_the_longest_letters(table):
    g2p = G2p(choose("xyz_Latn", PhonesConfig("auto", str(table))))
    # x is silent; the hyphen has no sound
    assert [" ".join(p) for p in g2p(["shasa has", "ng'anee", "quai", "sa-xsha"])] == [
        "ʃ a s a h a s",
        "ŋ a n eː",
        "k eː",
        "s a ʃ a",
    ]
    assert g2p.facts()["unmapped"] == {}


def test_a_table_is_of_one_language(table):
    texts, langs = (
        {Path("text"): {"u1": "shasa", "u2": "casa"}},
        {Path("text"): {"u1": "xyz_Latn", "u2": "spa_Latn"}},
    )
    with pytest.raises(
        ConfigError, match="g2p.tsv: one table for several .* .spa_Latn, xyz_Latn.; .* e.g. spa_Latn.tsv"
    ):
        phones_of(texts, langs, PhonesConfig("auto", str(table)))
    own = table.rename(table.with_name("xyz_Latn.tsv"))
    for place in (own, table.parent):
        made, _ = phones_of(texts, langs, PhonesConfig("auto", str(place)))
        assert made == {Path("text"): {"u1": "ʃ a s a", "u2": "k a s a"}}
    with raises(ConfigError, "xzy_Latn"):
        choose("xzy_Latn", PhonesConfig("auto", str(own)))


@pytest.mark.slow
def test_tones_are_no_unmapped_letters(capsys):
    path = Path("text")
    made, facts = phones_of({path: {"u1": "ẹ̀kọ́ ènìyàn ж"}}, {path: {"u1": "yor_Latn"}}, AUTO)
    assert made == {path: {"u1": "ɛ k ɔ e n i j a n ж"}}
    assert facts["yor_Latn"]["unmapped"] == {"ж": 1}
    assert facts["yor_Latn"]["tones"] == {"à": 1, "è": 1, "ì": 1, "\u0300": 1, "\u0301": 1}
    assert "read as tones, which are not kept: à:1" in capsys.readouterr().out


def test_unmapped_letters_are_counted_and_stay(table, capsys):
    paths = {table.parent / "text": {"u1": "shaza", "u2": "zaж"}}
    made, facts = phones_of(
        paths,
        {table.parent / "text": dict.fromkeys(("u1", "u2"), "xyz_Latn")},
        PhonesConfig("tsv", str(table)),
    )
    assert made == {table.parent / "text": {"u1": "ʃ a z a", "u2": "z a ж"}}
    assert facts["xyz_Latn"]["unmapped"] == {"z": 2, "ж": 1} and facts["xyz_Latn"]["no_features"] == {"ж": 1}
    out = capsys.readouterr().out
    assert "xyz_Latn: phones by tsv g2p.tsv; 62.50% of 8 graphemes are mapped" in out  # 5 of 8
    assert "unmapped, left as they are: z:2 ж:1" in out and "panphon does not know: ж:1" in out


def test_letters_of_another_script_are_counted_for_espeak():
    g2p = G2p(choose("rus_Cyrl", AUTO))
    g2p(["пингвин linux"])
    facts = g2p.facts()
    assert facts["unmapped"] == dict.fromkeys("ilnux", 1) and facts["foreign_texts"] == 1


@pytest.mark.slow
def test_epitran_counts_letters_without_a_rule():
    g2p = G2p(choose("swh_Latn", AUTO))
    g2p(["shule ж"])
    assert g2p.facts()["unmapped"] == {"ж": 1}


def test_each_utterance_by_the_converter_of_its_language(tmp_path, capsys):
    path = tmp_path / "text"
    made, _ = phones_of({path: {"a": "casa", "b": "casa"}}, {path: {"a": "cat_Latn", "b": "spa_Latn"}}, AUTO)
    assert made[path] == {"a": "k a z ə", "b": "k a s a"}
    assert "cat_Latn: phones by espeak ca" in capsys.readouterr().out


def test_a_text_without_phones_is_an_error(table):
    path = table.parent / "text"
    with pytest.raises(DataError, match="text: u1: 'x' has no phones by tsv g2p.tsv"):
        phones_of({path: {"u1": "x"}}, {path: {"u1": "xyz_Latn"}}, PhonesConfig("auto", str(table)))


def test_a_folder_has_a_table_a_language(table):
    table.rename(table.parent / "xyz_Latn.tsv")
    settings = PhonesConfig("auto", str(table.parent))
    assert choose("xyz_Latn", settings).engine == "tsv" and choose("ron_Latn", settings).engine == "espeak"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\ta\nb b\n", r"g2p.tsv:2: 'b b': expected letters, a tab, IPA"),
        ("a\ta\na\tɑ\n", r"g2p.tsv:2: duplicate letters 'a' \(first on line 1\)"),
        ("# none\n", "holds no rows"),
    ],
)
def test_damaged_table(tmp_path, text, words):
    (tmp_path / "g2p.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_tsv(tmp_path / "g2p.tsv")


def test_table_of_other_bytes(tmp_path):
    (tmp_path / "g2p.tsv").write_bytes("ă\tə".encode("utf-16"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_tsv(tmp_path / "g2p.tsv")


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        ("ˈt͡ʃʰaː.tˌɑ̃", "t͡ʃʰ aː t ɑ̃"),
        ("a͡ʊ", "a w"),
        ("d͡͡zʲ", "d͡zʲ"),
        ("o͡a", "o̯ a"),
        ("kʷ k", "kʷ k"),
        ("j͡a", "j a"),
    ],
)
def test_segments_keep_diacritics_length_and_ties_of_consonants(ipa, phones):
    assert segment(ipa, Choice("xyz_Latn", "tsv", "g2p.tsv")) == phones.split()


def test_no_stage_imports_a_converter_before_it_is_asked_for(root):
    code = (
        "import xlt.tokens, xlt.check, xlt.train, xlt.decode, xlt.score, xlt.report, xlt.bundle, sys\n"
        "from xlt.phones.choice import choose\nfrom xlt.core.settings import PhonesConfig\n"
        "choose('ron_Latn', PhonesConfig('auto', None)); choose('hau_Latn', PhonesConfig('auto', None))\n"
        "names = ('phonemizer', 'epitran', 'panphon', 'ipatok', 'espeakng_loader', 'lang2vec')\n"
        "print([m for m in names if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "[]", done.stderr
