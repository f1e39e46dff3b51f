"""What each kind of alteration does to sounds whose result is worked out by hand or measured elsewhere."""

import numpy as np
import pyroomacoustics
import pytest
import soundfile

from xlt.audio.augment import Copy
from xlt.audio.augment.levels import active_power
from xlt.audio.augment.room import Room
from xlt.audio.augment.sounds import Sounds

ONE_S = 16000


def tone(hertz: float, amplitude: float = 0.4, samples: int = 2 * ONE_S) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / ONE_S)).astype(np.float32)


def chirp(samples: int = 2 * ONE_S) -> np.ndarray:
    """A tone that rises from 300 to 3000 Hz: it fits itself at one delay only."""
    t = np.arange(samples) / ONE_S
    return (0.4 * np.sin(2 * np.pi * (300 * t + 1350 / 2 * t**2))).astype(np.float32)


def strength(wave: np.ndarray, hertz: float) -> float:
    """Amplitude of a frequency in the middle of a wave."""
    part = wave[4000:-4000]
    angle = 2 * np.pi * hertz * np.arange(len(part)) / ONE_S
    return float(2 * np.abs(np.mean(part * np.exp(-1j * angle))))


def bursts() -> np.ndarray:
    """A tone of 50 ms each 200 ms."""
    wave = np.zeros(2 * ONE_S, np.float32)
    for start in range(1600, 32000, 3200):
        wave[start : start + 800] = tone(440, samples=800)
    return wave


def centres(wave: np.ndarray) -> list[float]:
    """Where the energy of each 200 ms is, in samples."""
    power = np.square(wave.astype(np.float64)).reshape(-1, 3200)
    return list((power @ np.arange(3200)) / power.sum(axis=1))


def loudest(wave: np.ndarray) -> float:
    """The strongest frequency, Hz."""
    part = wave[4000:-4000]
    return float(np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * ONE_S / len(part))


def test_pauses_do_not_count_as_level():
    """A sine of amplitude 0.5 has power 0.125, whatever the silence around it."""
    silence = np.zeros(ONE_S, np.float32)
    assert active_power(np.concatenate([silence, tone(1000, 0.5), silence])) == pytest.approx(0.125, rel=1e-3)
    assert active_power(silence) == 0.0 == active_power(silence[:0])


@pytest.mark.parametrize("snr_db, colour", [(10, "white"), (0, "pink"), (20, "brown")])
def test_noise_has_the_ratio_that_is_asked_for(snr_db, colour):
    wave = tone(1000, 0.2)
    added = Copy(f"noise:{snr_db}:{colour}").wave(wave, "key") - wave
    assert 10 * np.log10(0.02 / np.square(added).mean()) == pytest.approx(snr_db, abs=0.05)


@pytest.mark.parametrize("colour, db_an_octave", [("white", 3.0), ("pink", 0.0), ("brown", -3.0)])
def test_colours_are_slopes(colour, db_an_octave):
    """An octave is twice as wide as the one below: +3 dB of white noise, 0 of pink, -3 of brown."""
    wave = tone(1000, 0.01, 20 * ONE_S)
    noise = Copy(f"noise:-20:{colour}").wave(wave, "key")
    power = np.square(np.abs(np.fft.rfft(noise)))
    hertz = np.fft.rfftfreq(len(noise), 1 / ONE_S)
    octaves = [power[(hertz >= low) & (hertz < 2 * low)].sum() for low in (1100, 2200)]
    assert 10 * np.log10(octaves[1] / octaves[0]) == pytest.approx(db_an_octave, abs=0.4)


def test_loud_noise_is_not_cut_off_and_silence_stays_silent():
    loud = Copy("noise:-10:white").wave(tone(1000, 0.9), "key")
    assert np.abs(loud).max() == pytest.approx(1.0) and loud.dtype == np.float32
    silence = np.zeros(1000, np.float32)
    assert np.array_equal(Copy("noise:0:white").wave(silence, "key"), silence)


def test_noise_is_drawn_from_recordings(tmp_path):
    soundfile.write(tmp_path / "hum.wav", tone(50, 0.1, 3 * ONE_S), ONE_S)  # a second longer than the speech
    soundfile.write(tmp_path / "beep.wav", tone(3000, 0.1, 100), ONE_S)  # shorter: repeated
    sounds = Sounds(tmp_path, "ab12", ("beep", "hum"))
    wave = tone(1000, 0.2)
    for name, hertz in (("hum", 50), ("beep", 3040)):  # 100 samples of 3000 Hz: 18.75 periods, then again
        added = Copy(f"noise:10:{name}@ab12").wave(wave, "key", sounds) - wave
        assert loudest(added) == pytest.approx(hertz, abs=1.5 if name == "hum" else 90)
    either = {Copy("noise:10@ab12").wave(wave, str(n), sounds).tobytes() for n in range(12)}
    assert len(either) > 4  # names and places are drawn


def test_gain_and_clipping():
    half = Copy("gain:-6.0206").wave(tone(1000), "key")
    assert np.abs(half - tone(1000) / 2).max() < 1e-5
    assert np.abs(Copy("gain:20").wave(tone(1000), "key")).max() == 1.0  # 4, cut off
    ramp = np.linspace(0, 0.5, 101).astype(np.float32)
    clipped = Copy("clip:6.0206").wave(ramp, "key")  # the peak at 2: what was half of it reaches 1
    assert clipped[25] == pytest.approx(0.5, abs=1e-4) and clipped[50] == pytest.approx(1, abs=1e-4)
    assert (clipped[51:] == 1).all()


def test_a_narrow_band_ends_at_4_khz():
    mixed = tone(1000) + tone(5000)
    narrow = Copy("band").wave(mixed, "key")
    assert strength(narrow, 1000) == pytest.approx(0.4, abs=0.01) and strength(narrow, 5000) < 0.001
    line = Copy("band:300..3400").wave(tone(100) + mixed, "key")
    assert strength(line, 1000) == pytest.approx(0.4, abs=0.02) and strength(line, 5000) < 0.001
    assert strength(line, 100) < 0.01  # two octaves and a half below 300 Hz, 24 dB each: less than 1/100


@pytest.mark.parametrize("name", ["opus16", "opus24", "mp3-16", "mp3-32", "gsm", "mulaw"])
@pytest.mark.parametrize("samples", [2 * ONE_S, 2 * ONE_S + 123])
def test_codecs_keep_length_and_time(name, samples):
    wave = chirp(samples)
    heard = Copy(f"codec:{name}").wave(wave, "key")
    assert heard.shape == wave.shape and heard.dtype == np.float32
    lags = np.arange(-1500, 1501)
    fit = [np.dot(wave[1500:-1500], np.roll(heard, -lag)[1500:-1500]) for lag in lags]
    assert abs(lags[int(np.argmax(fit))]) <= 2
    error = np.square(heard - wave)[2000:-2000].mean() / np.square(wave).mean()
    assert 1e-6 < error < 0.6  # something is lost, and the chirp is still there


def test_mulaw_is_that_of_the_telephone():
    """G.711 with 8 bits: about 38 dB of signal to noise over its whole range, and nothing above 4 kHz."""
    wave = tone(1000) + tone(5000, 0.1)
    heard = Copy("codec:mulaw").wave(wave, "key")
    error = np.square(heard - tone(1000))[2000:-2000].mean()
    assert 30 < 10 * np.log10(0.08 / error) < 45


def test_the_lowest_bit_rate_keeps_time():
    """At 6 kbit/s Opus keeps no waveform, only where it is loud."""
    assert centres(Copy("codec:opus6").wave(bursts(), "key")) == pytest.approx(centres(bursts()), abs=80)


def test_codecs_and_rates_are_drawn():
    wave = chirp(ONE_S)
    assert len({Copy("codec").wave(wave, str(n)).tobytes() for n in range(12)}) > 4
    assert len({Copy("codec:gsm/mulaw").wave(wave, str(n)).tobytes() for n in range(12)}) == 2


@pytest.mark.parametrize("decay_s", [0.2, 0.4])
def test_rooms_decay_as_asked(decay_s):
    """Measured by pyroomacoustics from the response, not from what it was made with; Sabine's formula is
    rough for dry rooms.
    """
    rng = np.random.default_rng(0)
    found = [Room(f"{decay_s}").response(rng)[0] for _ in range(12)]
    measured = np.median([pyroomacoustics.experimental.measure_rt60(h, ONE_S, decay_db=20) for h in found])
    assert measured == pytest.approx(decay_s, rel=0.35)


def test_rooms_keep_time_and_level():
    click = np.zeros(ONE_S, np.float32)
    click[4000] = 0.5
    for number in range(5):
        heard = Copy("room:0.2..0.3").wave(click, str(number))
        first = int(np.flatnonzero(np.abs(heard) > 0.5 * np.abs(heard).max())[0])
        assert len(heard) == len(click) and abs(first - 4000) <= 160  # an early echo may be louder
        assert np.abs(heard[:3900]).max() < 0.05 * np.abs(heard).max()
    wave = tone(1000, 0.1)
    assert active_power(Copy("room").wave(wave, "key")) == pytest.approx(active_power(wave), rel=1e-3)


@pytest.mark.parametrize("semitones, hertz", [(12, 880.0), (3, 523.25), (-12, 220.0), (0, 440.0)])
def test_pitch_moves_by_semitones(semitones, hertz):
    heard = Copy(f"pitch:{semitones}").wave(tone(440), "key")
    assert len(heard) == 2 * ONE_S and heard.dtype == np.float32
    assert loudest(heard) == pytest.approx(hertz, abs=1.0)
    assert active_power(heard[4000:-4000]) == pytest.approx(0.08, rel=0.4)


def test_pitch_keeps_the_tempo():
    assert centres(Copy("pitch:4").wave(bursts(), "key")) == pytest.approx(centres(bursts()), abs=260)
