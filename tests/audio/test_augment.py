"""What settings ask for which copies, and what these are called; one kind that only this test knows."""

import numpy as np
import pytest

from tests.errors import raises
from xlt.audio.augment import Copy, check, copies, in_words, parsed, values
from xlt.audio.augment.sounds import Sounds
from xlt.core.config import load
from xlt.core.errors import ConfigError, DataError
from xlt.core.registry import AUGMENTATIONS


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    monkeypatch.setitem(AUGMENTATIONS.entries, "louder", "tests.audio.louder:Louder")
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
    return lambda *settings: load(tmp_path, list(settings))


@pytest.mark.parametrize(
    "speeds, chains, expected",
    [
        ([1.0], [], [""]),
        ([0.9, 1.0, 1.1], [], ["speed:0.9", "", "speed:1.1"]),
        ([0.9, 1.1], [], ["speed:0.9", "speed:1.1"]),
        ([1.0], ["louder:0.5", "louder:2.0"], ["", "louder:0.5", "louder:2.0"]),
        ([1.0, 0.9], ["room+louder:0.5"], ["", "speed:0.9", "room+louder:0.5"]),
        ([0.9], ["louder:0.5"], ["speed:0.9", "louder:0.5"]),  # what speeds leave out stays out
    ],
)
def test_copies_that_settings_ask_for(cfg, speeds, chains, expected):
    features = cfg(f"features.speed={speeds}", f"features.augment={chains}").features
    check(features, ())
    assert [copy.recipe for copy in copies(features)] == expected
    assert values(features) == {"speed": speeds, **({"augment": chains} if chains else {})}
    assert copies(None) == [Copy()] and values(None) == {"speed": [1.0]}


def test_names_keys_and_lengths(cfg):
    same, slow, two = Copy(), Copy("speed:0.9"), Copy("speed:0.5+louder:2#3@ab")
    assert (same.name("u"), same.content_key("ab12"), same.length(100)) == ("u", "ab12", 100)
    assert (slow.name("u"), slow.content_key("ab12"), slow.length(100)) == ("sp0.9-u", "ab12-sp0.9", 111)
    assert (two.name("u"), two.content_key("ab12"), two.length(100)) == (
        "sp0.5+loud2#3-u",
        "ab12-sp0.5+loud2#3@ab",
        200,
    )
    keys = [copy.content_key("ab12") for copy in (same, slow, two)]
    assert [copy.audio_hash(key) for copy, key in zip((same, slow, two), keys, strict=True)] == ["ab12"] * 3
    assert Copy("noise:0..20:pink/white").name("u") == "noise_0..20_pink_white-u"


def test_a_copy_is_the_same_for_the_same_audio_and_recipe(cfg):
    wave = np.ones(1000, np.float32)
    copy = Copy("louder:0.5")
    found = [copy.wave(wave, key) for key in ("a-loud0.5", "a-loud0.5", "b-loud0.5")]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])
    assert abs(found[0].mean() - 0.5) < 0.001 and found[0].dtype == np.float32
    assert Copy().wave(wave, "a") is wave


def test_alterations_are_made_one_after_the_other(cfg):
    wave = np.full(1000, 0.5, np.float32)
    clipped_first, clipped_last = Copy("gain:20+gain:-20"), Copy("gain:-20+gain:20")
    assert clipped_first.wave(wave, "k")[0] == pytest.approx(0.1)  # 5, cut to 1, a tenth of it
    assert clipped_last.wave(wave, "k")[0] == pytest.approx(0.5)


def test_tables_say_what_copies_there_are():
    assert in_words({"speed": [0.9, 1.0]}) == ", speeds 0.9 1.0"
    assert in_words({"speed": [1.0], "augment": ["room", "noise:5"]}) == ", copies room noise:5"
    assert in_words({}) == ""


@pytest.mark.parametrize(
    "chain, facts",
    [
        ("nois:5", ["'nois'", "noise"]),
        ("noise", ["'noise'", "decibels"]),
        ("noise:20..0", ["20..0"]),
        ("noise:5:street", ["'street'", "babble", "data.noise"]),
        ("room+codec:opus3", ["'codec:opus3'"]),
        ("codec:gsm13", ["'gsm13'"]),
        ("band:3400..300", ["3400..300"]),
        ("speed:0.9..1.1", ["0.9..1.1"]),
        ("room room", []),
        ("", []),
        (5, []),
    ],
)
def test_a_chain_that_cannot_be_made_is_an_error_of_the_setting(chain, facts):
    shown = repr(chain) if chain in ("room room", "") else chain
    with raises(ConfigError, *facts, where=f"features.augment={shown}"):
        parsed(chain, "features.augment", ["babble"])


def test_stages_behind_the_first_name_the_setting_as_well(cfg):
    with raises(ConfigError, "'nois'", where="features.augment=nois:5"):
        copies(cfg("features.augment=['nois:5']").features)


def test_the_same_copy_twice_is_refused_and_another_draw_is_not(cfg):
    check(cfg("features.augment=['noise:5', 'noise:5#2']").features, ())
    with raises(ConfigError, "twice", "noise:5#2"):
        check(cfg("features.augment=['noise:5', 'noise:5']").features, ())
    with raises(ConfigError, where="features.speed=[0.9, 'fast']"):
        check(cfg("features.speed=[0.9, fast]").features, ())


def test_noise_that_is_not_what_copies_were_made_with_is_refused(tmp_path):
    wave = np.ones(100, np.float32)
    assert Copy("noise:5:babble").with_noise("ab12").recipe == "noise:5:babble@ab12"
    assert Copy("noise:5:pink").with_noise("ab12").recipe == "noise:5:pink"  # draws no recording
    assert Copy("noise:5").with_noise("").recipe == "noise:5"
    for sounds in (None, Sounds(tmp_path, "cd34", ("babble",))):
        with raises(DataError, "noise:5:babble@ab12"):
            Copy("noise:5:babble@ab12").wave(wave, "k", sounds)
