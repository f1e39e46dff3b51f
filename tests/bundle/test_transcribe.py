"""A bundle with log-mels of made-up sounds: every format and rate, long files, damage."""

import json
import shutil

import editdistance
import numpy as np
import pytest
import soundfile
import soxr

from tests.audio.media_files import write
from tests.tones import RATE, make_corpus, sound
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.features import load_trained
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A recipe with the kaldi reader, trained until it knows the four tones."""
    root = tmp_path_factory.mktemp("tones")
    make_corpus(root / "corpus")
    recipe = root / "recipe"
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nfeatures: {{upstream: fbank,"
        " storage: cm1}\nlm: {type: none}\nnj: 1\n"
        "train: {max_epochs: 25, min_updates: 0, num_masks: 0, lr: 0.005,"
        " projection: 48,\n        encoder_conf: {hidden_size: 48, num_layers: 1, dropout: 0.0}}\n"
    )
    for stage in ("data", "check", "features", "tokens", "train", "bundle"):
        assert main([stage, "--recipe", str(recipe)]) == 0
    return recipe / "exp" / "main" / "bundle"


def said(text: str, heard: str) -> bool:
    """Whether a model has heard ``text``, four tones without their pauses, but for at most a third."""
    return 3 * editdistance.eval(text, heard.replace(" ", "")) <= len(text)  # the lossy codecs hum in pauses


@pytest.mark.parametrize(
    "ending, rate, channels",
    [("wav", 16000, 1), ("wav", 8000, 2), ("flac", 44100, 1), ("ogg", 48000, 2), ("mp3", 22050, 1)],
)
def test_any_format_rate_and_channels(bundle, tmp_path, capsys, ending, rate, channels):
    samples = soxr.resample(sound("aei oae", np.random.default_rng(1)), RATE, rate)
    path = tmp_path / f"clip.{ending}"
    soundfile.write(path, np.stack([samples] * channels, axis=1), rate)
    assert main(["transcribe", str(bundle), str(path)]) == 0
    name, text = capsys.readouterr().out.rstrip("\n").split("\t")
    assert name == str(path)
    assert said("aeioae", text)


@pytest.mark.parametrize(("name", "codec", "form"), [("a.webm", "libopus", None), ("a.wav", "aac", "ipod")])
def test_recordings_of_phones(bundle, tmp_path, capsys, name, codec, form):
    """An m4a that is called .wav, too; its second channel cancels the first."""
    samples = soxr.resample(sound("aei oae", np.random.default_rng(1)), RATE, 48000)
    against = np.stack([samples, -samples]) if form else samples
    path = write(tmp_path / name, codec, against, rate=48000, form=form)
    assert main(["transcribe", str(bundle), str(path)]) == 0
    out, err = capsys.readouterr()
    assert said("aeioae", out.rstrip("\n").split("\t")[1])
    assert ("cancel" in err) == bool(form)


def test_features_are_those_that_stage_7_reads(bundle, monkeypatch):
    recipe = bundle.parents[2]
    monkeypatch.chdir(recipe)
    utt, path = next(iter(read_table(recipe / "data/dev/wav.scp").items()))
    encode = load_trained(json.loads((bundle / "xlt.json").read_text())["features"], bundle)
    stored = FeatureReader(recipe / "dump/fbank/dev/feats.scp")[utt]
    found = encode([read_wav(path)])[0]
    # Kaldi's quantile coding: 256 values a column, at most 1/63 of its range apart. Encoded in a batch of
    # other clips, a value may differ in its last bit, and fall to the neighbouring one.
    assert all(len(np.unique(found[:, d])) <= 256 for d in range(found.shape[1]))
    assert (np.abs(found - stored) <= 1.001 * np.ptp(stored, axis=0) / 63).all()


def test_long_file_is_cut_at_silences_and_nothing_is_lost(bundle, tmp_path, capsys):
    rng = np.random.default_rng(2)
    texts = ["aei", "oae", "iao", "eoa"] * 10
    path = tmp_path / "long.wav"
    pause = rng.normal(size=RATE // 2).astype(np.float32) * 0.001
    soundfile.write(path, np.concatenate([p for t in texts for p in (sound(t, rng), pause)]), RATE)
    assert main(["transcribe", str(bundle), str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    pieces = found["segments"]
    assert len(pieces) >= 2 and max(p["end_s"] - p["start_s"] for p in pieces) <= 20
    assert pieces[0]["start_s"] == 0 and pieces[-1]["end_s"] == pytest.approx(soundfile.info(path).duration)
    assert all(p["text"] for p in pieces)
    assert len(found["text"].replace(" ", "")) == pytest.approx(len("".join(texts)), rel=0.2)
    assert main(["transcribe", str(bundle), str(path), "--segments"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(pieces)


def test_the_language_that_a_model_tells_is_in_json_and_in_no_text(bundle, tmp_path, capsys):
    for stage in ("tokens", "train", "bundle"):
        assert (
            main([stage, "--recipe", str(bundle.parents[2]), "tag=telling", "tokens.language_tag=true"]) == 0
        )
    path = tmp_path / "clip.wav"
    soundfile.write(path, sound("aei oae", np.random.default_rng(1)), RATE)
    capsys.readouterr()
    for folder, told in ((bundle, {}), (bundle.parents[1] / "telling/bundle", {"lang": "eng_Latn"})):
        assert main(["transcribe", str(folder), str(path), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert said("aeioae", found["text"])
        assert {key: value for key, value in found["segments"][0].items() if key == "lang"} == told


def test_a_bad_file_is_named_and_the_others_are_done(bundle, tmp_path, capsys):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, sound("aei", np.random.default_rng(3)), RATE)
    bad.write_bytes(b"this is not sound")
    assert main(["transcribe", str(bundle), str(good)]) == 0
    alone = capsys.readouterr().out
    assert main(["transcribe", str(bundle), str(bad), str(good), str(tmp_path / "none.wav")]) == 2
    out, err = capsys.readouterr()
    assert out == alone and alone.startswith(f"{good}\t")
    assert "bad.wav: not readable as audio" in err and "none.wav: no such file" in err
    assert "2 of 3 files could not be transcribed" in err


def test_damaged_or_partial_bundle_is_refused(bundle, tmp_path, capsys):
    copy, wav = tmp_path / "bundle", tmp_path / "x.wav"
    soundfile.write(wav, sound("aei", np.random.default_rng(3)), RATE)
    shutil.copytree(bundle, copy)
    with (copy / "model.pth").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\x00\xff")
    assert main(["transcribe", str(copy), str(wav)]) == 2
    assert "model.pth: altered or damaged" in capsys.readouterr().err
    (copy / "model.pth").unlink()
    assert main(["transcribe", str(copy), str(wav)]) == 2
    assert "model.pth: missing" in capsys.readouterr().err
    assert main(["transcribe", str(tmp_path), str(wav)]) == 2
    assert "give the folder that stage 10 (bundle) made" in capsys.readouterr().err
