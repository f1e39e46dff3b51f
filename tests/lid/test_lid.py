"""``xlt lid train`` on log-mels of noises, and ``xlt transcribe --lang auto``."""

import hashlib
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tests.bundle.many import contents, resign, single
from tests.errors import raises, told
from tests.tones import RATE
from xlt.audio.cut import Cut
from xlt.bundle import join, open_bundle
from xlt.bundle.auto import Auto, summary
from xlt.bundle.joined import Joined
from xlt.bundle.manifest import MANIFEST
from xlt.cli import main
from xlt.core.errors import ConfigError, DataError
from xlt.formats.tables import write_table

BANDS = {"eng": (300, 600), "ron": (1000, 2000), "fra": (3000, 6000)}  # Hz


def noise(lang, seed, dur_s=1.0):
    """Noise of a language's own band over a little of all bands, (N,)."""
    low, high = BANDS[lang]
    count, rng = round(dur_s * RATE), np.random.default_rng(seed)
    pitch = np.fft.rfftfreq(count, 1 / RATE)
    wave = np.fft.irfft(np.fft.rfft(rng.normal(size=count)) * ((low < pitch) & (pitch < high)))
    return (0.1 * wave / wave.std() + rng.normal(0, 0.003, count)).astype(np.float32)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A folder of twelve clips a language; the Romanian one is Kaldi's, with paths that count from its
    recipe.
    """
    place = tmp_path_factory.mktemp("speech")
    for number, lang in enumerate(BANDS):
        folder = place / "ron/data/train" if lang == "ron" else place / lang
        folder.mkdir(parents=True)
        for n in range(12):
            soundfile.write(folder / f"{n:02}.wav", noise(lang, 100 * number + n), RATE)
    table = {f"u{n:02}": f"data/train/{n:02}.wav" for n in range(12)}
    write_table(place / "ron/data/train/wav.scp", table)
    return place


def trained(bundle, speech, *more):
    data = [f"eng={speech / 'eng'}", f"ron={speech / 'ron/data/train'}", f"fra={speech / 'fra'}"]
    return main(["lid", "train", str(bundle), "--data", *data, *map(str, more)])


@pytest.fixture(scope="module")
def made(tmp_path_factory, speech):
    """A bundle of English and Romanian that knows French as none of its languages."""
    place = tmp_path_factory.mktemp("bundle")
    join.join([single(place / lang, lang) for lang in ("eng_Latn", "ron_Latn")], place / "many")
    assert trained(place / "many", speech) == 0
    return place / "many"


@pytest.fixture
def many(made, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(made, tmp_path / "copy")


class Head:
    """In place of a recogniser: writes its language."""

    def __init__(self, folder, backbone):
        self.lang = folder.name

    def cuts(self, path, *how):
        yield Cut(0, soundfile.read(path, dtype="float32")[0])

    def piece(self, cut):
        times = (cut.start / RATE, (cut.start + len(cut.samples)) / RATE)
        return {"start_s": times[0], "end_s": times[1], "text": self.lang, "score": -1.0, "words": []}


@pytest.fixture
def heads(monkeypatch):
    monkeypatch.setattr("xlt.bundle.transcribe.Transcriber", Head)


def test_it_is_stored_with_its_digest(made):
    joined = Joined.read(made)
    assert joined.lid.languages == ("eng_Latn", "fra", "ron_Latn")
    assert joined.lid.clips == {"eng_Latn": 9, "ron_Latn": 9, "fra": 9}  # every fifth of twelve is held out
    assert joined.lid.held_out == {"eng_Latn": 3, "ron_Latn": 3, "fra": 3}
    assert [file for file in joined.files if file.startswith("lid/")] == [joined.lid.file]
    assert join.verify(made) == []


def test_each_piece_goes_to_the_head_of_its_language(made, heads):
    auto = Auto(open_bundle(made))
    pieces = [
        auto.piece(Cut(RATE * n, noise(lang, 7 + n))) for n, lang in enumerate(("ron", "eng", "fra", "ron"))
    ]
    assert [piece["text"] for piece in pieces] == ["ron_Latn", "eng_Latn", "", "ron_Latn"]
    assert [piece["lang"] for piece in pieces] == ["ron_Latn", "eng_Latn", None, "ron_Latn"]
    assert all(0 < piece["lang_confidence"] <= 1 for piece in pieces)
    silence = auto.piece(Cut(0, np.zeros(RATE, np.float32)))
    assert (silence["text"], silence["lang"]) == ("", None) and "lang_confidence" not in silence


def test_a_person_is_told_the_languages(made, heads, tmp_path, capsys):
    for lang in ("ron", "fra"):
        soundfile.write(tmp_path / f"{lang}.wav", noise(lang, 50), RATE)
    words = ["transcribe", str(made), "--lang", "auto", "--format", "json"]
    assert main([*words, str(tmp_path / "ron.wav"), str(tmp_path / "fra.wav")]) == 0
    out, err = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert (first["text"], second["text"]) == ("ron_Latn", "")
    assert first["segments"][0]["lang"] == "ron_Latn" and second["segments"][0]["lang"] is None
    assert "ron_Latn in 1 piece" in err and "none of the bundle's languages at 0.0–1.0 s" in err


def test_a_form_of_words_is_refused_where_a_head_has_no_ctc(made, heads, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Head, "recogniser", SimpleNamespace(has_ctc=True), raising=False)
    soundfile.write(tmp_path / "a.wav", noise("ron", 50), RATE)
    words = ["transcribe", str(made), "--lang", "auto", "--format", "ctm", str(tmp_path / "a.wav")]
    assert main(words) == 0
    monkeypatch.setattr(Head, "recogniser", SimpleNamespace(has_ctc=False))
    assert main(words) == 2
    told(capsys.readouterr().err, "heads/eng_Latn", where="--format ctm")


def test_the_summary_of_a_recording():
    def piece(start_s, lang, sure):
        return {"start_s": start_s, "end_s": start_s + 1, "lang": lang, "lang_confidence": sure}

    found = summary([piece(0, "ron", 0.9), piece(1, "cat", 0.6), piece(2, "ron", 0.7), piece(3, None, 0.3)])
    assert found == (
        "ron in 2 pieces (80% sure); cat in 1 piece (60% sure); none of the bundle's languages at 3.0–4.0 s:"
        " left without text"
    )
    assert summary([{"start_s": 0, "end_s": 1, "lang": None}]) == ""


def test_it_is_replaced_and_heads_stay_as_they_are(many, speech, capsys):
    before, file = contents(many / "heads"), Joined.read(many).lid.file
    assert trained(many, speech, "--held_out", f"ron_Latn={speech / 'eng'}", "--seed", 1) in (0, 2)
    assert Joined.read(many).lid.file == file  # told nothing rightly: refused, and as it was
    told(capsys.readouterr().err, where="--held_out")
    assert trained(many, speech, "--held_out", f"ron={speech / 'ron/data/train'}", "--seed", 1) == 0
    joined = Joined.read(many)
    assert joined.lid.file != file and joined.lid.held_out == {"ron_Latn": 12}
    assert [path.name for path in (many / "lid").iterdir()] == [os.path.basename(joined.lid.file)]
    assert contents(many / "heads") == before and join.verify(many) == []


def test_languages_that_come_and_go(many, heads, tmp_path, capsys):
    join.add(many, [single(tmp_path / "rus", "rus_Cyrl")])
    assert Auto(open_bundle(many)).unknown == ["rus_Cyrl"] and join.verify(many) == []
    soundfile.write(tmp_path / "a.wav", noise("eng", 50), RATE)
    assert main(["transcribe", str(many), "--lang", "auto", str(tmp_path / "a.wav")]) == 0
    assert "never tells rus_Cyrl" in capsys.readouterr().err
    join.remove(many, ["eng_Latn"])
    assert Auto(open_bundle(many)).piece(Cut(0, noise("eng", 50)))["text"] == ""


def test_auto_is_refused_where_nothing_can_tell(tmp_path):
    bundle = single(tmp_path / "one")
    with raises(ConfigError, "xlt lid train", where="--lang auto"):
        Auto(open_bundle(bundle))


def test_words_are_of_one_language(made, tmp_path, capsys):
    (tmp_path / "words").write_text("ana\n")
    words = ["transcribe", str(made), "--lang", "auto", "--words", str(tmp_path / "words")]
    assert main([*words, "a.wav"]) == 2
    told(capsys.readouterr().err, "--lang auto", where=f"--words {tmp_path / 'words'}")


WRONG = {  # words, the place that the error names
    "no equals sign": (["--data", "ron"], "--data ron"),
    "no folder": (["--data", "xyz=nowhere"], "nowhere"),
    "no sound": (["--data", "xyz=."], "."),
    "no clips": (["--clips", "0"], "--clips 0"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_words(many, speech, what, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("xlt.features.backbone.Backbone", lambda *args: pytest.fail("loads"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    words, where = WRONG[what]
    before = contents(many)
    assert trained(many, speech, *words) == 2
    told(capsys.readouterr().err, where=where)
    assert contents(many) == before


def test_a_recipe_without_data_is_told(many, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("xlt.core.config.ROOT", tmp_path)
    assert main(["lid", "train", str(many)]) == 2
    told(capsys.readouterr().err, "--data eng_Latn=DIR", where="egs/eng/data/train/wav.scp")


def test_a_bundle_of_one_language_has_nothing_to_tell(tmp_path, capsys):
    bundle = single(tmp_path / "one")
    assert main(["lid", "train", str(bundle)]) == 2
    told(capsys.readouterr().err, "xlt bundle join", where=MANIFEST)


def entry(**changes):
    """A change of the entry in bundle.json."""

    def damage(bundle):
        lid = json.loads((bundle / MANIFEST).read_text("utf-8"))["lid"]
        resign(bundle, lid=lid | changes)

    return damage


def arrays(bundle, **more):
    """Other ones, with a digest that says so."""
    joined = Joined.read(bundle)
    path = bundle / joined.lid.file
    np.savez(path, mean=np.zeros(3, np.float32), **more)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    resign(bundle, files={**joined.files, joined.lid.file: digest})


def cut(bundle):
    os.truncate(bundle / Joined.read(bundle).lid.file, 99)


DAMAGES = {  # what is done, whether bundle.json itself is at fault
    "cut": (cut, False),
    "gone": (lambda b: (b / Joined.read(b).lid.file).unlink(), False),
    "other arrays": (arrays, False),
    "one language": (entry(languages=["ron_Latn"]), True),
    "no layers": (entry(layers=[]), True),
    "a file outside": (entry(file="../x.npz"), True),
    "cold": (entry(temperature=0), True),
    "hot": (entry(temperature=10**400), True),
    "newer": (entry(format=2), True),
    "no object": (lambda b: resign(b, lid=[]), True),
    "no digest": (
        lambda b: resign(b, files={k: v for k, v in Joined.read(b).files.items() if "lid" not in k}),
        True,
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found(many, what, capsys):
    damage, in_manifest = DAMAGES[what]
    file = Joined.read(many).lid.file
    damage(many)
    with raises(DataError, where=MANIFEST if in_manifest else file):
        Auto(open_bundle(many))
    assert main(["bundle", "verify", str(many)]) == 2
    told(capsys.readouterr().err, where=MANIFEST if in_manifest else file)


def test_features_that_the_encoder_does_not_give(many):
    ones = {"scale": (3,), "weights": (3, 3), "bias": (3,)}
    arrays(many, **{name: np.ones(shape, np.float32) for name, shape in ones.items()})
    with raises(DataError, "xlt lid train", where=Joined.read(many).lid.file):
        Auto(open_bundle(many)).piece(Cut(0, noise("eng", 1)))
