"""report.html in a real browser: utterances are heard, listed and compared, by mouse and by keyboard."""

import pytest

from tests.browser import complaints
from tests.report import beside
from xlt.report import page

pytestmark = pytest.mark.slow


@pytest.fixture
def show(chromium):
    """Function that opens the page of a recipe's models as it is in egs/report."""

    def opened(recipe, width=1280, mode="light"):
        out = recipe.parent / "report"
        out.mkdir(exist_ok=True)
        (out / "report.html").write_text(page.render(recipe.parent, out), encoding="utf-8")
        chromium.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}]
        )
        chromium.open((out / "report.html").as_uri(), width)
        return chromium

    return opened


def rows(chromium, place):
    """Cells of the rows that are shown."""
    return chromium.run(
        f"Array.from(document.querySelectorAll('{place} tbody tr'), r => r.hidden ? null :"
        " Array.from(r.cells, c => c.innerText.trim())).filter(r => r)"
    )


def choose(chromium, selector, value):
    chromium.run(
        f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('change')); e.dispatchEvent(new"
        f" Event('input')); }})(document.querySelector('{selector}'))"
    )


def press(chromium, key, code=0):
    for kind in ("rawKeyDown", "keyUp"):
        chromium.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def settled(chromium, condition):
    """Whether a condition comes true: the browser scrolls and plays in its own time."""
    return chromium.run(
        "new Promise(done => { let left = 200; const look = () => "
        f"({condition}) ? done(true) : --left ? setTimeout(look, 25) : done(false); look(); }})"
    )


def test_all_utterances_are_sorted_searched_and_shown_of_either_model(show, results):
    chromium = show(beside.both(results))
    assert chromium.run("document.querySelector('.every tbody').rows.length") == 0  # made when it is opened
    chromium.click(".every summary")
    assert settled(chromium, "document.querySelector('.every tbody').rows.length")
    assert [row[:4] for row in rows(chromium, ".every")] == [
        ["20.0", "0.5 s", "un ou", "un oau"],
        ["0.0", "0.5 s", "abcd", "abcd"],
        ["0.0", "0.5", "da", "da"],
    ]
    chromium.click(".every th:nth-child(7) button")
    assert [row[-1] for row in rows(chromium, ".every")] == ["s-1", "s-2", "s-3"]
    choose(chromium, ".every input[type=search]", "ÛN")  # without regard to capitals and accents
    assert [row[-1] for row in rows(chromium, ".every")] == ["s-2"]
    assert chromium.run("document.querySelector('.every output').value") == "1 of 3 rows"
    choose(chromium, ".every input[type=search]", "")
    choose(chromium, ".every .tools:nth-of-type(2) select", "ss-3")
    assert [row[-1] for row in rows(chromium, ".every")] == ["s-3"]
    choose(chromium, ".every .tools:nth-of-type(2) select", "")
    choose(chromium, ".every .model", "1")
    assert [row[3] for row in rows(chromium, ".every")] == ["un ou", "abcxd", "da"]
    assert complaints(chromium) == []


def test_two_models_are_compared(show, results):
    chromium = show(beside.both(results))
    assert "as many in 1." in chromium.run("document.querySelector('.verdict').innerText")
    # A is theirs, B ours
    assert [row[:6] for row in rows(chromium, ".compare")] == [
        ["better", "−1", "0.5 s", "abcd", "abcxd", "abcd"],
        ["worse", "+1", "0.5 s", "un ou", "un ou", "un oau"],
    ]
    choose(chromium, ".changed .tools select", "worse")
    assert [row[-1] for row in rows(chromium, ".compare")] == ["s-2"]
    choose(chromium, ".compare .a", "0")
    assert chromium.run("document.querySelector('.verdict').innerText") == "A and B are the same model."
    choose(chromium, ".compare .b", "1")
    choose(chromium, ".changed .tools select", "")
    assert [row[0] for row in rows(chromium, ".compare")] == ["better", "worse"]
    assert rows(chromium, ".compare")[0][-1] == "s-2"
    assert complaints(chromium) == []


def test_a_sound_beside_the_page_is_played(show, results):
    chromium = show(beside.both(results))
    chromium.click(".utterances a.play")
    assert settled(chromium, "document.querySelector('#player audio').currentTime > 0")
    assert chromium.run("document.querySelector('#player audio').src").endswith("/ron/data/all/wav/s-2.wav")
    chromium.click(".every summary")
    assert settled(chromium, "document.querySelector('.every a.play')")
    chromium.run("document.querySelectorAll('.every a.play')[1].focus()")
    press(chromium, " ", 32)
    assert settled(chromium, "document.querySelector('#player audio').src.endsWith('s-1.wav')")
    assert complaints(chromium) == []


@pytest.mark.parametrize(("mode", "paper", "ink"), [("light", 255, 28), ("dark", 20, 230)])
def test_the_page_and_its_charts_follow_the_mode(show, results, mode, paper, ink):
    chromium = show(beside.both(results), mode=mode)
    of = "Number(getComputedStyle({}).{}.match(/\\d+/)[0])"
    assert chromium.run(of.format("document.body", "backgroundColor")) == paper
    assert chromium.run(of.format("document.querySelector('#cer svg > rect')", "fill")) == paper
    assert chromium.run(of.format("document.querySelector('#cer svg text')", "fill")) == ink


def test_what_scrolls_can_be_scrolled_by_the_keyboard(show, results):
    chromium = show(beside.both(results), width=390)
    assert chromium.run("document.documentElement.scrollWidth") == 390
    places = "Array.from(document.querySelectorAll('.wide')).filter(e => e.checkVisibility())"
    assert chromium.run(f"{places}.every(e => (e.scrollWidth > e.clientWidth) === (e.tabIndex === 0))")
    assert chromium.run(f"{places}.every(e => e.getAttribute('role') === 'region' && e.ariaLabel)")
    chromium.run(f"window.place = {places}.find(e => e.tabIndex === 0); place.focus()")
    press(chromium, "ArrowRight", 39)
    assert settled(chromium, "place.scrollLeft > 0")


def test_the_keyboard_sorts_and_shows_where_it_is(show, results):
    chromium = show(beside.both(results))
    chromium.run("document.querySelector('#cer th button').focus()")
    press(chromium, "Tab", 9)
    style = chromium.run(
        "(s => [s.outlineStyle, s.outlineWidth, s.outlineColor])(getComputedStyle(document.activeElement))"
    )
    assert style == ["solid", "3px", "rgb(109, 40, 217)"]  # --focus, whose contrast test_html computes
    head = "document.activeElement.closest('th').getAttribute('aria-sort')"
    press(chromium, " ", 32)
    assert settled(chromium, f"{head} === 'ascending'")
    press(chromium, " ", 32)
    assert settled(chromium, f"{head} === 'descending'")


def test_without_scripts_utterances_can_be_read_and_heard(show, chromium, results):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    show(beside.both(results))
    assert chromium.run("document.querySelectorAll('.utterances a.play').length") > 0
    assert not chromium.run("document.querySelector('.compare').checkVisibility()")
    assert not chromium.run("document.querySelector('.every').checkVisibility()")
