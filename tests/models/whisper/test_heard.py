"""How clips are heard in training: speeds and copies are drawn anew in each epoch, by the seed alone."""

import random
from types import SimpleNamespace

import numpy as np

from xlt.audio.augment import Copy
from xlt.models.whisper.speech import Clip, Clips, Heard

NET = SimpleNamespace(window=lambda samples: -(-samples // 16000) * 16000, mels=lambda waves: waves)
CLIPS = [Clip(f"u{number}", 12000, (), (), ()) for number in range(40)]
WAVE = np.full(12000, 0.5, np.float32)


def heard(clips, seed):
    """{utterance: how it is heard} of an epoch."""
    batches = clips.batches(NET, rng=random.Random(seed))
    return {clip.utt: how for members in batches for clip, how in members}


def test_copies_are_drawn_by_the_seed():
    clips = Clips(CLIPS, lambda utt: WAVE, False, 20.0, [1.0], [Copy("gain:-20"), Copy("noise:10:white")])
    first = heard(clips, "0-1")
    assert first == heard(clips, "0-1") != heard(clips, "0-2")
    assert {how.copy.recipe for how in first.values()} == {"", "gain:-20", "noise:10:white"}
    (soft,) = [h.wave(WAVE, None)[0] for h in first.values() if h.copy.recipe == "gain:-20"][:1]
    assert abs(soft - 0.05) < 1e-6
    noisy = [h for h in first.values() if h.copy.recipe == "noise:10:white"]
    assert not np.array_equal(noisy[0].wave(WAVE, None), noisy[1].wave(WAVE, None))
    assert np.array_equal(noisy[0].wave(WAVE, None), noisy[0].wave(WAVE, None))


def test_without_copies_nothing_more_is_drawn():
    """A training without copies is the one that it was before there were any: speeds, then the shuffling."""
    clips = Clips(CLIPS, lambda utt: WAVE, False, 20.0, [0.9, 1.0, 1.1])
    rng = random.Random(3)
    speeds = {clip.utt: rng.choice([0.9, 1.0, 1.1]) for clip in CLIPS}
    assert {utt: how.speed for utt, how in heard(clips, 3).items()} == speeds


def test_windows_fit_what_is_heard():
    """0.75 s at half speed are 1.5 s, two of the stub's windows."""
    clips = Clips(CLIPS[:3], lambda utt: WAVE, False, 20.0, [0.5])
    (members,) = clips.batches(NET, rng=random.Random(0))
    assert [how.length(clip.samples) for clip, how in members] == [24000] * 3
    assert [len(wave) for wave in clips.encoder_inputs(NET, members)] == [24000] * 3
    dev = clips.batches(NET)
    assert all(how == Heard() for members in dev for _, how in members)
