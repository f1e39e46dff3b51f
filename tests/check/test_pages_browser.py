"""report.html and listen.html of stage 2 in a real browser: they play, filter, save and tick."""

import csv
import io
import json
import math

import pytest

from tests.browser import complaints, fetched
from tests.check.test_pages import EVIL, SHOWN, fit, listening, put, sets_of, sounds_of
from xlt.check import html
from xlt.check.faults import Fault, Place

pytestmark = pytest.mark.slow

PLAYS = """new Promise(done => {
  const audio = document.querySelector("#player audio");
  const look = left => audio.readyState >= 2 || audio.error || !left ? done([
    decodeURIComponent(audio.currentSrc.split("/data/")[1]), audio.error && audio.error.message,
    Math.round(audio.duration * 100) / 100]) : setTimeout(look, 100, left - 1);
  look(100);
})"""


@pytest.fixture
def show(chromium, recipe):
    """Function that opens a page of the recipe; the files that it would save are kept in ``saved``."""

    def opened(name: str, text: str, width: int = 1280):
        path = recipe.dir / "data/check" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        chromium.open(path.as_uri(), width)
        chromium.run(
            "window.saved = []; "
            "URL.createObjectURL = blob => { blob.text().then(text => saved.push(text)); return '#'; }"
        )
        return path.as_uri()

    return opened


def press(chromium, key: str, code: int) -> None:
    text = {"Enter": "\r", " ": " "}.get(key, "")
    chromium.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
    chromium.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def saved(chromium, button: str) -> str:
    """What a click on a button would have saved."""
    chromium.run(
        "Array.from(document.querySelectorAll('.tools button')).find(b => b.textContent == "
        f"{json.dumps(button)}).click()"
    )
    return chromium.run("new Promise(done => setTimeout(() => done(saved.pop()), 200))")


def report(recipe, found: list[Fault]) -> str:
    sets, sounds = sets_of(recipe), sounds_of(recipe)
    return html.page(sets, recipe.cfg(), html.with_utterances(sets, found, found, sounds), sounds, False)


@pytest.fixture
def faults(recipe) -> list[Fault]:
    put(recipe, "utt2row", {"ana-train0": "corpus.tsv:2", "ana-train1": "corpus.tsv:3"})
    put(recipe, "text_raw", {"ana-train0": "=1+1, un urs", "ana-train1": f'O "casă" {EVIL}'})
    train = Place("data/train/text")
    return [
        Fault("error", train, "too fast", "cut it", ("ana-train0", "ana-train1"), family="speech", rule="a"),
        Fault("note", Place("data/dev/text", 1), f"odd {EVIL}", "look", family="alphabet", rule="b"),
        Fault("warning", Place("recipe.yaml"), "no language", "set lang", family="kaldi", rule="c"),
    ]


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_click_plays_the_sound_of_an_utterance(chromium, show, recipe, faults):
    url = show("report.html", report(recipe, faults))
    chromium.click("a.play[data-name='corpus.tsv:3']")
    assert chromium.run(PLAYS) == ["all/wav/ana-train1.wav", None, 1.0]
    assert "corpus.tsv:3" in chromium.run("document.getElementById('player').innerText")
    assert not chromium.run("document.querySelector('img') || window.hit")
    assert complaints(chromium) == []
    assert [one for one in fetched(chromium) if "/wav/" not in one] == [url]


def test_a_part_of_a_recording_plays_by_the_keyboard(chromium, show, recipe, faults):
    put(recipe, "wav.scp", {"tape": "data/all/wav/ana-train0.wav"})
    put(recipe, "segments", {"ana-train0": "tape 0.25 0.75", "ana-train1": "tape 0.5 0.75"})
    show("report.html", report(recipe, faults))
    for key, code, name, at in (("Enter", 13, "corpus.tsv:2", 0.25), (" ", 32, "corpus.tsv:3", 0.5)):
        chromium.run(f"document.querySelector(`a.play[data-name='{name}']`).focus()")
        press(chromium, key, code)
        assert chromium.run(PLAYS)[0] == "all/wav/ana-train0.wav#t=" + (
            "0.25,0.75" if key != " " else "0.5,0.75"
        )
        assert chromium.run("document.querySelector('#player audio').currentTime") >= at


def test_what_is_gone_is_said(chromium, show, recipe, faults):
    show("report.html", report(recipe, faults))
    (recipe.dir / "data/all/wav/ana-train0.wav").unlink()
    chromium.click("a.play")
    chromium.run(PLAYS)
    assert "cannot be played" in chromium.run("document.getElementById('player').innerText")


def test_the_rows_that_are_shown_are_saved(chromium, show, recipe, faults):
    show("report.html", report(recipe, faults))
    head, *lines = rows(saved(chromium, "Save as CSV"))
    assert head == "severity about place problem remedy set row path utterance text".split()
    place, path = "data/train/text", "data/all/wav/ana-train{}.wav"
    first = ["error", "Speech and its text", place, "too fast", "cut it", "train"]
    assert lines == [
        [*first, "corpus.tsv:2", path.format(0), "ana-train0", "'=1+1, un urs"],  # no formula
        [*first, "corpus.tsv:3", path.format(1), "ana-train1", f'O "casă" {SHOWN}'],
        ["warning", "Directories", "recipe.yaml", "no language", "set lang", "", "", "", "", ""],
        [
            "note",
            "Alphabet",
            "data/dev/text:1",
            f"odd {SHOWN}",
            "look",
            "dev",
            "",
            "data/all/wav/ana-dev0.wav",
        ]
        + ["ana-dev0", "o sursă"],
    ]
    chromium.run(
        "(field => { field.value = 'CASA'; field.dispatchEvent(new Event('input')); })"
        "(document.querySelector('input[type=search]'))"
    )
    assert [line[3] for line in rows(saved(chromium, "Save as CSV"))[1:]] == ["too fast"] * 2
    chromium.run(
        "(field => { field.value = ''; field.dispatchEvent(new Event('input')); const s = "
        "document.querySelector('select'); s.value = 'note'; s.dispatchEvent(new Event('change')); })"
        "(document.querySelector('input[type=search]'))"
    )
    assert [line[0] for line in rows(saved(chromium, "Save as CSV"))[1:]] == ["note"]


@pytest.fixture
def heard(recipe) -> str:
    put(recipe, "dropped", {"ana-gone": "too loud"})
    return listening(
        recipe,
        proposed={"ana-train1": "CTC needs 9 frames and has 3"},
        train=[
            fit("ana-train0", 0.5, "un urs", "un urs"),
            fit("ana-train1", 2.25, "o casă", f"o masă {EVIL}"),
            fit("ana-train2", math.inf, "un cal", ""),
        ],
        dev=[fit("ana-dev0", 3.0, "o sursă", "o sură")],
    )


def test_ticks_write_drop_txt(chromium, show, heard):
    url = show("listen.html", heard)
    lines = "document.getElementById('lines').value"
    before = "ana-gone too loud\nana-train1 CTC needs 9 frames and has 3\n"
    assert chromium.run(lines) == before
    chromium.run("document.querySelector(`input[aria-label='leave out ana-train0']`).focus()")
    press(chromium, " ", 32)
    wanted = "ana-gone too loud\nana-train0 exp/main is off by 0.50 nats a label and hears: un urs\n"
    assert chromium.run(lines) == wanted + "ana-train1 CTC needs 9 frames and has 3\n"
    assert chromium.run("document.getElementById('count').value") == "3 training utterances"
    chromium.click("input[aria-label='leave out ana-train1']")
    assert chromium.run(lines) == wanted
    assert saved(chromium, "Save drop.txt") == wanted
    assert (complaints(chromium), fetched(chromium)) == ([], [url])


def test_the_listening_table_sorts_filters_and_is_saved(chromium, show, heard):
    show("listen.html", heard)
    order = "Array.from(document.querySelectorAll('#utterances tbody tr'), r => r.dataset.id.slice(4))"
    assert chromium.run(order) == ["train2", "dev0", "train1", "train0"]
    chromium.click("#utterances th:nth-child(3) button")
    assert chromium.run(order) == ["train0", "train1", "dev0", "train2"]  # infinity is the largest
    chromium.run(
        "(s => { s.value = 'dev'; s.dispatchEvent(new Event('change')); })(document.querySelector('select'))"
    )
    (line,) = rows(saved(chromium, "Save as CSV"))[1:]
    assert line == ["no", "3.00", "dev", "", "data/all/wav/ana-dev0.wav", "ana-dev0", "o sursă", "o sură"]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_on_a_telephone_nothing_is_wider_than_it(chromium, show, recipe, faults, heard, mode):
    for name, text in (("report.html", report(recipe, faults)), ("listen.html", heard)):
        chromium.fresh()
        wanted = [{"name": "prefers-color-scheme", "value": mode}]
        chromium.call("Emulation.setEmulatedMedia", features=wanted)
        show(name, text, width=390)
        assert chromium.run("document.documentElement.scrollWidth") == 390
        assert chromium.run("document.querySelector('tbody tr').getBoundingClientRect().right") <= 390
