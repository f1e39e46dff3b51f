"""Rules of the alphabet on texts in many scripts: what is right raises nothing; what looks right and is not
is found.
"""

import json
from pathlib import Path

import pytest

from tests.report.documents import document
from xlt.check import alphabet, leaks, statistics
from xlt.check.datadir import Sets
from xlt.check.faults import Place
from xlt.check.scripts import foreign, own_form, repaired, script_name, scripts_of, written_in
from xlt.check.source_text import reread
from xlt.check.words import characters_of, words_of
from xlt.core.config import load
from xlt.formats.tables import write_table

RIGHT = {  # sentences as their language writes them, after normalisation
    "amh_Ethi": "ሰላም ለዓለም ሁሉ",
    "arb_Arab": "مَرْحَبًا بِالعَالَم",
    "ben_Beng": "আমার সোনার বাংলা",
    "cat_Latn": "l'il·lusió d'avui",
    "cmn_Hans": "今天 天气 很好",
    "ell_Grek": "ο λόγος σ αυτούς",
    "fra_Latn": "aujourd'hui l'œuvre naïve",
    "hin_Deva": "हिन्दी में लिखा हुआ",
    "jpn_Jpan": "東京タワーへ行きました",
    "kat_Geor": "გამარჯობა მსოფლიო",
    "kor_Kore": "한국어 말하기 漢字",
    "mal_Mlym": "മലയാളം ഭാഷ",
    "pes_Arab": "می\u200cروم به خانه",
    "rus_Cyrl": "съешь ещё этих булок",
    "sin_Sinh": "ශ්\u200dරී ලංකාව",
    "tam_Taml": "தமிழ் மொழி",
    "tha_Thai": "น้ำใจ ที่นี่",
    "tur_Latn": "ılık iyi ığdır",
    "ukr_Cyrl": "п'ять об'єктів",
    "vie_Latn": "tiếng việt được",
    "yor_Latn": "ẹ kú àárọ̀ ọ̀rẹ́",
    "mya_Mymr": "မြန်မာ ဘာသာ",
    "bod_Tibt": "བོད སྐད",
    "heb_Hebr": "שָׁלוֹם עולם",
    "haw_Latn": "ʻokina hawaiʻi",
    "che_Cyrl": "нохчийн мотт кӏант",
    "lit_Latn": "ąžuolas ėjo",
    "deu_Latn": "straße",
}


def data(
    folder: Path,
    lang: str,
    train: dict[str, str],
    test: dict[str, str] | None = None,
    **tables: dict[str, str],
):
    """(sets, cfg) of a recipe with these texts; ``tables`` are of train."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(f"lang: {lang}\n", encoding="utf-8")
    for name, texts in (("train", train), ("dev", {}), ("test", test or {})):
        (folder / "data" / name).mkdir(parents=True)
        write_table(folder / "data" / name / "text", texts)
        write_table(folder / "data" / name / "utt2spk", {utt: utt.partition("-")[0] for utt in texts})
    for table, rows in tables.items():
        write_table(folder / "data/train" / table, rows)
    return Sets(folder / "data", {name: folder / "data" / name for name in ("train", "dev", "test")}), load(
        folder
    )


def told(sets, cfg, module=alphabet) -> list[tuple[str, str]]:
    return [
        (rule.__name__, fault.problem)
        for rule in module.CHECKS
        for fault in rule(sets, cfg)
        if fault.severity != "note"
    ]


@pytest.mark.parametrize("lang", RIGHT)
def test_what_is_right_in_a_language_raises_nothing(tmp_path, lang):
    assert told(*data(tmp_path / "r", lang, {"a-1": RIGHT[lang]}, text_raw={"a-1": RIGHT[lang]})) == []


def test_each_language_of_joined_recipes_has_its_own_script(tmp_path):
    rows = {"a-1": "un urs", "b-1": "медведь"}
    sets, cfg = data(tmp_path / "r", "mul_Zyyy", rows, utt2lang={"a-1": "ron_Latn", "b-1": "rus_Cyrl"})
    assert (
        list(alphabet.letters.stray_scripts(sets, cfg)) == list(alphabet.letters.look_alikes(sets, cfg)) == []
    )
    (tmp_path / "r/data/train/utt2lang").write_text("a-1 ron_Latn\nb-1 ron_Latn\n")
    sets = Sets(sets.data, {name: one.folder for name, one in sets.items()})
    assert [fault.problem for fault in alphabet.letters.stray_scripts(sets, cfg)] == [
        "1 words (33.3%) are in Cyrillic script: 'медведь'"
    ]


def test_codes_of_scripts():
    assert written_in(["jpn_Jpan"]) == {"Hani", "Hira", "Kana"} and written_in(["kor_Kore"]) == {
        "Hang",
        "Hani",
    }
    assert (
        written_in(["cmn_Hant"]) == {"Hani"}
        and written_in(["mul_Zyyy"]) is None
        and written_in(["urd_Aran"]) == {"Arab"}
    )
    assert scripts_of("タワー漢") == {"Kana", "Hani"} or scripts_of("タワー漢") == {"Kana", "Hani", "Hira"}
    assert scripts_of("ʼa\u0301") == {"Latn"} and script_name("Ethi") == "Ethiopic"


def test_strangers_where_any_script_may_stand():
    assert (
        foreign("дoм", None) == ["o"] and foreign("東京タワー", None) == [] and foreign("house", None) == []
    )


def test_look_alikes():
    latin, greek = frozenset({"Latn"}), frozenset({"Grek"})
    # σ looks like o as well as ο does, but only ο does in capitals, too
    assert own_form("o", greek, {"σ": 99, "ο": 1}) == "ο"
    assert own_form("к", latin, {"k": 3}) == "k" and own_form("ж", latin, {}) is None
    assert repaired("жurnal", latin, {}) is None


def test_words_and_characters_remember_where_they_stood_first():
    words = words_of([(n, f"u{n}", text) for n, text in enumerate(["a b", "b a", "bb", "a", "a"], 1)])
    assert (words["a"].count, words["a"].places) == (4, [(1, "u1"), (2, "u2"), (4, "u4")])
    chars = characters_of(words)
    assert (chars["b"].count, chars["b"].ids) == (4, ("u1", "u2", "u3"))


def test_misread_utf8():
    assert reread("cÃ¢ine") == "câine" and reread("câine") is None and reread("naÃ¯ve") == "naïve"
    assert reread("Ð¼Ð¸Ñ€") == "мир"


def test_what_the_normaliser_takes_out_is_on_the_page(tmp_path):
    sets, cfg = data(
        tmp_path / "r",
        "ron_Latn",
        {"a-1": "ștefan are", "a-2": "ren"},
        text_raw={"a-1": "Ştefan are 5%!", "a-2": "ren%"},
    )
    page = alphabet.section(sets, cfg, tmp_path)
    assert "| Ş | U+015E | LATIN CAPITAL LETTER S WITH CEDILLA | ș | 1 | a-1 |" in page
    assert "| % | U+0025 | PERCENT SIGN | out | 2 | a-1 a-2 |" in page
    assert "| ș | U+0219 | LATIN SMALL LETTER S WITH COMMA BELOW | Latn | 1 | 0 | 0 | a-1 |" in page
    rows = json.loads((tmp_path / "alphabet.json").read_text(encoding="utf-8"))["characters"]
    assert [row["char"] for row in rows] == sorted(set("ștefan are") - {" "})
    assert next(row for row in rows if row["char"] == "a")["counts"] == {"train": 2, "dev": 0, "test": 0}


def test_thousands_of_characters_are_shown_by_the_rarest(tmp_path):
    common = "".join(map(chr, range(0x4E00, 0x4E00 + 500)))
    sets, cfg = data(tmp_path / "r", "cmn_Hans", {"a-1": common * 2, "a-2": "龍"})
    page = alphabet.section(sets, cfg, tmp_path)
    assert "501 characters beside the space" in page and "| 龍 |" in page and page.count("\n| ") == 400 + 2
    assert len(json.loads((tmp_path / "alphabet.json").read_text(encoding="utf-8"))["characters"]) == 501


def test_the_floor_of_cer(tmp_path):
    sets, cfg = data(tmp_path / "r", "ron_Latn", {"a-1": "abc"}, {"b-1": "abd d", "b-2": "abcab"})
    (fault,) = alphabet.unseen_characters(sets, cfg)  # 2 of 10 characters
    assert (fault.values["count"], fault.values["times"], fault.values["floor"]) == (1, 2, 20.0)
    assert (fault.where, fault.ids) == (Place("data/test/text", 1), ("b-1",))


def test_near_texts_are_told_apart_from_equal_ones(tmp_path):
    test = {"b-1": "un cal", "b-2": "ocasă", "b-3": "un nor"}
    sets, cfg = data(tmp_path / "r", "ron_Latn", {"a-1": "un cal", "a-2": "o casă"}, test)
    found = {rule: what for rule, what in told(sets, cfg, leaks)}
    assert set(found) == {"shared_texts", "near_texts"}
    assert (
        found["near_texts"]
        == "1 (33.3%) texts differ from another set in spaces, signs and capitals only (first: line 2 "
        "is nearly the text of a-2 of train)"
    )


def test_statistics(tmp_path):
    durs = {"a-1": "2.0", "a-2": "4.0"}
    sets, cfg = data(
        tmp_path / "r",
        "ron_Latn",
        {"a-1": "un cal un", "a-2": "un nor"},
        {"b-1": "un lup alb cal"},
        utt2dur=durs,
    )
    (tmp_path / "r/data/all").mkdir()
    (tmp_path / "r/data/all/report.json").write_text(
        json.dumps(
            {"seen": 5, "left_out": {"digits": ["x-1", "x-2"]}, "reasons": {"digits": "the text has digits"}}
        )
    )
    page = statistics.section(sets, cfg, tmp_path)
    rows = {row["set"]: row for row in json.loads((tmp_path / "statistics.json").read_text())["sets"]}
    assert rows["train"] == {
        "set": "train",
        "utterances": 2,
        "minutes": 0.1,
        "speakers": 1,
        "words": 5,
        "different words": 3,
        "words not in train, %": None,
        "median s": 3.0,
        "longest s": 4.0,
        "median characters/s": 3.0,
    }  # 9 in 2 s, 6 in 4 s
    assert rows["test"]["words not in train, %"] == 50.0  # lup, alb of 4
    assert statistics.growth(sets["train"]) == [(0, 0), (3, 2), (5, 3)]
    assert (
        "Stage 1 left out 2 of 5 items" in page and "| digits | 2 | the text has digits | x-1 x-2 |" in page
    )
    assert (tmp_path / "statistics.png").read_bytes().startswith(b"\x89PNG") and "(statistics.png)" in page


def test_difficulty_rests_on_what_was_measured(tmp_path, monkeypatch):
    def run(
        recipe: str, name: str, lang: str, minutes: float, cer: float, upstream: str = "xls_r_300m"
    ) -> None:
        folder = tmp_path / "egs" / recipe / "results"
        folder.mkdir(parents=True, exist_ok=True)
        made = document(name, dev=cer, lang=(lang, ""), **{"features.upstream": upstream})
        made["training"]["speech_min"] = minutes
        (folder / f"{name}.json").write_text(json.dumps(made))

    run("cat", "near", "cat_Latn", 0.2, 31.0)
    run("cat", "far", "cat_Latn", 10.0, 11.0)
    run("ell", "one", "ell_Grek", 0.1, 20.0)
    run("ell", "two", "ell_Grek", 0.1, 24.0)
    run("fra", "other", "fra_Latn", 0.1, 9.0, upstream="fbank")
    (tmp_path / "egs/fra/results/peer.json").write_text("{}")
    monkeypatch.setattr(statistics, "ROOT", tmp_path)
    sets, cfg = data(tmp_path / "r", "ron_Latn", {"a-1": "un cal"}, utt2dur={"a-1": "6.0"})
    page = statistics.section(sets, cfg, tmp_path)
    assert "| Greek | 0.1 | 22.0 |\n| Catalan | 0.2 | 31.0 |" in page and "French" not in page
    monkeypatch.setattr(statistics, "ROOT", tmp_path / "none")
    page = statistics.section(sets, cfg, tmp_path)
    assert "No recipe of this repository has a result with features.upstream=xls_r_300m" in page
