"""The layout of festvox: one voice, several as CMU Arctic has them, and what is wrong in their prompts."""

import pytest

from tests.data.corpus import voice
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.festvox import prompts, read
from xlt.data.groups import SPLITS

TEXTS = {
    "ru_0001": "Она завела прядь вол+ос за ухо.",
    "ru_0002": "+Окна домов казались неж+илыми.",
    "ru_0003": 'Он сказал: \\"два + два\\".',
}


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=festvox", "lang=rus_Cyrl", f"data.dir={place}", *settings))


def test_texts_without_stress_signs(tmp_path):
    found = prompts(voice(tmp_path / "v", TEXTS) / "etc/txt.done.data")
    assert found == {
        "ru_0001": "Она завела прядь волос за ухо.",
        "ru_0002": "Окна домов казались нежилыми.",
        "ru_0003": 'Он сказал: "два + два".',
    }


def test_a_voice_is_a_speaker(recipe, tmp_path):
    utts = of(recipe, voice(tmp_path / "msu-ru", TEXTS)).utterances
    assert [(u.id, u.speaker, u.lang, u.audio.name) for u in utts[:1]] == [
        ("msu_ru-ru_0001", "msu_ru", "rus_Cyrl", "ru_0001.wav")
    ]
    assert len(utts) == 3


def test_voices_side_by_side(recipe, tmp_path):
    for name in ("cmu_us_bdl_arctic", "cmu_us_slt_arctic"):
        voice(tmp_path / "arctic" / name, {"arctic_a0001": "Author of the danger trail."})
    utts = of(recipe, tmp_path / "arctic", "lang=eng_Latn").utterances
    assert [utt.id for utt in utts] == [
        "cmu_us_bdl_arctic-arctic_a0001",
        "cmu_us_slt_arctic-arctic_a0001",
    ]


def test_voices_that_are_called_alike_stay_apart(recipe, tmp_path):
    for name in ("ana", "ion"):
        voice(tmp_path / "corpus" / name / "voice", {"a1": "Раз."})
    found = [(utt.id, utt.speaker) for utt in of(recipe, tmp_path / "corpus").utterances]
    assert found == [("ana_voice-a1", "ana_voice"), ("ion_voice-a1", "ion_voice")]


def test_prompts_of_another_name_and_encoding(recipe, tmp_path, capsys):
    folder = voice(tmp_path / "v", TEXTS)
    (folder / "wav/ru_0001.wav").rename(folder / "wav/ru_0001.WAV")
    text = (folder / "etc/txt.done.data").read_text("utf-8").replace("\n", "\r\n")
    (folder / "etc/txt.done.data").rename(folder / "etc/utts.data").write_bytes(text.encode("cp1251"))
    assert [utt.text for utt in of(recipe, folder).utterances] == [
        "Она завела прядь волос за ухо.",
        "Окна домов казались нежилыми.",
        'Он сказал: "два + два".',
    ]
    assert "cp1251" in capsys.readouterr().out
    of(recipe, folder, "data.encoding=cp1251")


def test_entries_need_no_lines_of_their_own(tmp_path):
    """Festival reads expressions, not lines."""
    path = tmp_path / "txt.done.data"
    path.write_text('( a "un" ) ; first\n(b\n "doi\n  trei" )( c "" )', encoding="utf-8")
    assert prompts(path) == {"a": "un", "b": "doi trei", "c": ""}


def test_what_is_left_out_is_listed(recipe, tmp_path):
    folder = voice(tmp_path / "v", TEXTS)
    (folder / "wav/ru_0002.wav").rename(folder / "wav/ru_0009.wav")
    corpus = of(recipe, folder)
    assert corpus.left_out == {
        "text without audio": ["v-ru_0002"],
        "audio without text": ["v-ru_0009"],
    }


@pytest.mark.parametrize(
    ("line", "fact"), [("ru_0004 Текст", "ru_0004 Текст"), ('( ru_0001 "Ещё раз." )', "ru_0001")]
)
def test_prompts_that_cannot_be_read(line, fact, recipe, tmp_path):
    path = voice(tmp_path / "v", TEXTS) / "etc/txt.done.data"
    path.write_text(path.read_text("utf-8") + line + "\n", encoding="utf-8")
    with raises(DataError, fact, where="v/etc/txt.done.data:6"):
        of(recipe, tmp_path / "v")


def test_no_voice(recipe, tmp_path):
    (tmp_path / "empty").mkdir()
    with raises(DataError, "etc/txt.done.data", where="empty"):
        of(recipe, tmp_path / "empty")
    with raises(DataError, "data.dir", "rus_Cyrl", where="lang=ron_Latn"):
        read(recipe.cfg("data.reader=festvox"))


def test_stage_1_splits_by_sentence(recipe, tmp_path):
    texts = {f"a{number:02}": f"слово {chr(1072 + number)}" for number in range(20)}
    voice(tmp_path / "v", texts)
    assert recipe("data.reader=festvox", "lang=rus_Cyrl", f"data.dir={tmp_path / 'v'}") == 0
    sets = {name: (recipe.dir / "data" / name / "text").read_text("utf-8") for name in SPLITS}
    assert sorted("".join(sets.values()).split("\n")[:-1]) == [f"v-{k} {t}" for k, t in texts.items()]
    assert all(sets.values())
