"""Sound of phones, messengers and films. What went into FFmpeg's encoders is compared with what is read."""

import struct
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tests.audio.media_files import RATE, film, noise, write
from tests.errors import raises, says
from xlt.audio import media
from xlt.audio.containers import form_of
from xlt.audio.files import Heard, TooLong, audio_format, audio_header, read_wav
from xlt.core.errors import DataError
from xlt.data.clips import Job, decode
from xlt.data.corpora import Utterance

AAC_FRAME = 1024  # samples; what AAC without a container begins with


def lag(found, sent):
    """Samples by which ``found`` comes after ``sent``."""
    return int(np.argmax(np.correlate(found, sent, "full"))) - len(sent) + 1


@pytest.mark.parametrize(
    ("name", "codec", "form", "late"),
    [
        ("a.m4a", "aac", None, 0),  # an edit list takes the encoder's delay away
        ("a.mp4", "aac", None, 0),
        ("a.3gp", "aac", None, 0),
        ("a.mov", "pcm_s16le", None, 0),
        ("alac.m4a", "alac", None, 0),
        ("a.mka", "flac", "matroska", 0),
        ("a.mkv", "aac", "matroska", 0),
        ("a.aac", "aac", "adts", AAC_FRAME),
        ("a.wv", "wavpack", "wv", 0),
        ("a.tta", "tta", "tta", 0),
        ("a.wav", "aac", "ipod", 0),  # the ending says nothing
        ("a.mp3", "aac", "ipod", 0),
        ("a", "aac", "ipod", 0),
        ("a.g722", "g722", "g722", 22),  # of its filters
    ],
)
def test_it_is_what_went_in(tmp_path, name, codec, form, late):
    sent = noise()
    path = write(tmp_path / name, codec, sent, form=form)
    found = read_wav(path)
    assert found.dtype == np.float32 and lag(found, sent) == late
    if codec in ("pcm_s16le", "alac", "flac"):
        np.testing.assert_allclose(found, sent, atol=1.01 / 32768)
    elif late == 0 and form != "matroska":
        assert len(found) == len(sent)  # to the sample: nothing of the encoder's padding
    error = found[late : late + len(sent)] - sent[: len(found) - late]
    assert np.sqrt(np.mean(error**2)) < 0.2 * np.sqrt(np.mean(sent**2))


def test_opus_of_a_browser(tmp_path):
    """48 kHz in WebM, written live: no length anywhere."""
    sent = noise(rate=48000)
    path = write(tmp_path / "a.webm", "libopus", sent, rate=48000, live="1")
    found = read_wav(path, 48000)
    assert len(found) == 48000 and lag(found, sent) == 0
    assert len(read_wav(path)) == 16000 and audio_format(path) == "48000 1 opus"


def test_windows_media(tmp_path):
    sent = noise()
    for name, form in (("a.wma", "asf"), ("a.wav", "wav")):  # libsndfile opens no WAV with such sound
        found = read_wav(write(tmp_path / name, "wmav2", sent, form=form))
        assert abs(len(found) - len(sent)) <= 1024
        match = np.correlate(found, sent, "full").max() / np.linalg.norm(found) / np.linalg.norm(sent)
        assert match > 0.9
        assert audio_format(tmp_path / name) == "16000 1 wmav2"


@pytest.mark.parametrize(
    ("head", "frame", "rate"),
    [(b"#!AMR\n", b"\x3c" + bytes(31), 8000), (b"#!AMR-WB\n", b"\x04" + bytes(17), 16000)],
)
def test_amr_of_old_telephones(tmp_path, head, frame, rate):
    """There is no encoder: 20 ms frames of zeros, 50 a second."""
    path = tmp_path / "a.amr"
    path.write_bytes(head + 50 * frame)
    heard = Heard()
    assert len(read_wav(path, rate, heard=heard)) == rate and heard == Heard()
    assert audio_header(path)[:2] == (rate, 1)
    path.write_bytes(head + 25 * frame + frame[:9])
    read_wav(path, rate, heard=heard)
    assert "inside a frame" in heard.cut


@pytest.mark.parametrize(
    ("name", "raw", "rate", "values"),
    [  # ITU-T G.711, tables 1a and 2a: nearest to zero, and furthest from it, in 16 bits
        ("a.ulaw", b"\xff\x80\x00", 8000, [0, 32124, -32124]),
        ("a.alaw", b"\xd5\xaa\x2a", 8000, [8, 32256, -32256]),
        ("a.sln", b"\x00\x00\x00\x40\x00\x80", 8000, [0, 16384, -32768]),
        ("a.sln16", b"\x00\x00\x00\x40\x00\x80", 16000, [0, 16384, -32768]),
    ],
)
def test_what_has_no_header_is_what_its_ending_says(tmp_path, name, raw, rate, values):
    path = tmp_path / name
    path.write_bytes(raw * 800)
    assert audio_header(path)[:2] == (rate, 1) and audio_header(path).duration_s == 2400 / rate
    np.testing.assert_allclose(read_wav(path, rate)[:3] * 32768, values, atol=0.01)


def test_header(tmp_path):
    assert audio_header(write(tmp_path / "a.m4a", "aac", noise())) == (RATE, 1, "aac", 1.0)
    assert audio_header(write(tmp_path / "a.g722", "g722", noise(), form="g722")) == (RATE, 1, "g722", 1.0)


def test_channels(tmp_path):
    """Averaged; one of them; the louder of two that cancel each other."""
    left, right = noise(1), noise(2)
    path = write(tmp_path / "a.m4a", "alac", np.stack([left, right]))
    assert audio_format(path) == "16000 2 alac"
    np.testing.assert_allclose(read_wav(path), (left + right) / 2, atol=1.01 / 32768)
    np.testing.assert_allclose(read_wav(path, channel=1), right, atol=1.01 / 32768)
    with raises(DataError, 2, where="a.m4a"):
        read_wav(path, channel=2)
    heard = Heard()
    against = write(tmp_path / "b.m4a", "alac", np.stack([left / 2, -left]))
    np.testing.assert_allclose(read_wav(against, heard=heard), -left, atol=1.01 / 32768)
    assert heard.cancel


def test_the_sound_of_a_film(tmp_path):
    sent = noise()
    found = read_wav(film(tmp_path / "a.mp4", sent))
    assert len(found) == len(sent) and lag(found, sent) == 0
    with raises(media.Foreign, "without sound", where="b.mp4"):
        read_wav(film(tmp_path / "b.mp4", None))


def test_sound_that_nothing_decodes(tmp_path):
    path = write(tmp_path / "a.mka", "flac", noise(), form="matroska")
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_FLAX", 1))
    with raises(media.Foreign, "FFmpeg", where="a.mka"):
        read_wav(path)


def test_several_streams_are_told(tmp_path):
    one, two = noise(1), noise(2)
    heard = Heard()
    found = read_wav(write(tmp_path / "a.mka", "flac", one, two, form="matroska"), heard=heard)
    number = 1 if np.abs(found - one).max() < 0.001 else 2
    assert says(heard.told, 2) and says(heard.told, f"number {number}")


def test_rates_that_change_within_a_file(tmp_path):
    """Two AAC streams, one behind the other: the second is heard at the rate of the first."""
    first = write(tmp_path / "a.aac", "aac", noise(1), form="adts").read_bytes()
    second = write(tmp_path / "b.aac", "aac", noise(2, rate=32000), rate=32000, form="adts").read_bytes()
    alone = len(read_wav(tmp_path / "a.aac"))
    (tmp_path / "c.aac").write_bytes(first + second)
    assert len(read_wav(tmp_path / "c.aac")) == pytest.approx(alone + RATE + AAC_FRAME, abs=2 * AAC_FRAME)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", {}),  # the index is at the end: lost
        ("front.m4a", "aac", {"movflags": "faststart"}),
        ("parts.mp4", "aac", {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}),
        ("a.mka", "flac", {}),
        ("live.mka", "flac", {"live": "1"}),
        ("a.wma", "wmav2", {}),
        ("a.aac", "aac", {}),
        ("a.avi", "mp3", {}),
    ],
)
def test_half_a_file_is_cut_short(tmp_path, name, codec, options):
    path = write(tmp_path / name, codec, noise(dur_s=3.0), **options)
    whole = Heard()
    count = len(read_wav(path, heard=whole))
    assert whole == Heard()
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 6 // 10])
    clip = decode(Job(Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1"), tmp_path / "a-1.wav", 30.0))
    assert clip.cut and clip.error and not clip.foreign and not (tmp_path / "a-1.wav").exists()
    heard = Heard()
    if name == "a.m4a":
        with raises(DataError, "cut short", where=name):
            read_wav(path)
        return
    assert len(read_wav(path, heard=heard)) == pytest.approx(count * 6 / 10, rel=0.2)
    assert heard.cut == clip.cut


def test_a_part_of_a_long_recording(tmp_path):
    """Spans, also in half a file: those before its end are whole, to the sample."""
    sent = noise(dur_s=3.0)
    path = write(tmp_path / "a.m4a", "alac", sent, movflags="faststart")

    def part(name, start_s, end_s):
        utt = Utterance(name, "a", "ron_Latn", "unu", path, name, start_s, end_s)
        return decode(Job(utt, tmp_path / f"{name}.wav", 30.0))

    assert part("a-1", 1.0, 1.5).dur_s == 0.5
    np.testing.assert_allclose(read_wav(tmp_path / "a-1.wav"), sent[16000:24000], atol=1.01 / 32768)
    half = tmp_path / "half"
    half.mkdir()
    raw = path.read_bytes()
    path = half / "a.m4a"
    path.write_bytes(raw[: len(raw) * 6 // 10])
    assert part("b-1", 1.0, 1.5).dur_s == 0.5 and part("b-2", 2.5, 2.9).cut


def test_damage_inside_is_silence_and_told(tmp_path):
    sent = noise(dur_s=3.0)
    path = write(tmp_path / "a.m4a", "alac", sent)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 9000] = bytes(9000)
    path.write_bytes(bytes(raw))
    heard = Heard()
    found = read_wav(path, heard=heard)
    assert "damaged inside" in heard.told
    assert len(found) == len(sent) and 0.2 < heard.lost_s < 1
    np.testing.assert_allclose(found[-8000:], sent[-8000:], atol=1.01 / 32768)  # in its place
    clip = decode(Job(Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1"), tmp_path / "a-1.wav", 30.0))
    assert "damaged inside" in clip.error and not clip.cut


def test_a_locked_file_is_named(tmp_path):
    path = write(tmp_path / "a.m4p", "aac", noise(), form="ipod")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"mp4a", b"drms", 1))
    with raises(media.Foreign, "DRM", where="a.m4p"):
        read_wav(path)
    clip = decode(Job(Utterance("a-1", "a", "ron_Latn", "unu", path, "a-1"), tmp_path / "a-1.wav", 30.0))
    assert clip.foreign and not clip.cut
    wma = write(tmp_path / "a.wma", "wmav2", noise())
    raw = wma.read_bytes()
    place = raw.index(bytes.fromhex("a1dcab8c47a9cf11"))
    lock = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e") + struct.pack("<Q", 40) + bytes(16)
    wma.write_bytes(raw[:place] + lock + raw[place:])
    with raises(media.Foreign, "DRM", where="a.wma"):
        read_wav(wma)


def test_an_edit_list_that_repeats_the_sound(tmp_path):
    path = write(tmp_path / "a.m4a", "aac", noise())
    raw = bytearray(path.read_bytes())
    place = raw.index(b"elst") + 8
    raw[place : place + 4] = struct.pack(">I", 1_000_000)
    path.write_bytes(bytes(raw))
    with raises(media.Foreign, 1_000_000, where="a.m4a"):
        read_wav(path)


def test_no_more_is_decoded_than_is_of_use(tmp_path):
    path = write(tmp_path / "a.m4a", "aac", np.zeros(RATE * 60, np.float32))
    with raises(TooLong, 30, where="a.m4a"):
        read_wav(path, longest_s=30.0)


def test_without_pyav(tmp_path, monkeypatch):
    path = write(tmp_path / "a b.m4a", "aac", noise())
    monkeypatch.setitem(sys.modules, "av", None)
    with raises(media.Foreign, "pip install av") as caught:
        read_wav(path)
    assert "MPEG-4" in str(caught.value)
    command = str(caught.value).partition("convert all of them: ")[2]
    assert command == f'for f in \'{tmp_path}\'/*.m4a; do ffmpeg -i "$f" "${{f%.*}}.wav"; done'.replace(
        "'", ""
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x03ds2" + bytes(600), "DS2"),
    ],
)
def test_what_is_no_sound_is_named_for_what_it_is(tmp_path, content, what):
    (tmp_path / "a.m4a").write_bytes(content)
    with raises(DataError, what, where="a.m4a"):
        read_wav(tmp_path / "a.m4a")


def test_empty_files(tmp_path):
    for name in ("a.m4a", "a.g722"):
        (tmp_path / name).touch()
        with raises(DataError, where=name):
            read_wav(tmp_path / name)
        with raises(DataError, where=f"none-{name}"):
            read_wav(tmp_path / f"none-{name}")


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{0}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "dash": "<?xml version='1.0'?><MPD><BaseURL>{0}</BaseURL></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_lists_that_name_other_files_are_no_sound(tmp_path, kind):
    secret = write(tmp_path / "secret.m4a", "aac", noise())
    for ending in ("m4a", "m3u8", "mp4", "webm", "aac"):
        path = tmp_path / f"a.{ending}"
        path.write_text(PLAYLISTS[kind].format(secret))
        assert form_of(path) is None
        with raises(DataError, where=path.name):
            read_wav(path)


@pytest.mark.parametrize("kind", ["hls", "concat"])
def test_ffmpeg_may_not_open_other_files(tmp_path, kind):
    """Even where a list is taken for sound: with our options FFmpeg refuses, without them it obeys."""
    secret = write(tmp_path / "secret.aac", "aac", noise(), form="adts")
    path = tmp_path / "list"
    path.write_text(PLAYLISTS[kind].format(secret))
    more = {"safe": "0"} if kind == "concat" else {}
    with av.open(str(path), format=kind, options=more) as obeys:
        assert obeys.streams.audio
    with open(path, "rb") as file, pytest.raises(av.error.FFmpegError):
        with av.open(file, format=kind, options=media._FORBIDDEN | more) as container:
            next(container.decode(audio=0))


def test_names_that_ffmpeg_takes_for_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = noise()
    for name in ("concat:a|b.m4a", "http:a.m4a", "-", "\udcff.m4a"):
        write(tmp_path / "plain.m4a", "alac", sent, form="ipod").rename(Path(name))
        np.testing.assert_allclose(read_wav(name), sent, atol=1.01 / 32768)
