"""Who speaks when: how many voices, where they change, and what is asked of the answer."""

import numpy as np
import pytest

from tests.errors import raises
from tests.speakers.voices import Loud, by_pitch, record
from xlt.core.errors import ConfigError, DataError
from xlt.speakers import clusters, option
from xlt.speakers.turns import Turns, tell_apart


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    monkeypatch.setattr("xlt.speakers.turns.Voice", Loud)


TALK = [(1, 3.0), (2, 2.0), (1, 4.0), (2, 5.0), (3, 3.0), (1, 2.5), (3, 4.0)]


@pytest.mark.parametrize("count", [None, 3])
def test_each_phrase_has_its_voice(tmp_path, count):
    times = record(tmp_path / "a.wav", *TALK)
    turns = tell_apart(str(tmp_path / "a.wav"), by_pitch, count)
    assert turns.count == 3
    assert [turns.of(*time) for time in times] == [speaker for speaker, _ in TALK]
    first = [start for start, voice in zip(turns.starts_s, turns.voices, strict=True) if voice == 2][0]
    assert first == pytest.approx(times[1][0], abs=0.2)


def test_one_voice_is_one_and_a_number_that_is_given_is_kept(tmp_path):
    record(tmp_path / "a.wav", *[(1, 3.0)] * 6)
    assert tell_apart(str(tmp_path / "a.wav"), by_pitch).count == 1
    record(tmp_path / "b.wav", *TALK)
    assert tell_apart(str(tmp_path / "b.wav"), by_pitch, 2).count == 2
    assert tell_apart(str(tmp_path / "b.wav"), by_pitch, 1).count == 1


def test_a_change_without_a_pause_is_heard(tmp_path):
    times = record(tmp_path / "a.wav", (1, 4.0), (2, 4.0), (1, 4.0), (2, 4.0), pause_s=0.0)
    turns = tell_apart(str(tmp_path / "a.wav"), by_pitch)
    assert [turns.of(start + 0.8, end - 0.8) for start, end in times] == [1, 2, 1, 2]


def test_nobody_speaks(tmp_path):
    record(tmp_path / "a.wav")
    turns = tell_apart(str(tmp_path / "a.wav"), by_pitch)
    assert (turns.count, turns.of(0, 1)) == (0, 1)


def test_what_is_no_sound_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    with raises(DataError, where="a.wav"):
        tell_apart(str(tmp_path / "a.wav"), by_pitch)


@pytest.mark.parametrize(
    ("start", "end", "voice"),
    [(0, 4, 1), (1.5, 3.9, 2), (2.1, 2.3, 1), (2.7, 2.9, 2), (5.2, 5.4, 3), (9, 10, 3), (-2, -1, 1)],
)
def test_the_voice_that_has_most_of_the_time_or_is_nearest(start, end, voice):
    turns = Turns(np.array([0, 3.0, 6.0]), np.array([2.0, 4.0, 7.0]), np.array([1, 2, 3]))
    assert turns.of(start, end) == voice


def test_more_windows_than_are_clustered_have_their_voices_too(monkeypatch):
    monkeypatch.setattr(clusters, "AT_ONCE", 20)
    vectors = np.repeat(np.eye(4, dtype=np.float32), 50, axis=0)
    vectors += np.random.default_rng(0).normal(0, 0.01, vectors.shape).astype(np.float32)
    found = clusters.centres(vectors, None)
    assert sorted((vectors @ found.T).argmax(axis=1)[::50].tolist()) == [0, 1, 2, 3]


def test_a_cough_is_no_voice():
    vectors = np.repeat(np.eye(3, dtype=np.float32), [20, 20, 2], axis=0)
    assert len(clusters.centres(vectors, None)) == 2
    assert np.abs(clusters.centres(vectors, 2)[:, 2]).max() < 0.15


def test_the_best_path_changes_only_where_it_pays():
    scores = np.array([[0.9, 0.5], [0.5, 0.55], [0.9, 0.5], [0.4, 0.9], [0.4, 0.9]])
    assert clusters.path(scores, 0.1) == [0, 0, 0, 1, 1]  # once for 0.05 does not pay two changes
    assert clusters.path(scores, 0.0) == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("given", ["0", "21", "two", "-1", "1.5"])
def test_what_is_no_number_of_speakers_is_refused(given):
    with raises(ConfigError, "auto", where=f"--speakers {given}"):
        option.teller(given)


def test_without_the_option_nothing_is_told_apart():
    assert option.teller(None) is None
