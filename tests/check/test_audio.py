"""Sounds whose faults are made here, with the numbers that follow from how they are made."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.audio.media_files import noise, write
from tests.check.conftest import speech
from tests.check.faults import faults
from tests.errors import says
from xlt.check.sound import CACHE, measure
from xlt.formats.tables import read_table, spk2utt, write_table

RATE = 16000
SOUND = (
    "unreadable_audio",
    "as_long_as_said",
    "silent_audio",
    "only_noise",
    "low_level",
    "mostly_silence",
    "clipped_audio",
    "dc_offset",
    "outside_limits",
    "odd_rates",
    "several_channels",
    "narrow_band",
    "repeated_audio",
    "speakers_by_folder",
    "speakers_told_apart",
    "segments_of_recordings",
)


def put(
    recipe, samples: np.ndarray, utt: str = "ana-train1", rate: int = RATE, name: str = "", **how
) -> Path:
    """Write a sound in the place of an utterance's, and its length into utt2dur."""
    path = recipe.dir / "data/all/wav" / (name or f"{utt}.wav")
    soundfile.write(path, samples, rate, **how)
    folder = recipe.dir / "data" / utt.split("-")[1].rstrip("0123456789")
    write_table(folder / "utt2dur", read_table(folder / "utt2dur") | {utt: f"{len(samples) / rate:.4f}"})
    write_table(folder / "wav.scp", read_table(folder / "wav.scp") | {utt: f"data/all/wav/{path.name}"})
    return path


def hum(amplitude: float) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


CASES = {
    "silent_audio": (lambda: np.zeros(RATE), "error", "'ana-train1' is digital silence, 1.00 s"),
    "only_noise": (
        lambda: 0.1 * np.random.default_rng(3).normal(size=RATE),
        "warning",
        "1 of 3 clips have nothing above their noise (worst: 'ana-train1', its level",
    ),
    # the loudest twentieth of 0.1 n sin² has the power of 0.1: -20 dB; less 40 dB
    "low_level": (
        lambda: speech(1) / 100,
        "warning",
        "1 of 3 clips are very quiet (worst: 'ana-train1', -60 dB of full scale)",
    ),
    "mostly_silence": (
        lambda: np.concatenate([speech(1, 0.5), 1e-5 * speech(2, 3.5)]),
        "warning",
        "1 of 3 clips are mostly silence (worst: 'ana-train1', 0.5 s of sound in 4.0 s)",
    ),
    "dc_offset": (
        lambda: speech(1) + 0.1,
        "warning",
        "1 of 3 clips have a DC offset (worst: 'ana-train1', its mean is +0.",
    ),
    "outside_limits": (
        lambda: speech(1, 0.2),
        "warning",
        "1 utterances last less than 0.3 s or more than 30 s ('ana-train1': 0.20 s)",
    ),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_fault_of_sound_is_told_from_the_others(recipe, rule):
    make, level, words = CASES[rule]
    put(recipe, make())
    assert recipe() == (2 if level == "error" else 0)
    ((found_level, found, where, what),) = faults(recipe, *SOUND)
    assert (found_level, found) == (level, rule)
    assert where == ("train/utt2dur:2" if rule == "outside_limits" else "train/wav.scp:2")
    assert what.startswith(words)


def test_a_clip_that_was_cut_off_before_it_was_resampled_is_clipped(recipe):
    # at 22.05 kHz a third of the samples are at the top; at 16 kHz hardly three in a row are
    import soxr

    loud = np.clip(soxr.resample(speech(1), 16000, 22050) * 30, -1, 1)
    put(recipe, np.clip(soxr.resample(loud, 22050, 16000), -1, 32767 / 32768))
    assert recipe() == 0
    ((level, _, where, what),) = faults(recipe, "clipped_audio")
    assert (level, where) == ("warning", "train/wav.scp:2") and what.startswith("1 of 3 clips are clipped")


def test_clipped_audio_counts_samples_at_the_top(recipe):
    loud = np.clip(speech(1) * 20, -0.5, 0.5)
    put(recipe, loud)
    assert recipe() == 0
    ((level, _, _, what),) = faults(recipe, "clipped_audio")
    at = np.abs(loud) == 0.5
    share = 100 * (at[2:] & at[1:-1] & at[:-2]).mean()  # two in a row may be chance
    assert level == "warning" and abs(float(what.split("'ana-train1', ")[1].split("%")[0]) - share) < 0.1
    put(recipe, hum(0.9))  # a tone touches its top, but does not stay there
    assert recipe() == 0 and faults(recipe, "clipped_audio") == []


def test_silence_in_a_test_set_stops_nobody(recipe):
    put(recipe, np.zeros(RATE), "ana-test0")
    assert recipe() == 0
    assert [(level, where) for level, _, where, _ in faults(recipe, "silent_audio")] == [
        ("warning", "test/wav.scp:1")
    ]


def test_a_constant_is_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(RATE, 0.25), RATE)
    found = measure(str(tmp_path / "a.wav"))
    assert found.silent and found.offset == 0.25


def test_sound_that_only_stage_1_reads(tmp_path):
    """In somebody's own data directory: no damage, but not of use to later stages."""
    error = measure(str(write(tmp_path / "a.m4a", "aac", noise()))).error
    assert says(error, "MPEG-4") and says(error, "data.reader=kaldi")


@pytest.mark.slow
def test_damaged_files_of_other_formats_are_reported_once(recipe):
    path = put(recipe, speech(1, 5.0), name="a.flac")
    path.write_bytes(path.read_bytes()[:40000])
    assert recipe() == 2
    assert [f[:3] for f in faults(recipe) if f[0] == "error"] == [
        ("error", "unreadable_audio", "train/wav.scp:2")
    ]
    path.write_bytes(b"not audio")
    assert recipe() == 2
    assert [f[:3] for f in faults(recipe) if f[0] == "error"] == [
        ("error", "unreadable_audio", "train/wav.scp:2")
    ]
    (recipe.dir / "data/all/wav/ana-train0.wav").write_bytes(
        b"not audio" * 100
    )  # that one is audio_files' business
    assert recipe() == 2
    assert [rule for _, rule, where, _ in faults(recipe) if where == "train/wav.scp:1"] == ["audio_files"]


def test_a_file_that_is_not_as_long_as_said(recipe):
    put(recipe, speech(1), name="a.flac")
    path = recipe.dir / "data/train/utt2dur"
    write_table(path, read_table(path) | {"ana-train1": "1.5"})
    assert recipe() == 2
    assert faults(recipe, *SOUND) == [
        (
            "error",
            "as_long_as_said",
            "train/wav.scp:2",
            "data/all/wav/a.flac: 1.00 s long, but utt2dur says 1.50 s",
        )
    ]


def test_rates_come_from_utt2format_or_from_the_files(recipe):
    put(recipe, speech(1), rate=48000)
    assert recipe() == 0
    assert faults(recipe, "odd_rates") == [
        ("note", "odd_rates", "train/wav.scp", "recordings of several rates: 2 at 16 kHz, 1 at 48 kHz")
    ]
    put(recipe, soxr.resample(speech(1), 8000, RATE))  # twice as long, and nothing above 4 kHz
    for name, rate in (("train", 8000), ("dev", 44100), ("test", 44100)):
        utts = read_table(recipe.dir / "data" / name / "text")
        write_table(
            recipe.dir / "data" / name / "utt2format",
            dict.fromkeys(utts, f"{rate} {1 if rate > 8000 else 2} WAV"),
        )
    assert recipe() == 0
    assert faults(recipe, *SOUND) == [
        ("note", "odd_rates", "train/utt2format", "recordings of a low rate: 3 at 8 kHz"),
        ("warning", "odd_rates", "dev/utt2format", "0% of the recordings are below 16 kHz, of train 100%"),
        ("warning", "odd_rates", "test/utt2format", "0% of the recordings are below 16 kHz, of train 100%"),
        (
            "note",
            "several_channels",
            "train/utt2format:1",
            "3 recordings had several channels, which stage 1 averaged",
        ),
    ]


def test_narrow_band_is_seen_in_the_spectrum(recipe):
    put(recipe, soxr.resample(speech(1), 8000, RATE))
    assert recipe() == 0
    assert faults(recipe, *SOUND) == [
        (
            "note",
            "narrow_band",
            "train/wav.scp:2",
            "1 of 3 clips have no power above some frequency, mostly 4 kHz",
        )
    ]


def test_two_channels(recipe):
    one, other = speech(1), speech(2)
    put(recipe, np.stack([one, other], axis=1))
    assert recipe() == 0
    ((_, rule, where, what),) = faults(recipe, *SOUND)
    # of two independent sources half of the power is in the difference
    assert (rule, where) == ("several_channels", "train/wav.scp:2") and 45 < float(
        what.split("', ")[1].split("%")[0]
    ) < 55
    put(recipe, np.stack([one, 0.9 * one], axis=1))
    assert recipe() == 0 and faults(recipe, *SOUND) == []


def test_repeated_audio(recipe):
    (recipe.dir / "data/train/utt2audio").unlink()
    put(recipe, speech(7), "ana-train0")
    put(recipe, speech(7), "ana-train2")
    write_table(recipe.dir / "data/train/text", {f"ana-train{i}": "un urs" for i in range(3)})
    assert recipe() == 0
    assert faults(recipe, *SOUND) == [
        ("warning", "repeated_audio", "train/wav.scp:3", "'ana-train2' is the same recording as 'ana-train0'")
    ]
    write_table(
        recipe.dir / "data/train/text",
        {"ana-train0": "un urs", "ana-train1": "un cal", "ana-train2": "un nor"},
    )
    write_table(
        recipe.dir / "data/train/utt2spk",
        speakers := {"ana-train0": "ana", "ana-train1": "ana", "ana-train2": "ana-t"},
    )
    write_table(recipe.dir / "data/train/spk2utt", spk2utt(speakers))
    assert recipe() == 2
    assert faults(recipe, *SOUND) == [
        (
            "error",
            "repeated_audio",
            "train/wav.scp:3",
            "'ana-train2' is the same recording as 'ana-train0', with other texts and speakers",
        )
    ]


def people(recipe, speaker_of, count: int = 20, folder_of=lambda i: "") -> None:
    """Make train of ``count`` utterances."""
    utts = {f"{speaker_of(i)}-{i:02d}": i for i in range(count)}
    paths = {}
    for utt, i in utts.items():
        folder = recipe.dir / "data/all/wav" / folder_of(i)
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{utt}.wav", speech(100 + i), RATE)
        paths[utt] = str(folder.relative_to(recipe.dir) / f"{utt}.wav")
    data, speakers = recipe.dir / "data/train", {utt: speaker_of(i) for utt, i in utts.items()}
    for name, table in (
        ("text", dict.fromkeys(utts, "un urs")),
        ("wav.scp", paths),
        ("utt2spk", speakers),
        ("spk2utt", spk2utt(speakers)),
        ("utt2dur", dict.fromkeys(utts, "1.0000")),
    ):
        write_table(data / name, table)
    (data / "utt2lang").unlink()
    (data / "utt2audio").unlink()


@pytest.mark.parametrize(
    ("speaker_of", "words"),
    [
        (lambda i: "ana", ["all utterances have one speaker (train)"]),
        (lambda i: f"s{i:02d}", ["every utterance is its own speaker (train)"]),
        (lambda i: f"s{i // 2:02d}", []),
    ],
)
def test_speakers_told_apart(recipe, speaker_of, words):
    people(recipe, speaker_of)
    assert recipe() == 0
    assert faults(recipe, *SOUND) == [
        ("note", "speakers_told_apart", "train/utt2spk", what) for what in words
    ]


def test_several_speakers_on_one_voice_folder(recipe):
    people(recipe, lambda i: f"s{i // 4}" if i != 7 else "s11", folder_of=lambda i: f"voice{i // 4}")
    assert recipe() == 0
    ((level, rule, where, what),) = faults(recipe, *SOUND)
    assert (level, rule) == ("warning", "speakers_by_folder")
    assert what == "2 speaker ids (s1, s11) in the folder data/all/wav/voice1; other folders have one each"


def test_segments_are_held_against_their_recordings(recipe):
    data = recipe.dir / "data/train"
    put(recipe, speech(1, 4.0), name="tape.wav")
    write_table(data / "wav.scp", {"tape": "data/all/wav/tape.wav"})
    write_table(
        data / "segments", {"ana-train0": "tape 0 2", "ana-train1": "tape 1.5 3", "ana-train2": "tape 3 5"}
    )
    (data / "utt2dur").unlink()
    assert recipe() == 2
    assert [f for f in faults(recipe) if f[1] in SOUND] == [
        ("error", "segments_of_recordings", "train/segments", "stage 3 reads one file per utterance"),
        (
            "error",
            "segments_of_recordings",
            "train/segments:3",
            "'ana-train2' ends at 5.00 s, but 'tape' is 4.00 s long",
        ),
        (
            "warning",
            "segments_of_recordings",
            "train/segments:2",
            "'ana-train1' begins at 1.50 s of 'tape', before 'ana-train0' ends (2.00 s)",
        ),
    ]


@pytest.mark.slow
def test_files_are_measured_once_and_again_when_they_change(recipe, monkeypatch):
    assert recipe() == 0
    rows = json.loads((recipe.dir / "data" / CACHE).read_text(encoding="utf-8"))["files"]
    assert len(rows) == 5
    heard = []
    monkeypatch.setattr("xlt.check.sound.measure", lambda path: heard.append(path) or measure(path))
    put(recipe, speech(3, 1.5))
    assert recipe() == 0
    assert heard == [str(recipe.dir / "data/all/wav/ana-train1.wav")]
    (recipe.dir / "data" / CACHE).write_text("{}")  # damaged: all are measured again
    put(recipe, speech(3, 1.6))
    assert recipe() == 0
    assert len(heard) == 6


def test_the_page_shows_the_sound(recipe):
    assert recipe() == 0
    page = (recipe.dir / "data/check/report.md").read_text(encoding="utf-8")
    assert "## Sound" in page and "| train | 3 | -2" in page
