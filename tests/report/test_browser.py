"""report.html in a real browser: it sorts, opens what is asked for, fetches nothing, and hostile texts do
nothing.
"""

import pytest

from tests.browser import complaints, fetched
from tests.report.documents import document
from xlt.core.config import ROOT
from xlt.report import page

pytestmark = pytest.mark.slow


@pytest.fixture
def show(chromium, tmp_path):
    """Function that opens report.html of a folder of recipes; its address."""

    def opened(egs, width=1280, at=""):
        path = tmp_path / "report.html"
        path.write_text(page.render(egs), encoding="utf-8")
        chromium.open(path.as_uri() + at, width)
        return path.as_uri()

    return opened


def column(chromium, number, table="#cer table"):
    return chromium.run(
        f"Array.from(document.querySelector('{table}').tBodies[0].rows, r => r.cells[{number}].innerText)"
    )


def known(cells):
    """The rates of a column, without the cells of recipes that have none, which stay at the end."""
    found = [text.split()[0] for text in cells]
    assert "–" not in found[: len(found) - found.count("–")]
    return [float(text) for text in found if text != "–"]


def test_the_committed_results(chromium, show, tmp_path):
    url = show(ROOT / "egs")
    assert chromium.run("document.documentElement.scrollWidth <= window.innerWidth")
    languages = column(chromium, 0)
    assert len(languages) >= 9 and "Romanian" in languages
    chromium.screenshot(tmp_path / "top.png")
    for place in ("learning", "alphabets", "egs/ron"):
        chromium.run(f"document.getElementById('{place}').scrollIntoView()")
        chromium.screenshot(tmp_path / f"{place.replace('/', '_')}.png")
    chromium.click("#cer th:nth-child(4) button")
    chromium.screenshot(tmp_path / "sorted.png")
    rates = known(column(chromium, 3))
    assert (
        rates == sorted(rates)
        and column(chromium, 0) != languages
        and sorted(column(chromium, 0)) == sorted(languages)
    )
    chromium.click("#cer th:nth-child(4) button")
    assert known(column(chromium, 3)) == rates[::-1]
    assert (
        chromium.run("document.querySelector('#cer th:nth-child(4)').getAttribute('aria-sort')")
        == "descending"
    )
    chromium.click("#cer th:first-child button")
    assert column(chromium, 0) == sorted(languages)
    assert chromium.run("document.querySelector('#cer th:nth-child(4)').hasAttribute('aria-sort')") is False
    assert (fetched(chromium), complaints(chromium)) == ([url], [])
    shots = sorted(tmp_path.glob("*.png"))
    assert len(shots) == 5 and all(path.stat().st_size > 20_000 for path in shots)


def test_on_a_telephone_only_tables_scroll_sideways(chromium, show, tmp_path):
    show(ROOT / "egs", width=390)
    chromium.screenshot(tmp_path / "telephone.png")
    assert chromium.run("document.documentElement.scrollWidth") == 390


@pytest.fixture
def egs(results):
    root = results(
        document("base", cer=9.0), document("log_mel", cer=20.0, **{"features.upstream": "fbank"})
    ).parent.parent
    results(document("base", cer=10.5, lang=("cat_Latn", "Catalan")), recipe="cat")
    results(
        document("log_mel", cer=101.5, lang=("ell_Grek", "Greek"), **{"features.upstream": "fbank"}),
        recipe="ell",
    )
    return root


def test_numbers_are_sorted_as_numbers_and_what_is_missing_stays_last(chromium, show, egs):
    show(egs)
    assert column(chromium, 0) == ["Catalan", "Greek", "Romanian"]
    for head, expected in (
        (4, ["Romanian", "Catalan", "Greek"]),
        (4, ["Catalan", "Romanian", "Greek"]),
        (5, ["Romanian", "Greek", "Catalan"]),
        (5, ["Greek", "Romanian", "Catalan"]),
    ):
        chromium.click(f"#cer th:nth-child({head}) button")
        assert column(chromium, 0) == expected


@pytest.mark.parametrize("script", [True, False])
def test_a_number_opens_what_is_behind_it(chromium, show, egs, script):
    chromium.call("Emulation.setScriptExecutionDisabled", value=not script)
    show(egs, at="#egs/ron/base")
    seen = chromium.call(
        "Runtime.evaluate", expression="document.getElementById('egs/ron/base').checkVisibility()"
    )
    assert seen["result"]["value"] is True
    if script:
        chromium.run("document.querySelector('details[open]').open = false")
        chromium.run("location.hash = ''")
        chromium.click("#cer td a[href='#egs/ron/base']")
        seen = "document.getElementById('egs/ron/base').checkVisibility()"
        assert chromium.run(f"new Promise(r => setTimeout(() => r({seen}), 50))")


def test_without_scripts_the_tables_stand_as_they_are(chromium, show, egs):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    show(egs)
    assert column(chromium, 0) == ["Catalan", "Greek", "Romanian"]
    assert chromium.run("document.querySelectorAll('th button').length") == 0


def test_a_hypothesis_with_a_script_is_shown_and_not_run(chromium, show, results, tmp_path):
    evil = (
        '"><script>window.hit = 1</script><img src=x onerror="window.hit = 2"><a href="javascript:window.hit'
        ' = 3">x</a>'
    )
    found = document("base", lang=("ron_Latn", f"Romanian {evil}"))
    found["examples"]["test"]["worst"] = [{"id": "s-1", "cer": 40.0, "ref": "a", "hyp": evil}]
    found["command"] = evil
    url = show(results(found).parent.parent)
    chromium.screenshot(tmp_path / "hostile.png")
    assert chromium.run("window.hit === undefined && !document.querySelector('img, a[href^=javascript]')")
    assert evil in chromium.run("document.querySelector('.utterances tbody').textContent")
    assert (fetched(chromium), complaints(chromium)) == ([url], [])


def test_the_page_refuses_what_it_did_not_bring(chromium, show, egs):
    """Even if something slipped through the escaping: the page's own policy holds."""
    show(egs)
    chromium.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.com/x.png\">'); "
        "const s = document.createElement('script'); s.text = 'window.hit = 1'; document.body.append(s)"
    )
    assert chromium.run("new Promise(r => setTimeout(() => r(window.hit === undefined), 100))")
    assert len([p for m, p in complaints(chromium) if "Content Security Policy" in str(p)]) >= 2
