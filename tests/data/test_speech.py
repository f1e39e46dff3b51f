"""Stage 1 of a pre-training: speech of recipes and folders, and what must not be among it."""

import shutil

import pytest
import soundfile

from tests.data.corpus import melody, tone
from tests.errors import told
from xlt.audio.files import SAMPLE_RATE
from xlt.cli import main
from xlt.core.stage import read_json
from xlt.formats.tables import read_table


def corpus(folder, first):
    """Twelve clips with texts, eight for training, two for each other set."""
    rows = ["path\ttext\tspeaker\tsplit"]
    for n in range(12):
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"c{n:02}.wav", melody(first + n), SAMPLE_RATE)
        split = "train" if n < 8 else "dev" if n < 10 else "test"
        rows.append(f"c{n:02}.wav\tun urs {'abcdefghijkl'[n]}\tana\t{split}")
    (folder / "corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def egs(tmp_path, monkeypatch):
    """Two recipes with corpora, and one that pre-trains; calling it runs stage 1 of that."""
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "egs"
    for number, (name, lang) in enumerate((("ron", "ron_Latn"), ("cat", "cat_Latn"))):
        corpus(tmp_path / f"corpus_{name}", 100 + 100 * number)
        (root / name).mkdir(parents=True)
        (root / name / "recipe.yaml").write_text(
            f"lang: {lang}\ndata: {{reader: table, dir: ../../corpus_{name}}}\nnj: 1\n", encoding="utf-8"
        )
    (root / "pretrain").mkdir()
    (root / "pretrain/recipe.yaml").write_text(
        "lang: mul_Zyyy\npreset: bestrq_nano\npretrain: {recipes: [../ron]}\nnj: 1\n", encoding="utf-8"
    )

    monkeypatch.chdir(root / "pretrain")

    def stage(*settings):
        return main(["data", "--recipe", str(root / "pretrain"), *settings])

    stage.root, stage.data, stage.more = root, root / "pretrain/data", tmp_path / "more"
    return stage


def test_training_speech_of_recipes_without_texts(egs, capsys):
    assert egs("pretrain.recipes=[../ron,../cat]") == 0
    assert "../ron: 8 clips" in capsys.readouterr().out
    split = read_table(egs.data / "all/utt2split")
    heard = {utt.partition("-")[2] for utt in split if utt.startswith("ron-")}
    own = read_table(egs.root / "ron/data/all/utt2split")
    assert heard == {utt for utt, name in own.items() if name == "train"} and len(split) == 16
    assert not list(egs.data.rglob("text*"))
    assert set(read_table(egs.data / "all/utt2lang").values()) == {"ron_Latn", "cat_Latn"}
    train, dev = (read_table(egs.data / name / "wav.scp") for name in ("train", "dev"))
    assert train and dev and train.keys() | dev.keys() == split.keys() and not train.keys() & dev.keys()
    assert all((egs.root / "pretrain" / wav).is_file() for wav in (train | dev).values())
    assert egs("pretrain.recipes=[../ron,../cat]") == 0
    assert "data/all is up to date" in capsys.readouterr().out


def test_folders_are_cut_counted_and_their_texts_not_read(egs, capsys):
    soundfile.write(tone(egs.more / "long.wav", 0.5), melody(7, 25.0), SAMPLE_RATE)
    tone(egs.more / "short.wav", 0.4, hz=500)
    tone(egs.more / "day one/a.flac", 1.5, rate=44100, hz=700)
    shutil.copy(egs.more / "day one/a.flac", egs.more / "b.flac")
    (egs.more / "texts.tsv").write_text("path\ttext\n", encoding="utf-8")
    assert egs(f"pretrain.folders=[{egs.more}]", "pretrain.recipes=[]") == 0
    assert "(texts.tsv), which are not read" in capsys.readouterr().out
    durations = read_table(egs.data / "all/utt2dur")
    assert [utt for utt in durations if utt.startswith("more-long-")] and "more-b" in durations
    assert max(map(float, durations.values())) <= 20
    assert sum(map(float, durations.values())) == pytest.approx(26.5)
    report = read_json(egs.data / "all/report.json", "data")
    assert report["left_out"] == {"too short": ["more-short"], "duplicate": ["more-day_one_a"]}


def test_a_kaldi_directory_says_that_it_has_texts(egs, capsys):
    assert egs() == 0
    capsys.readouterr()
    place = egs.root / "ron/data/train"
    assert egs(f"pretrain.folders=[{place}]", "pretrain.recipes=[]") == 0
    assert "has texts, which are not read: a pre-training learns from sound alone" in capsys.readouterr().out
    assert len(read_table(egs.data / "all/wav.scp")) == 8


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_held_out_clip_is_refused_in_any_format(egs, name, capsys):
    assert egs("pretrain.held_out=[../cat]") == 0
    utt, wav = next(iter(read_table(egs.root / "cat/data" / name / "wav.scp").items()))
    samples, rate = soundfile.read(egs.root / "cat" / wav)
    tone(egs.more / "mine.wav", hz=500)
    soundfile.write(egs.more / "holiday.ogg", 0.5 * samples, rate)
    capsys.readouterr()
    assert egs("pretrain.held_out=[../cat]", f"pretrain.folders=[{egs.more}]") == 2
    told(capsys.readouterr().err, "more-holiday", utt, name, "../cat", where=f"pretrain.folders={egs.more}")


def test_a_training_clip_that_another_recipe_tests_on(egs, capsys):
    shutil.rmtree(egs.root.parent / "corpus_cat")
    corpus(egs.root.parent / "corpus_cat", 104)
    assert egs("pretrain.held_out=[../cat]", "pretrain.recipes=[../ron]") == 0
    shutil.rmtree(egs.root.parent / "corpus_cat")
    shutil.rmtree(egs.root / "cat/data")
    corpus(egs.root.parent / "corpus_cat", 95)  # ron's c03 to c06 are its dev and test
    capsys.readouterr()
    assert egs("pretrain.held_out=[../cat]", "pretrain.recipes=[../ron]") == 2
    told(capsys.readouterr().err, "ana-c03", "ana-c08", "../cat", where="pretrain.recipes=../ron")


def test_further_test_sets_are_held_out_as_well(egs, tmp_path, capsys):
    tone(tmp_path / "phone/p0.wav", hz=640.0)
    (tmp_path / "phone/corpus.tsv").write_text(
        "path\ttext\tspeaker\np0.wav\to ușă\tmaria\n", encoding="utf-8"
    )
    further = f"data.further=[{{set: test_phone, reader: table, dir: {tmp_path}/phone}}]"
    assert (
        main(["data", "--recipe", str(egs.root / "ron"), further, "decode.sets=[dev,test,test_phone]"]) == 0
    )
    capsys.readouterr()
    assert egs(f"pretrain.folders=[{tmp_path / 'phone'}]") == 2
    told(capsys.readouterr().err, "phone-p0", "test_phone")


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (["pretrain.recipes=[]"], "pretrain.recipes=[]"),
        (["pretrain.folders=[nosuch]"], "pretrain.folders=nosuch"),
        (["data.reader=tuxpaint"], "data.reader=tuxpaint"),
        (["pretrain.recipes=[../nosuch]"], "pretrain.recipes"),
        (["pretrain.method=bestqr"], "pretrain.method"),
        (["pretrain.epochs=-1"], "pretrain.epochs"),
    ],
)
def test_settings_that_cannot_be(egs, settings, where, capsys):
    assert egs(*settings) == 2
    assert where in capsys.readouterr().err.partition(": ")[2].partition(": found")[0]


def test_damaged_recordings(egs, capsys):
    for n in range(3):
        (egs.more / f"{n}.wav").parent.mkdir(exist_ok=True)
        (egs.more / f"{n}.wav").write_bytes(b"RIFF")
    assert egs(f"pretrain.folders=[{egs.more}]") == 2
    told(capsys.readouterr().err, 3, where=f"pretrain.folders={egs.more}")
