"""Links to sound that a browser plays, and cuts of what it does not."""

from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from xlt.audio.players import Sounds, plays

RATE = 16000


@pytest.fixture
def page(tmp_path):
    """The folder that the page will lie in; it is written beside it."""
    (tmp_path / ".check.partial").mkdir()
    return tmp_path / "check"


def sounds(page, **limits) -> Sounds:
    return Sounds(page.parent / ".check.partial", page, **limits)


def write(path, seconds=2.0, rate=RATE, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * time), rate, **form)
    return str(path)


@pytest.mark.parametrize(
    ("name", "form", "played"),
    [
        ("a.wav", {}, True),
        ("a.wav", {"subtype": "ULAW"}, True),
        ("a.wav", {"subtype": "FLOAT"}, True),
        ("a.wav", {"subtype": "GSM610"}, False),
        ("a.wav", {"subtype": "IMA_ADPCM"}, False),
        ("a.flac", {}, True),
        ("a.ogg", {"subtype": "VORBIS"}, True),
        ("a.mp3", {"format": "MP3"}, True),
        ("a.aiff", {}, False),
        ("a.au", {}, False),
    ],
)
def test_what_browsers_play_is_known_by_its_content(tmp_path, name, form, played):
    path = write(tmp_path / name, **form)
    assert plays(path) is played
    other = tmp_path / "renamed"
    (tmp_path / name).rename(other)
    assert plays(str(other)) is played


def test_a_link_is_relative_to_the_page_and_names_a_part(page, tmp_path):
    path = write(tmp_path / "all/wav/a.wav")
    made = sounds(page)
    assert made.of(path, dur_s=2.0) == ("../all/wav/a.wav", 2.0)
    assert made.of(path, 0.5, 1.25) == ("../all/wav/a.wav#t=0.5,1.25", 0.75)
    assert made.of(path, 0.5) == ("../all/wav/a.wav#t=0.5", None)
    assert made.told == "" and not (page.parent / ".check.partial/sound").exists()


@pytest.mark.parametrize("name", ["a b#c?d%.wav", 'x" onclick="y.wav', "javascript:alert(1).wav", "ă.wav"])
def test_names_of_files_are_nothing_but_names(page, tmp_path, name):
    path = write(page / name)
    href = sounds(page).of(path).href
    assert not set('#?:" <>') & set(href) and unquote(href) == name


def test_what_browsers_do_not_play_is_cut(page, tmp_path):
    made = sounds(page)
    path = write(tmp_path / "tape/a.aiff", 60.0, 8000)
    part, whole = made.of(path, 1.0, 3.5), made.of(path)
    assert part == ("sound/1.flac", 2.5) and whole == ("sound/2.flac", 30.0)
    assert made.of(path, 1.0, 3.5) is part  # made once
    for name, seconds in (("1", 2.5), ("2", 30.0)):
        info = soundfile.info(page.parent / f".check.partial/sound/{name}.flac")
        assert (info.duration, info.samplerate, info.channels) == (seconds, RATE, 1)
    size = sum(p.stat().st_size for p in (page.parent / ".check.partial/sound").iterdir())
    assert made.told == (
        "Copied into the folder sound, as browsers cannot play the originals: 2"
        f" ({size / 1e6:.1f} MB, at most 30 s each)."
    )


def test_the_cut_is_that_part(page, tmp_path):
    samples = np.concatenate([np.zeros(RATE), np.full(RATE // 2, 0.25), np.zeros(RATE)])
    soundfile.write(tmp_path / "a.aiff", samples, RATE)
    sounds(page).of(str(tmp_path / "a.aiff"), 1.0, 1.5)
    cut, _ = soundfile.read(page.parent / ".check.partial/sound/1.flac")
    assert len(cut) == RATE // 2 and np.allclose(cut, 0.25, atol=1e-4)


def test_there_are_no_more_cuts_than_fit_and_the_page_says_so(page, tmp_path):
    made = sounds(page, most_bytes=1)
    paths = [write(tmp_path / f"{i}.aiff") for i in range(3)]
    (tmp_path / "noise.aiff").write_bytes(b"no sound at all")
    found = [made.of(path) for path in [*paths, str(tmp_path / "none.wav")]]
    assert found[0].href == "sound/1.flac" and found[1:] == [None] * 3
    assert made.told.endswith(
        "Without a player: 3 (the page's cuts are large enough already: 2, the file is missing: 1)."
    )
    torn = sounds(page)
    assert torn.of(str(tmp_path / "noise.aiff")) is None and torn.of(paths[0], 5.0, 6.0) is None
    assert torn.missing == {"the file cannot be read": 1, "the file is shorter": 1}
