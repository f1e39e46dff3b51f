"""A game of two levels and a shared folder, as Fish Fillets keeps its dialogues."""

from pathlib import Path

import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.core.errors import DataError
from xlt.data.corpora.fillets import Line, dialogues, read

AIRPLANE = """
-- the wreck
dialogId("let-m-divna", "font_small", "What kind of strange ship is that?")
dialogStr("Co je to za divnou loď?")

--[[ dialogId("old", "font_big", "Gone.")
dialogStr("Pryč.") ]]
dialogId("let-v-oko", "font_big",
    "Can you see that eye?")
dialogStr(
"Vidíš to \\"oko\\"?")

dialogId("let-x-cislo", "font_big", "In %1 hours!")
dialogStr("Za %1 hodin!")
dialogId("z-c-1", "", "")
dialogStr("")
dialogId("no-clip", "font_big", "Silence.")
dialogStr("Ticho.")
dialogId("let-x-dva", "font_small", "Red light.")
dialogStr("Красный свет. Červená.")
"""


def game(folder: Path) -> Path:
    """Lines of the fish and of a parrot, jokes of all levels, and a level with other actors."""
    texts = {
        "airplane/dialogs_cs": AIRPLANE,
        "airplane/dialogs_en": 'dialogId("let-m-divna", "font_small", "What?")\ndialogStr("What?")\n',
        "share/black_dialogs_cs": 'dialogId("smrt", "font_small", "Darn.")\ndialogStr("Zatraceně.")\n',
        "linux/dialogs_cs": 'dialogId("m-1", "font_small", "No.")\ndialogStr("Ne.")\n',
        "cabin1/dialogs_cs": 'dialogId("pap", "font_parrot", "Cookie!")\ndialogStr("Suchárek!")\n',
    }
    for name, text in texts.items():
        path = folder / f"script/{name}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    clips = """airplane/cs/let-m-divna airplane/cs/let-v-oko airplane/cs/let-x-cislo airplane/cs/z-c-1
        airplane/cs/let-x-dva airplane/cs/unknown share/blackjokes/cs/smrt linux/cs/m-1 cabin1/cs/pap"""
    for number, clip in enumerate(clips.split()):
        tone(folder / f"sound/{clip}.ogg", hz=200.0 + 20 * number, rate=22050)
    return folder


def of(recipe, place, *settings):
    return read(recipe.cfg("data.reader=fillets", "lang=ces_Latn", f"data.dir={place}", *settings))


def test_lines_of_a_level(tmp_path):
    found = dialogues(game(tmp_path) / "script/airplane/dialogs_cs.lua")
    assert found[:2] == [
        Line("let-m-divna", "small", "Co je to za divnou loď?", 3),
        Line("let-v-oko", "big", 'Vidíš to "oko"?', 8),
    ]
    assert [line.id for line in found[2:]] == ["let-x-cislo", "z-c-1", "no-clip", "let-x-dva"]


def test_who_says_what(recipe, tmp_path):
    utts = {utt.id: utt for utt in of(recipe, game(tmp_path / "game")).utterances}
    assert {name: utt.split for name, utt in utts.items()} == {
        "fillets_ces_small-airplane_let-m-divna": None,
        "fillets_ces_big-airplane_let-v-oko": None,
        "fillets_ces_small-share_blackjokes_smrt": None,
        "fillets_ces_small2-linux_m-1": "test_voices",
        "fillets_ces_parrot-cabin1_pap": "test_voices",
    }
    shared = utts["fillets_ces_small-share_blackjokes_smrt"]
    assert (shared.content, shared.audio.parent.name) == ("fillets/share/blackjokes/smrt", "cs")


def test_what_is_left_out_is_listed(recipe, tmp_path):
    assert of(recipe, game(tmp_path / "game")).left_out == {
        "a number is filled in": ["fillets_ces_big-airplane_let-x-cislo"],
        "audio without text": [
            "fillets_ces_unnamed-airplane_z-c-1",
            "fillets_ces-airplane_unknown",
        ],
        "text without audio": ["fillets_ces_big-airplane_no-clip"],
        "two languages": ["fillets_ces_small-airplane_let-x-dva"],
    }


def test_the_language_decides_which_files_are_read(recipe, tmp_path):
    game(tmp_path / "game")
    with raises(DataError, "English", where="game/sound"):
        of(recipe, tmp_path / "game", "lang=eng_Latn")
    tone(tmp_path / "game/sound/airplane/en/let-m-divna.ogg")
    (utt,) = of(recipe, tmp_path / "game", "lang=eng_Latn").utterances
    assert (utt.id, utt.text) == ("fillets_eng_small-airplane_let-m-divna", "What?")
    assert utt.content in {u.content for u in of(recipe, tmp_path / "game").utterances}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('dialogStr("Nic.")\n', 1),
        ('dialogId("a", "font_big", "A.")\nplay("a")\n', 2),
        ('dialogId("a", "font_big", "A.")\ndialogStr("A." = "B")\n', 2),
    ],
)
def test_calls_of_another_form(text, line, recipe, tmp_path):
    path = game(tmp_path / "game") / "script/cabin1/dialogs_cs.lua"
    path.write_text(text, encoding="utf-8")
    with raises(DataError, where=f"cabin1/dialogs_cs.lua:{line}"):
        of(recipe, tmp_path / "game")


def test_an_id_that_is_there_twice(recipe, tmp_path):
    game(tmp_path / "game")
    twice = tmp_path / "game/script/airplane/brief_dialogs_cs.lua"
    twice.write_text('dialogId("let-v-oko", "font_big", "Eye.")\ndialogStr("Oko.")\n', encoding="utf-8")
    with raises(DataError, "let-v-oko", where="airplane/dialogs_cs.lua:8"):
        of(recipe, tmp_path / "game")


def test_no_game_and_no_package(recipe, tmp_path):
    (tmp_path / "empty").mkdir()
    with raises(DataError, "script/", where="data.dir"):
        of(recipe, tmp_path / "empty")
    with raises(DataError, "ces_Latn", where="lang=ron_Latn"):
        read(recipe.cfg("data.reader=fillets"))
