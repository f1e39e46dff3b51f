"""What settings ask for which copies, and what these are called; one kind that only this test knows."""

import numpy as np
import pytest

from tests.audio.gain import with_gain
from tests.errors import raises
from xlt.audio.augment import Copy, copies, in_words, values
from xlt.core.config import load
from xlt.core.errors import ConfigError
from xlt.core.registry import AUGMENTATIONS


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    monkeypatch.setitem(AUGMENTATIONS.entries, "gain", "tests.audio.gain:Gain")
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
    return lambda *settings: load(tmp_path, list(settings))


@pytest.mark.parametrize(
    "speeds, gains, expected",
    [
        ([1.0], [], [""]),
        ([0.9, 1.0, 1.1], [], ["speed:0.9", "", "speed:1.1"]),
        ([0.9, 1.1], [], ["speed:0.9", "speed:1.1"]),
        ([1.0], [0.5, 2.0], ["", "gain:0.5", "gain:2.0"]),
        ([1.0, 0.9], [0.5], ["", "speed:0.9", "gain:0.5"]),
        ([0.9], [0.5], ["speed:0.9", "gain:0.5"]),  # what a kind leaves out, no other kind brings back
    ],
)
def test_copies_that_settings_ask_for(cfg, speeds, gains, expected):
    features = with_gain(cfg(f"features.speed={speeds}"), *gains).features
    assert [copy.recipe for copy in copies(features)] == expected
    assert values(features) == {"speed": speeds, "gain": gains}
    assert copies(None) == [Copy()] and values(None) == {"speed": [1.0], "gain": []}


def test_names_keys_and_lengths():
    same, slow = Copy(), Copy("speed:0.9")
    assert (same.name("u"), same.content_key("ab12"), same.length(100)) == ("u", "ab12", 100)
    assert (slow.name("u"), slow.content_key("ab12"), slow.length(100)) == ("sp0.9-u", "ab12-sp0.9", 111)
    assert slow.audio_hash("ab12-sp0.9") == same.audio_hash("ab12") == "ab12"


def test_a_copy_is_the_same_for_the_same_audio_and_recipe(cfg):
    wave = np.ones(1000, np.float32)
    found = [Copy("gain:0.5").wave(wave, key) for key in ("a-gain0.5", "a-gain0.5", "b-gain0.5")]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    assert abs(found[0].mean() - 0.5) < 0.001 and found[0].dtype == np.float32
    assert Copy().wave(wave, "a") is wave


def test_tables_say_what_copies_there_are(cfg):
    assert in_words({"speed": [0.9, 1.0]}) == ", speeds 0.9 1.0"
    assert in_words({"speed": [1.0], "gain": [2.0]}) == ", gains 2.0" and in_words({}) == ""


def test_a_kind_that_is_not_there_is_named():
    with raises(ConfigError, "augmentation", "'sped'", "speed"):
        Copy("sped:0.9").name("u")
