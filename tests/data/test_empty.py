"""Sound without speech as a set with empty texts: what a pause is, what the pieces are, what is learned."""

import json

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from tests.tones import RATE, Loud, make_corpus, sound
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.errors import ConfigError
from xlt.core.stage import read_json, read_stamp
from xlt.data.empty import KINDS, check, coloured, joined, piece, quiet
from xlt.formats.tables import read_table

FRAME = 512


def power_db(wave):
    return 10 * np.log10(np.square(wave, dtype=np.float64).mean())


def test_a_pause_keeps_its_distance_from_speech():
    """40 frames, of which 10 to 19 are speech: four on either side belong to it."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.001, 40 * FRAME)
    samples[10 * FRAME : 20 * FRAME] *= 200
    marks = np.zeros(40)
    marks[10:20] = 1.0
    (found,) = quiet(samples, marks)  # frames 0 to 5 are 0.19 s, too short; 24 to 39 are a pause
    np.testing.assert_array_equal(found, samples[24 * FRAME :])


def test_what_is_loud_or_nothing_is_no_pause():
    """Speech that voice activity detection has missed, and digital silence, which is not the room's."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.2, 40 * FRAME)
    assert list(quiet(samples, np.zeros(40))) == []
    samples[20 * FRAME :] = 0
    marks = np.concatenate([np.ones(20), np.zeros(20)])
    assert list(quiet(samples, marks)) == [] and list(quiet(samples[:100], np.zeros(1))) == []


def test_noise_has_colours_and_levels():
    rng, found = np.random.default_rng(1), []
    for _ in range(40):
        wave = coloured(RATE, rng)
        assert -65.1 < power_db(wave) < -24.9
        bands = np.square(np.abs(np.fft.rfft(wave)))
        found.append(10 * np.log10(bands[500:1000].mean() / bands[4000:8000].mean()))
    # an octave and a half to three lower: white has as much there, brown (1/f²) about 18 dB more
    assert min(found) < 2 and max(found) > 14


def test_joined_pauses_have_the_level_of_the_room():
    rng = np.random.default_rng(2)
    room = [rng.normal(0, 0.01, RATE // 2).astype(np.float32) for _ in range(3)]
    wave = joined(10 * RATE, room, rng)
    assert len(wave) == 10 * RATE and power_db(wave) == pytest.approx(-40, abs=0.3)
    parts = np.square(wave).reshape(-1, 160).mean(axis=1)  # 10 ms
    assert parts.min() > 0.5 * parts.mean()  # nor a hole where they are joined


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_a_piece_is_as_long_as_asked(kind):
    room = [np.full(RATE, 0.01, np.float32)]
    made = piece(kind, 1.5, room, np.random.default_rng(0))
    assert made.dtype == np.int16 and len(made) == 24000 and (kind == "silence") == (not made.any())


@pytest.mark.parametrize(
    "other",
    ["preset=whisper_ed", "train.balance=0.5", "tokens.language_tag=true", "train.posterior_weight=0.5"],
)
def test_settings_that_it_does_not_go_with(recipe, other):
    with raises(ConfigError, where="data.empty=0.1"):
        check(recipe.cfg("data.empty=0.1", other))


@pytest.fixture
def tones(tmp_path, monkeypatch):
    """A recipe of tones with log-mels; calling it runs a stage."""
    monkeypatch.setattr("xlt.data.empty.Voice", Loud)
    make_corpus(tmp_path / "corpus")
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {tmp_path / 'corpus'}}}\nfeatures: {{upstream: fbank,"
        " storage: cm1}\nlm: {type: none}\nnj: 1\n"
        "train: {max_epochs: 20, min_updates: 0, num_masks: 0, lr: 0.005,"
        " projection: 48,\n        encoder_conf: {hidden_size: 48, num_layers: 1, dropout: 0.0}}\n"
    )
    return lambda stage, *settings: main([stage, "--recipe", str(folder), *settings]), folder


def test_stage_1_makes_a_set_that_is_no_part_of_train(tones, monkeypatch):
    run, folder = tones
    assert run("data") == 0
    files = ("text", "utt2dur", "stage.json")
    before = {name: (folder / f"data/train/{name}").read_bytes() for name in files}
    report = (folder / "data/all/report.json").read_bytes()
    assert run("data", "data.empty=0.2") == 0
    own = folder / "data/empty"
    seconds = {utt: float(dur_s) for utt, dur_s in read_table(own / "utt2dur").items()}
    speech_s = sum(map(float, read_table(folder / "data/train/utt2dur").values()))
    assert sum(seconds.values()) == pytest.approx(0.2 * speech_s, abs=0.5)
    assert set(read_table(own / "text").values()) == {""}
    assert {utt.split("-")[1] for utt in seconds} == {"noise", "silence"}  # its clips have no pauses
    for utt, path in read_table(own / "wav.scp").items():
        assert soundfile.info(folder / path).duration == pytest.approx(seconds[utt], abs=1e-4)
    assert {name: (folder / f"data/train/{name}").read_bytes() for name in before} == before
    assert (folder / "data/all/report.json").read_bytes() == report
    made = read_table(own / "utt2audio")
    assert run("data", "data.empty=0.2", "--force") == 0 and read_table(own / "utt2audio") == made
    monkeypatch.setattr("xlt.data.empty.pauses", lambda paths, rng: [np.full(RATE, 0.01, np.float32)])
    assert run("data", "data.empty=0.2", "data.train_minutes=1") == 0
    assert {utt.split("-")[1] for utt in read_table(folder / "data/empty_1min/text")} == set(KINDS)
    assert 0 < len(read_table(folder / "data/empty_1min/text")) < len(made)


@pytest.mark.trains
def test_a_model_learns_to_write_nothing(tones, tmp_path):
    run, folder = tones
    settings = ("data.empty=0.3", "tag=quiet")
    for stage in ("data", "check", "features", "tokens", "train", "bundle"):
        assert run(stage, *settings) == 0
    stamp = read_stamp(folder / "exp/quiet")
    pieces = len(read_table(folder / "data/empty/text"))
    assert stamp["train"]["utterances"] == 60 + pieces and stamp["config"]["data.empty"] == 0.3
    assert len((folder / "exp/quiet/heard").read_text().splitlines()) == 60
    transcriber = Transcriber(folder / "exp/quiet/bundle")
    noise = np.random.default_rng(9).normal(0, 0.05, 3 * RATE)
    for name, samples, wanted in (
        ("noise", noise, 0),
        ("nothing", np.zeros(3 * RATE), 0),
        ("tones", sound("aei oae", np.random.default_rng(1)), 6),
    ):
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
        (found,) = transcriber.pieces(str(tmp_path / f"{name}.wav"), vad=False)
        assert abs(len(found["text"].replace(" ", "")) - wanted) <= wanted / 3
    assert "data.empty" not in json.dumps(read_json(folder / "data/all/report.json", "data"))
    assert run("train", "tag=loud") == 0 and "data.empty" not in read_stamp(folder / "exp/loud")["config"]
