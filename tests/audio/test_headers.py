"""Headers that say a wrong length, files that are cut short, channels that differ. Lengths are counted by
hand: files of 16-bit samples at 16 kHz, two seconds long, of which a part is taken away.
"""

import struct

import numpy as np
import pytest
import soundfile

from xlt.audio.files import Heard, read_wav
from xlt.audio.headers import examine
from xlt.data.clips import Job, decode
from xlt.data.corpora import Utterance

RATE = 16000
WAVE = (0.3 * np.sin(np.arange(2 * RATE) * 0.07)).astype(np.float32)
FORMS = {
    "wav": "PCM_16",
    "aiff": "PCM_16",
    "au": "PCM_16",
    "w64": "PCM_16",
    "rf64": "PCM_16",
    "flac": "PCM_16",
}


def made(folder, form="wav", samples=WAVE, subtype=None):
    path = folder / f"a.{form}"
    soundfile.write(path, samples, RATE, subtype or FORMS.get(form), format=form.upper())
    return path


def changed(path, *patches, keep=None, more=b""):
    """The file with bytes replaced, cut to ``keep`` bytes, and with ``more`` behind it."""
    raw = bytearray(path.read_bytes())
    for place, new in patches:
        raw[place : place + len(new)] = new
    path.write_bytes(bytes(raw[:keep]) + more)
    return path


def heard_of(path, channel=None):
    heard = Heard()
    return len(read_wav(path, RATE, channel, heard=heard)) / RATE, heard


def little(value):
    return struct.pack("<I", value)


def big(value):
    return struct.pack(">I", value)


@pytest.mark.parametrize("form", [*FORMS, "ogg", "mp3", "caf"])
def test_a_right_header_raises_nothing(tmp_path, form):
    dur_s, heard = heard_of(made(tmp_path, form))
    assert abs(dur_s - 2.0) < 0.01 and heard == Heard()


WRONG = {  # places: a WAV's lengths are at 4 (RIFF) and 40 (data); AIFF by libsndfile: FORM 4, COMM frames 22
    "never written": ("wav", [(4, little(0)), (40, little(0))]),
    "only data never written": ("wav", [(40, little(0))]),
    "written through a pipe": ("wav", [(4, little(0xFFFFFFFF)), (40, little(0xFFFFFFFF))]),
    "pipe of sox": ("wav", [(4, little(0x7FFFFFFF)), (40, little(0x7FFFFFFF - 36))]),
    "too short": ("wav", [(40, little(8000))]),
    "too short in both": ("wav", [(4, little(8036)), (40, little(8000))]),
    "longer than the file, which is whole": ("wav", [(40, little(90000))]),
    "AU, too short": ("au", [(8, big(8000))]),
    "AU, never written": ("au", [(8, big(0))]),
    "AIFF, never written": ("aiff", [(22, big(0))]),
    "Wave64, never written": ("w64", [(16, bytes(8)), (96, struct.pack("<Q", 24))]),
}


@pytest.mark.parametrize(("form", "patches"), WRONG.values(), ids=WRONG)
def test_a_wrong_length_is_read_to_the_end(tmp_path, form, patches):
    path = made(tmp_path, form)
    if form == "w64":
        patches = [(16, bytes(8)), (path.read_bytes().index(b"data") + 16, struct.pack("<Q", 24))]
    if form == "aiff":
        patches = [(path.read_bytes().index(b"COMM") + 10, big(0))]
    dur_s, heard = heard_of(changed(path, *patches))
    assert dur_s == 2.0 and heard.wrong and not heard.cut


def test_flac_without_a_count_of_samples(tmp_path):
    path = made(tmp_path, "flac")
    count = path.read_bytes()[21] & 0xF0
    dur_s, heard = heard_of(changed(path, (21, bytes([count, 0, 0, 0, 0]))))
    assert 1.97 < dur_s <= 2.0 and heard.wrong and not heard.cut


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_ends_before_its_header_says(tmp_path, form):
    path = made(tmp_path, form, np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32))
    dur_s, heard = heard_of(changed(path, keep=path.stat().st_size // 2))
    assert 0.7 < dur_s < 1.05 and "2.00 s" in heard.cut and not heard.wrong


def test_a_broken_download_of_ogg_and_mp3(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.1, 20 * RATE).astype(np.float32)
    for form in ("ogg", "mp3"):
        path = made(tmp_path, form, noise)
        dur_s, heard = heard_of(changed(path, keep=path.stat().st_size * 2 // 3))
        assert 8 < dur_s < 15 and heard.cut


def test_what_follows_the_samples_is_no_sound(tmp_path):
    chunk = b"LIST" + little(4000) + b"INFO" + bytes(range(256)) * 15 + bytes(156)
    tags = b"TAG" + bytes(range(1, 126)) * 40
    for more in (chunk, tags, bytes(9000), b"ID3\x03" + bytes(8000)):
        path = changed(made(tmp_path), more=more)
        assert heard_of(path) == (2.0, Heard())


def test_a_few_bytes_less_or_more_are_nothing(tmp_path):
    assert heard_of(changed(made(tmp_path), keep=64044 - 100))[1] == Heard()
    assert heard_of(changed(made(tmp_path), more=b"abcdefg"))[1] == Heard()


def test_what_is_no_sound_has_no_header(tmp_path):
    path = tmp_path / "a.wav"
    for raw in (
        b"",
        b"RIFF",
        b"RIFF1234WAVE",
        b"RIFF1234WAVEfmt \x10",
        b"fLaC",
        b".snd",
        b"ID3",
        b"\xff\xfb",
    ):
        path.write_bytes(raw)
        assert not examine(path).wrong and not examine(path).cut
    assert examine(tmp_path / "none.wav") == examine(path)


def clip(path, *times):
    return decode(
        Job(Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1", *times), path.parent / "a-1.wav", 30.0)
    )


def test_a_clip_of_a_cut_file_is_left_out_for_that(tmp_path):
    path = made(tmp_path)
    found = clip(changed(path, keep=path.stat().st_size // 2))
    assert (
        "2.00 s" in found.cut and found.error.startswith(f"{path}: ") and not (tmp_path / "a-1.wav").exists()
    )


def test_segments_before_the_cut_are_used(tmp_path):
    path = made(tmp_path)
    changed(path, keep=path.stat().st_size // 2)
    assert clip(path, 0.2, 0.9).dur_s == 0.7
    assert clip(path, 0.5, 1.5).cut


def test_a_segment_without_an_end_goes_on_to_the_end(tmp_path):
    assert clip(made(tmp_path), 0.5, None).dur_s == 1.5


LEFT, RIGHT = WAVE, (0.2 * np.random.default_rng(2).normal(size=2 * RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "form", "level"),
    [
        ((LEFT, LEFT), "", 0.3),
        ((LEFT, -LEFT), " cancel", 0.3),
        ((0.3 * LEFT, -LEFT), " cancel", 0.3),  # the louder one
        ((LEFT, RIGHT), " differ", None),
        ((LEFT, np.zeros_like(LEFT)), "", 0.15),  # an empty channel has no separate voice
        ((LEFT, LEFT, -LEFT), " cancel", 0.3),
    ],
)
def test_channels(tmp_path, channels, form, level):
    path = made(tmp_path, samples=np.stack(channels, axis=1))
    assert clip(path).format == f"16000 {len(channels)} wav{form}"
    if level:
        assert abs(np.abs(read_wav(path)).max() - level) < 0.002


def test_channels_after_an_interrupted_run(tmp_path):
    path = made(tmp_path, samples=np.stack((LEFT, RIGHT), axis=1))
    assert clip(path) == clip(path)


def test_a_channel_that_is_named_is_alone(tmp_path):
    path = made(tmp_path, samples=np.stack((LEFT, RIGHT), axis=1))
    dur_s, heard = heard_of(path, channel=0)
    assert heard == Heard() and np.abs(read_wav(path, RATE, 0)).max() < 0.301
