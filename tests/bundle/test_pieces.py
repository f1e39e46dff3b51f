"""Long recordings by a bundle of the first version, which knows four tones: what is said when."""

import dataclasses

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from tests.tones import RATE, Loud, sound
from xlt.audio.cut import Lengths
from xlt.bundle.clips import Clips
from xlt.bundle.transcribe import Transcriber
from xlt.core.config import ROOT
from xlt.core.errors import DataError
from xlt.decode.recognise import Hypothesis

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def transcriber():
    return Transcriber(ROOT / "tests/fixtures/bundle_v1")


@pytest.fixture(autouse=True)
def tones_are_speech(monkeypatch):
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)


def write(path, seconds, *said):
    """A recording in which each (second, channel, text) is said."""
    channels = 1 + max((channel for _, channel, _ in said), default=0)
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(seconds * RATE, channels)).astype(np.float32) * 1e-4
    for second, channel, text in said:
        tones = sound(text, rng)
        samples[second * RATE : second * RATE + len(tones), channel] += tones
    soundfile.write(path, samples, RATE)
    return str(path)


def test_what_is_said_has_its_times_and_silence_has_no_text(transcriber, tmp_path):
    texts = {5: "aei", 30: "oae", 33: "iao", 90: "eoa"}
    path = write(tmp_path / "a.wav", 100, *((second, 0, text) for second, text in texts.items()))
    found = transcriber(path)
    # a text has three tones of 0.15 s behind 0.1 s of silence
    assert [round(piece["start_s"]) for piece in found] == [5, 30, 33, 90]
    for second, piece in zip(texts, found, strict=True):
        assert piece["start_s"] <= second + 0.1 and second + 0.55 <= piece["end_s"] <= second + 0.8
        assert piece["text"].replace(" ", "") == texts[second]
        times = [time for word in piece["words"] for time in (word["start_s"], word["end_s"])]
        assert times == sorted(times) and piece["start_s"] <= times[0] and times[-1] <= piece["end_s"]


def test_pieces_come_before_the_recording_is_read(transcriber, tmp_path):
    path = write(tmp_path / "a.wav", 300, *((second, 0, "aei") for second in range(0, 300, 4)))
    read = []
    pieces = transcriber.pieces(path, heard=read.append)
    assert next(pieces)["text"] and sum(read) < 150
    assert len(list(pieces)) == 74 and sum(read) == 300


def test_a_channel_alone(transcriber, tmp_path):
    path = write(tmp_path / "a.wav", 40, (3, 0, "aei"), (20, 1, "oae"))
    for channel, text in enumerate(("aei", "oae")):
        (piece,) = transcriber.pieces(path, channel=channel)
        assert piece["text"].replace(" ", "") == text
    assert len(transcriber(path)) == 2  # of both


def test_without_voice_activity_all_is_heard_and_silence_has_no_text(transcriber, tmp_path):
    path = write(tmp_path / "a.wav", 100, (50, 0, "aei"))
    found = transcriber(path, vad=False)
    assert found[0]["start_s"] == 0 and found[-1]["end_s"] == 100
    assert all(a["end_s"] == b["start_s"] for a, b in zip(found[:-1], found[1:], strict=True))
    (said,) = (piece for piece in found if piece["text"])  # the others have -80 dBFS
    assert said["start_s"] < 50 < said["end_s"]
    assert {(one["score"], len(one["words"])) for one in found if not one["text"]} == {(0.0, 0)}


def test_what_ctc_takes_for_blanks_has_no_text(transcriber, tmp_path, monkeypatch):
    path = write(tmp_path / "a.wav", 2, (0, 0, "aei"))
    found = Hypothesis("thank you", -1.0, greedy=" ")
    monkeypatch.setattr(type(transcriber.recogniser), "__call__", lambda *args, **more: [found])
    assert [(piece["text"], piece.get("blank")) for piece in transcriber(path)] == [("", True)]
    monkeypatch.setattr(transcriber.recogniser, "has_ctc", False)  # which has no greedy text either
    assert [piece["text"] for piece in transcriber(path)] == ["thank you"]


def test_bundles_say_how_long_their_clips_are():
    assert Clips.from_json(None, "b") == Clips()
    clips = Clips(Lengths(2.0, 6.5), voice=False)
    assert Clips.from_json(clips.to_json(), "b") == clips
    good = clips.to_json()
    for bad in ({}, [], "x", {**good, "usual_s": 0}, {**good, "longest_s": 1.0}, {**good, "voice": "yes"}):
        with raises(DataError, where="bundle.json"):
            Clips.from_json(bad, "bundle.json")


def test_old_bundles_have_usual_lengths(transcriber):
    assert transcriber.clips == Clips() and dataclasses.asdict(Clips())["voice"]
