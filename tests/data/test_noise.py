"""data/noise: where its sounds come from, how they are parted, and that nothing of it is tested on."""

import json

import numpy as np
import pytest
import soundfile

from tests.data.corpus import PHRASES, melody, stamp, tone
from tests.errors import told
from xlt.audio.augment.sounds import Sounds
from xlt.audio.files import SAMPLE_RATE
from xlt.data.noise import PARTS, babble
from xlt.formats.tables import read_scp, write_table


def frequencies(path) -> set[int]:
    """The tones that a file has in its whole seconds, to 10 Hz."""
    wave, rate = soundfile.read(path)
    found = set()
    for start in range(0, len(wave) - rate + 1, rate):
        bands = np.abs(np.fft.rfft(wave[start : start + rate]))
        found.add(round(int(bands.argmax()), -1))
    return found


@pytest.fixture
def street(tmp_path):
    """Ten recordings of noise, a tone each."""
    for number in range(10):
        tone(tmp_path / f"street/n{number}.wav", dur_s=2.0, hz=1000 + 100 * number)
    return tmp_path / "street"


def test_parts_share_no_recording(recipe, stamps, street):
    assert recipe(f"data.dir={stamps}", f"data.noise={{street: [{street}]}}") == 0
    noise = recipe.dir / "data/noise"
    found = {part: frequencies(noise / part / "street.wav") for part in PARTS}
    assert {part: len(tones) for part, tones in found.items()} == {"train": 6, "dev": 2, "test": 2}
    assert not found["train"] & found["test"] and not found["dev"] & (found["train"] | found["test"])
    facts = json.loads((noise / "noise.json").read_text("utf-8"))
    assert facts["seconds"]["street"] == {"train": 12.0, "dev": 4.0, "test": 4.0}
    assert Sounds.open(noise, "train") == Sounds(noise / "train", facts["digest"], ("street",))


def test_a_recording_that_is_there_twice_is_in_one_part(recipe, stamps, street, tmp_path, capsys):
    """In one name of data.noise it counts once; another name leaves out what a part of the first has."""
    for number in range(12):
        tone(tmp_path / f"more/m{number}.wav", dur_s=2.0, hz=3000 + 100 * number)
    for path in [*street.iterdir()]:
        (street / f"copy_{path.name}").write_bytes(path.read_bytes())
        (tmp_path / "more" / path.name).write_bytes(path.read_bytes())
    places = f"{{a_street: [{street}], more: [{tmp_path / 'more'}]}}"
    assert recipe(f"data.dir={stamps}", f"data.noise={places}") == 0
    noise = recipe.dir / "data/noise"
    street, more = ([frequencies(noise / part / f"{n}.wav") for part in PARTS] for n in ("a_street", "more"))
    assert list(map(len, street)) == [6, 2, 2]
    train, dev, test = (one | other for one, other in zip(street, more, strict=True))
    assert not train & test and not dev & (train | test)
    assert "which training or another set hears" in capsys.readouterr().out


def test_it_is_made_again_when_a_recording_is_added(recipe, stamps, street, capsys):
    settings = (f"data.dir={stamps}", f"data.noise={{street: [{street}]}}")
    assert recipe(*settings) == 0
    first = Sounds.open(recipe.dir / "data/noise", "train").digest
    assert recipe(*settings) == 0 and "data/noise is up to date" in capsys.readouterr().out
    tone(street / "n10.wav", dur_s=2.0, hz=2500)
    assert recipe(*settings) == 0
    assert Sounds.open(recipe.dir / "data/noise", "train").digest != first


def test_few_recordings_are_cut(recipe, stamps, tmp_path):
    """One recording of 10 s: the first 6 are for training, the next 2 for dev."""
    (tmp_path / "one").mkdir()
    time = np.arange(16000) / 16000
    waves = [0.3 * np.sin(2 * np.pi * (1000 + 100 * second) * time) for second in range(10)]
    soundfile.write(tmp_path / "one/long.wav", np.concatenate(waves), 16000)
    assert recipe(f"data.dir={stamps}", f"data.noise={{one: [{tmp_path / 'one'}]}}") == 0
    noise = recipe.dir / "data/noise"
    assert frequencies(noise / "train/one.wav") == {1000, 1100, 1200, 1300, 1400, 1500}
    assert frequencies(noise / "dev/one.wav") == {1600, 1700}
    assert frequencies(noise / "test/one.wav") == {1800, 1900}


def test_a_recording_that_is_tested_on_is_refused(recipe, stamps, street, capsys):
    assert recipe(f"data.dir={stamps}") == 0
    utt, wav = next(iter(read_scp(recipe.dir / "data/test/wav.scp", recipe.dir).items()))
    leak = street / "leak.wav"
    leak.write_bytes((recipe.dir / wav).read_bytes())
    assert recipe(f"data.dir={stamps}", f"data.noise={{babble: [{street}]}}") == 2
    told(capsys.readouterr().err, utt, where="data.noise")


@pytest.fixture
def sentences(tmp_path):
    """A Kaldi corpus: folders train, dev and test, and the samples of each clip of test."""
    known = {}
    for number, name in enumerate(("train", "dev", "test")):
        folder = tmp_path / "corpus" / name
        folder.mkdir(parents=True)
        waves = {f"spk-{name}{n}": melody(4 * number + n) for n in range(4)}
        if name == "test":  # parts of one recording
            known, edges = waves, np.cumsum([0, *map(len, waves.values())]) / SAMPLE_RATE
            (tmp_path / "tapes").mkdir()
            soundfile.write(tmp_path / "tapes/tape.wav", np.concatenate([*waves.values()]), SAMPLE_RATE)
            write_table(folder / "wav.scp", {"tape": str(tmp_path / "tapes/tape.wav")})
            spans = zip(waves, edges, edges[1:], strict=False)
            write_table(folder / "segments", {utt: f"tape {a} {b}" for utt, a, b in spans})
        else:
            for utt, wave in waves.items():
                soundfile.write(folder / f"{utt}.wav", wave, SAMPLE_RATE)
            write_table(folder / "wav.scp", {utt: f"{utt}.wav" for utt in waves})
        write_table(folder / "text", {utt: PHRASES[4 * number + n] for n, utt in enumerate(waves)})
        write_table(folder / "utt2spk", dict.fromkeys(waves, "spk"))
    return known


def test_so_is_one_in_another_format_and_one_that_tested_clips_are_parts_of(
    recipe, sentences, street, tmp_path, capsys
):
    words = ["data.reader=kaldi", f"data.dir={tmp_path / 'corpus'}"]
    soundfile.write(street / "a.mp3", sentences["spk-test2"] / 2, SAMPLE_RATE)
    assert recipe(*words, f"data.noise={{babble: [{street}]}}") == 2
    told(capsys.readouterr().err, "a.mp3", "spk-test2 of test", where="data.noise")
    assert recipe(*words, f"data.noise={{babble: [{tmp_path / 'tapes'}]}}") == 2
    told(capsys.readouterr().err, "tape.wav", "of test", where="data.noise")


def test_so_is_one_of_a_set_of_another_corpus(recipe, stamps, street, tmp_path, capsys):
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone/corpus.tsv").write_text("path\ttext\tspeaker\np.wav\tun pod\top\n", encoding="utf-8")
    tone(tmp_path / "phone/p.wav", hz=700.0)
    tone(street / "p.wav", hz=700.0)
    settings = [f"data.dir={stamps}", f"data.noise={{babble: [{street}]}}"]
    settings += [f"data.further=[{{set: test_phone, reader: table, dir: {tmp_path / 'phone'}}}]"]
    assert recipe(*settings) == 0
    assert recipe(*settings, "decode.sets=[dev,test,test_phone]") == 2
    told(capsys.readouterr().err, "p.wav", "test_phone", where="data.noise")


def test_the_corpus_itself_is_refused_and_its_training_set_is_not(recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", f"data.noise={{babble: [{stamps}]}}") == 2
    told(capsys.readouterr().err, "babble")
    assert recipe(f"data.dir={stamps}", f"data.noise={{babble: [{recipe.dir}]}}") == 0
    assert (recipe.dir / "data/noise/train/babble.wav").exists()


@pytest.mark.parametrize(
    "given, fact",
    [
        ("{babble: [nowhere]}", "nowhere"),
        ("{babble: ../ron}", "../ron"),
        ("{babble: []}", "babble"),
        ("{pink: [tuxpaint]}", "pink"),
        ("{'my street': [tuxpaint]}", "'my street'"),
    ],
)
def test_places_that_cannot_be(given, fact, recipe, stamps, capsys):
    assert recipe(f"data.dir={stamps}", f"data.noise={given}") == 2
    error = told(capsys.readouterr().err)
    assert fact in str(error) and error.setting == "data.noise"


def test_a_recipe_without_data_is_named(recipe, stamps, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/recipe.yaml").write_text("lang: fra_Latn\n", encoding="utf-8")
    assert recipe(f"data.dir={stamps}", f"data.noise={{babble: [{tmp_path / 'other'}]}}") == 2
    told(capsys.readouterr().err, "other", where="data.noise")


def test_babble_of_tux_paint_is_of_other_languages_and_training_pictures(recipe, stamps, monkeypatch):
    """Each clip of the package is a tone: own language below 1000 Hz, French above."""
    for number in range(30):
        own, other = 100.0 + 10 * number, 2000.0 + 10 * number
        texts = {"ro": f"cuvânt {'abcdefghijklmnopqrstuvwxyzăâîș'[number]}", "fr": f"mot {number}"}
        stamp(stamps, f"more/s{number:02}", texts, {"ro": own, "fr": other})
    from xlt.data import noise

    heard = []
    monkeypatch.setattr(noise, "_read", lambda path: heard.append(path) or np.ones(16000) * 0.1)
    assert recipe(f"data.dir={stamps}", "data.noise={babble: [tuxpaint]}") == 0
    assert heard and all("_desc_fr" in path.name for path in heard if "more" in str(path))
    tested = {
        utt.rpartition("_")[2]
        for name in ("dev", "test")
        for utt in read_scp(recipe.dir / f"data/{name}/wav.scp", recipe.dir)
    }
    assert not {path.name.partition("_desc")[0] for path in heard if "more" in str(path)} & tested


def test_babble_is_several_voices_at_once():
    """Three to seven sines at once, their sum divided by the root of their number: power 1/2, as one has."""
    rng = np.random.default_rng(0)
    time = np.arange(16000 * 3) / 16000
    voices = [np.sin(2 * np.pi * hz * time) for hz in range(300, 3300, 100)]
    found = babble(voices, 60.0, rng)
    assert len(found) == 60 * 16000 and np.square(found).mean() == pytest.approx(0.5, rel=0.25)
    counts = []
    for start in range(60):
        part = found[start * 16000 : (start + 1) * 16000]
        bands = np.abs(np.fft.rfft(part * np.hanning(len(part))))[::100][3:33]
        counts.append(int((bands > 0.2 * bands.max()).sum()))
    assert (
        3 <= np.percentile(counts, 10) and max(counts) <= 14
    )  # a voice may go on to its next clip in a second
