"""Sessions over a bundle that streams: tones as letters, and a network of the fixture that hears chunks."""

import shutil

import numpy as np
import pytest
import soundfile
import torch

from tests.bundle.test_streaming import with_encoder
from tests.errors import raises, told
from tests.export.bundles import TONES
from tests.tones import RATE, Loud, sound
from xlt.bundle import open_bundle
from xlt.cli import main
from xlt.core.errors import ConfigError, DataError
from xlt.stream import Final, Partial, Session
from xlt.stream.opened import Options, open_model
from xlt.stream.whole import Whole

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Log-mels in two sizes of chunks."""
    made = tmp_path_factory.mktemp("chunked") / "bundle"
    shutil.copytree(TONES, made)
    return with_encoder(made, {"name": "lc_blstm", "chunk_s": [0.32, 0.16], "look_ahead_s": 0.08})


@pytest.fixture(scope="module")
def bundle(folder):
    return open_bundle(folder)


@pytest.fixture(autouse=True)
def tones_are_speech(monkeypatch):
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)


@pytest.fixture(scope="module")
def speech():
    """Two pieces with a second between them."""
    rng = np.random.default_rng(1)
    silence = np.zeros(RATE, np.float32)
    return np.concatenate([sound("aei oae", rng), silence, sound("oia", rng), silence])


def said(session, samples, size=1600):
    events = []
    for start in range(0, len(samples), size):
        events += session.hear(samples[start : start + size])
    return [*events, *session.end()]


def texts(events, kind):
    return [one.text if kind is Partial else one.piece["text"] for one in events if isinstance(one, kind)]


def test_two_passes(bundle, speech):
    """Final texts are those of whole pieces; partial ones grow before."""
    model, cuts = open_model(bundle), []
    final = model.final
    model.final = lambda cut: cuts.append(cut) or final(cut)
    events = said(Session(model), speech)
    found = texts(events, Final)
    assert len(found) == 2 and all(found)
    assert found == [bundle.head().piece(cut)["text"] for cut in cuts]
    first = [one for one in events[: [isinstance(one, Final) for one in events].index(True)]]
    assert len(first) >= 3 and all(one.text.startswith(one.stable) for one in first)
    assert all(a.stable == b.stable[: len(a.stable)] for a, b in zip(first[:-1], first[1:], strict=True))


def test_one_pass_is_the_same_however_the_stream_is_parted(bundle, speech):
    model = open_model(bundle, options=Options(chunk_s=0.16))
    whole, parts = (said(Session(model, two_pass=False), speech, size) for size in (len(speech), 700))
    assert texts(whole, Final) == texts(parts, Final) and len(texts(whole, Final)) == 2
    words = [one.piece["words"] for one in parts if isinstance(one, Final)]
    assert words[0][0]["start_s"] < 1.0 < words[1][0]["start_s"]  # of the stream, not of the piece


def test_sessions_share_a_model(bundle, speech):
    """Their texts are those that each has alone, though both hear in turns."""
    model = open_model(bundle)
    alone = [texts(said(Session(model, False), one), Final) for one in (speech, speech[::-1].copy())]
    sessions, events = [Session(model, False), Session(model, False)], [[], []]
    for start in range(0, len(speech), 1600):
        for number, wave in enumerate((speech, speech[::-1])):
            events[number] += sessions[number].hear(wave[start : start + 1600].copy())
    assert [texts([*own, *one.end()], Final) for own, one in zip(events, sessions, strict=True)] == alone


def test_a_model_that_does_not_stream(speech):
    bundle = open_bundle(TONES)
    net = bundle.head().recogniser.model.model.net
    encoder, net.encoder = net.encoder, torch.nn.Identity()
    with raises(DataError, "Identity", "preset=streaming", "--whole", where=str(TONES)):
        open_model(bundle)
    net.encoder = encoder
    events = said(Session(open_model(bundle, options=Options(whole=True))), speech)
    assert texts(events, Final) and all(one.stable == "" for one in events if isinstance(one, Partial))


def test_a_second_bundle_gives_the_final_texts(bundle, speech):
    last = open_bundle(TONES)
    events = said(Session(open_model(bundle, options=Options(final=last))), speech)
    alone = said(Session(open_model(last, options=Options(whole=True))), speech)
    assert texts(events, Final) == texts(alone, Final)


def test_chunks_that_were_not_trained_are_refused_on_the_command_line(folder, capsys):
    assert main(["stream", str(folder), "a.wav", "--chunk_s", "0.5"]) == 2
    told(capsys.readouterr().err, "0.32", "0.16", "0.5", where=str(folder))


def test_a_model_of_whole_clips_says_so_and_gives_the_final_texts_of_the_whole(speech, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", speech, RATE)
    assert main(["stream", str(TONES), str(tmp_path / "a.wav")]) == 0
    told_by = capsys.readouterr()
    head = open_bundle(TONES).head()
    whole = texts(said(Session(Whole(head)), speech), Final)
    assert told_by.out.splitlines() == whole and len(whole) == 2
    assert "whole clips" in told_by.err and "preset=streaming" in told_by.err


class Auto:
    """As :class:`xlt.bundle.auto.Auto` over one bundle, in which all is Romanian."""

    def __init__(self, bundle):
        self.head = bundle.head()
        self.clips, self.voice = self.head.clips, self.head.voice

    def piece(self, cut):
        return {**self.head.piece(cut), "lang": "ron_Latn"}


def test_any_language_is_told_of_whole_pieces(speech, monkeypatch, tmp_path):
    monkeypatch.setattr("xlt.stream.opened.Auto", Auto)
    bundle = open_bundle(TONES)
    events = said(Session(open_model(bundle, "auto")), speech)
    finals = [one.piece for one in events if isinstance(one, Final)]
    assert [one["lang"] for one in finals] == ["ron_Latn"] * 2
    assert texts(events, Final) == texts(said(Session(Whole(bundle.head())), speech), Final)
    assert texts(events, Partial)
    for name, options in {
        "--chunk_s": Options(chunk_s=0.64),
        "--words": Options(words=tmp_path),
        "--int8": Options(int8=True),
        "--final": Options(final=bundle),
    }.items():
        with raises(ConfigError, "auto", where=name):
            open_model(bundle, "auto", options)


def test_a_bundle_that_cannot_tell_languages_says_so():
    with raises(ConfigError, "xlt lid train", where="--lang auto"):
        open_model(open_bundle(TONES), "auto")
