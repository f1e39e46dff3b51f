"""The page at ``/``: what it loads, and what it does in a browser."""

import re

import pytest
import soundfile

from tests.browser import complaints, fetched
from tests.pages import Reader
from tests.serve.test_listen import serving
from xlt.formats.tables import read_table

LANGUAGE = "Romanian (ron_Latn)"
DROP = """
(async () => {
  const view = new DataView(new ArrayBuffer(44 + 2 * 48000)), at = (place, text) =>
    [...text].forEach((letter, n) => view.setUint8(place + n, letter.charCodeAt(0)));
  at(0, "RIFF"); view.setUint32(4, 36 + 96000, true); at(8, "WAVEfmt "); view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); view.setUint16(22, 1, true); view.setUint32(24, 16000, true);
  view.setUint32(28, 32000, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  at(36, "data"); view.setUint32(40, 96000, true);
  for (let n = 0; n < 48000; n++) view.setInt16(44 + 2 * n, n < 16000 ? 9830 : n < 32000 ? 0 : 16384, true);
  const files = new DataTransfer();
  files.items.add(new File([view.buffer], "my talk.wav"));
  document.getElementById("file").files = files.files;
  document.getElementById("file").dispatchEvent(new Event("change"));
  while (!document.getElementById("status").textContent.startsWith("Done"))
    await new Promise(done => setTimeout(done, 50));
  return [...document.querySelectorAll(".piece > span")].map(one => one.textContent).join(" ");
})()
"""


def test_it_loads_nothing_from_elsewhere(connect):
    answer = connect(tokens=["0123456789abcdef"]).get("/")  # it asks for the token itself
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    page = Reader(answer.text)
    assert page.open == [] and ("html", {"lang": "en"}) in page.elements
    assert not re.search(r"https?://|//[a-z]|@import|url\(", answer.text.replace("// ", ""))
    assert {tag for tag, fields in page.elements if {"src", "action"} & set(fields)} == set()
    assert [fields["href"] for tag, fields in page.elements if tag == "link"] == ["data:,"]


def test_the_script_of_the_microphone(connect):
    answer = connect(tokens=["0123456789abcdef"]).get("/capture.js")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"https?://|import|fetch|eval", answer.text)


def contrast(chromium, selector):
    """Of an element's text on the page (WCAG 2.2, 1.4.3)."""

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    colours = chromium.run(
        f"[getComputedStyle(document.querySelector('{selector}')).color,"
        " getComputedStyle(document.body).backgroundColor]"
    )
    dark, light = sorted(map(luminance, colours))
    return (light + 0.05) / (dark + 0.05)


def status_after(chromium, work, start):
    """What the page says that begins with ``start``, once it has done the script ``work``."""
    return chromium.run(
        f"(async () => {{ {work}; const own = document.getElementById('status');"
        f" while (!own.textContent.startsWith('{start}') && !own.className)"
        " await new Promise(done => setTimeout(done, 50)); return own.textContent; })()"
    )


def corrected_in_a_browser(chromium, folder, shots):
    """The second piece is corrected twice, at first without consent, and deleted again."""
    click = (
        "[...document.querySelectorAll('#text .act')]"
        ".filter(one => one.textContent.startsWith('{}')).at(-1).click()"
    )
    keep = (
        click.format("Correct")
        + "; document.querySelector('textarea').value = ' n  five '; "
        + click.format("Keep")
    )
    assert chromium.run("document.getElementById('consent').checked") is False
    assert status_after(chromium, keep, "Corrected") == "Corrected here; nothing was sent."
    assert not (folder / "text").exists()
    assert chromium.run("FORMS.txt()") == "n 3 n five\n"
    assert chromium.run("document.querySelectorAll('.doubt').length") == 0  # a person has looked
    assert chromium.run("document.getElementById('host').textContent === location.host")
    chromium.run("document.getElementById('consent').click()")
    chromium.run(click.format("Correct"))
    chromium.screenshot(shots / "page_correcting.png")
    assert chromium.run("document.activeElement.ariaLabel") == "Text of the piece at 0:02"
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
    chromium.run(click.format("Cancel"))
    assert chromium.run("document.activeElement.ariaLabel") == "Correct the piece at 0:02"
    assert status_after(chromium, keep, "Stored") == "Stored. Thank you."
    chromium.screenshot(shots / "page_stored.png")
    (utt,) = read_table(folder / "text")
    assert read_table(folder / "text")[utt] == "n five"
    samples, rate = soundfile.read(folder / "wav" / f"{utt}.wav", dtype="int16")
    assert rate == 16000 and len(samples) == 16000
    assert abs(samples - 16384).max() <= 1  # the third second of what was dropped
    assert utt.removeprefix("correction-") in chromium.run("document.querySelector('.given').textContent")
    assert status_after(chromium, click.format("Delete it now"), "Deleted") == "Deleted."
    assert list((folder / "wav").iterdir()) == [] and read_table(folder / "text") == {}
    assert chromium.run("document.querySelector('.given')") is None


TOLD = """
(async () => {
  ask = async () => ({data: [{languages: ["ron_Latn", "ell_Grek"], auto: true}]});
  await languages();
  const [known, none] = [{language: "ron_Latn"}, {language: null}];
  const segments = [{start: 0, end: 1, text: "n 3", ...known}, {start: 1, end: 2, text: "", ...none}];
  found = {text: "n 3", language: "ron_Latn", languages: [known, none], segments};
  show();
  const refused = await give(segments[1]).catch(err => err.message);
  const shown = [...document.querySelectorAll(".piece")].map(one => one.innerText);
  return [at("lang").value, ...shown, FORMS.srt(), refused];
})()
"""


def languages_in_a_browser(chromium):
    """What the page makes of an answer whose languages the server has told."""
    auto, first, second, subtitles, refused = chromium.run(TOLD)
    assert auto == "auto" and "Romanian (ron_Latn)" in first
    assert "In none of this server's languages." in second
    assert subtitles == "1\n00:00:00,000 --> 00:00:01,000\nn 3\n\n"
    assert "choose it above" in refused


TONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext(), tone = context.createOscillator(), loud = context.createGain();
  const out = context.createMediaStreamDestination();
  tone.type = "square"; loud.gain.value = 0.4; tone.connect(loud).connect(out); tone.start();
  window.hush = () => { loud.gain.value = 0; };
  return out.stream;
};
document.getElementById("lang").value = "ell_Grek"
"""
SEEN = "[...document.querySelectorAll('#said p')].map(one => one.textContent).join(' ')"


def wait_for(chromium, script):
    """The first value of a script that is something."""
    return chromium.run(
        f"(async () => {{ for (let n = 0; n < 1200; n++) {{ const found = {script}; if (found) return found;"
        " await new Promise(done => setTimeout(done, 50)); } return null; })()"
    )


@pytest.mark.slow
def test_text_while_somebody_speaks(chromium, tmp_path):
    """What is stable stands apart from what may change; a pause writes the final text into the log, which
    screen readers speak, and partial texts are hidden from them."""
    folder, tokens = tmp_path / "bundle", tmp_path / "tokens"
    folder.mkdir()
    tokens.write_text("0123456789/+=abcdef\n")
    tokens.chmod(0o600)
    options = ["--port", 0, "--workers", 1, "--tokens", tokens]
    with serving(["tests.serve.run", folder, *options]) as process:
        chromium.fresh()
        chromium.open(process.url + "/", 390)
        given = "const own = document.getElementById('token'); own.value = '0123456789/+=abcdef';"
        chromium.run(f"{given} own.dispatchEvent(new Event('change'))")
        wait_for(chromium, "document.getElementById('lang').value")
        chromium.run(TONE)
        chromium.click("#record")
        # a letter for each half second, most of which is as loud as three tenths; the last may change
        assert wait_for(chromium, "document.getElementById('stable').textContent.endsWith('cc')")
        assert wait_for(chromium, "document.getElementById('open').textContent") == "c"
        chromium.screenshot(tmp_path / "page_speaking.png")
        assert contrast(chromium, "#open") > 4.5 and contrast(chromium, "#stable") > 7
        assert chromium.run("document.getElementById('stable').closest('[aria-hidden]') !== null")
        assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
        chromium.run("hush()")
        assert wait_for(chromium, SEEN) == "n 3"
        assert chromium.run("document.getElementById('open').textContent") == ""
        stop = "document.getElementById('record').click()"
        assert status_after(chromium, stop, "Done").startswith("Done")
        assert chromium.run("document.getElementById('live').hidden")
        said = [str(one) for one in complaints(chromium)]  # 401 without the token, 400 for times of words
        assert [one for one in said if "401" not in one and "400 (Bad" not in one] == []


@pytest.mark.slow
def test_in_a_browser(chromium, tmp_path):
    """A file is transcribed; doubtful words are marked; arrow keys go from word to word."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    given = tmp_path / "given"
    options = ["--port", 0, "--workers", 1, "--corrections", given]
    with serving(["tests.serve.run", folder, *options]) as process:
        for width, scheme in ((1280, "light"), (390, "dark")):
            chromium.fresh()
            dark = [{"name": "prefers-color-scheme", "value": scheme}]
            chromium.call("Emulation.setEmulatedMedia", features=dark)
            chromium.open(process.url + "/", width)
            assert chromium.run(DROP) == "0:00 n 3 0:02 n 5"
            chromium.screenshot(tmp_path / f"page_{width}.png")
            assert chromium.run("document.documentElement.scrollWidth <= innerWidth")
            assert contrast(chromium, "#status") > 7 and contrast(chromium, ".note") > 4.5
            assert contrast(chromium, ".doubt") > 4.5
        assert chromium.run("document.getElementById('lang').selectedOptions[0].text") == LANGUAGE
        words = "[...document.querySelectorAll('.word')].map(one => "
        assert chromium.run(f"{words}one.tabIndex)") == [0, -1, -1, -1]
        assert chromium.run(f"{words}one.ariaLabel)") == [None, None, "n, doubtful", "5, doubtful"]
        chromium.run("document.querySelector('.word').focus()")
        for kind in ("rawKeyDown", "keyUp"):
            chromium.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
        assert chromium.run("document.activeElement.textContent") == "3"
        assert chromium.run("FORMS.srt()").startswith("1\n00:00:00,000 --> 00:00:01,000\nn 3\n\n2\n")
        assert "<ANNOTATION_VALUE>n 5</ANNOTATION_VALUE>" in chromium.run("FORMS.eaf()")
        assert list(given.rglob("*.wav")) == []
        corrected_in_a_browser(chromium, given / "ron_Latn", tmp_path)
        recorded = (
            "document.getElementById('record').click(); while (!recorder) await new Promise(done =>"
            " setTimeout(done, 20)); await new Promise(done => setTimeout(done, 1500));"
            " document.getElementById('record').click()"
        )
        assert status_after(chromium, recorded, "Done:").startswith("Done:")
        assert chromium.run("found.duration") >= 1 and chromium.run("sound.type").startswith("audio/webm")
        assert chromium.run("document.getElementById('consent').checked") is False  # asked anew
        assert chromium.run("clip({start: 0, end: 0.5}).then(one => one.size)") == 44 + 16000
        chromium.run("recorder = null; navigator.mediaDevices.getUserMedia = () => Promise.reject()")
        chromium.click("#record")
        assert "microphone cannot be used" in chromium.run("document.getElementById('status').textContent")
        languages_in_a_browser(chromium)
        assert complaints(chromium) == []
        assert all(url.startswith((process.url, "blob:", "data:")) for url in fetched(chromium))
