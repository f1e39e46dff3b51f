"""``xlt suggest`` from its words to a template that the readers read back."""

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openpyxl
import pympi
import pytest
import soundfile

from tests.data.corpus import melody
from tests.errors import raises, told
from tests.report.documents import document
from tests.suggest.conftest import RATE, Writing
from xlt.audio.cut import Cut
from xlt.cli import main
from xlt.commands.suggest import outlook
from xlt.core.config import load
from xlt.core.errors import DataError
from xlt.core.stage import write_json
from xlt.data.corpora import elan, table
from xlt.data.corpora.recognise import recognise
from xlt.formats.tables import read_table
from xlt.speakers.turns import Turns
from xlt.suggest.templates import COLUMNS


def run(scene, *words, status=0):
    assert main(["suggest", str(scene.bundle), str(scene.more), *map(str, words)]) == status


def rows(path="suggested.tsv"):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def three(scene):
    """Recordings of two seconds: known words, doubtful ones, and letters that training lacks."""
    scene.record("known.wav", 50, ("un", 0.95), ("urs", 0.95))
    scene.record("a/doubtful.wav", 51, ("un", 0.2), ("urs", 0.2))
    scene.record("new.wav", 52, ("zbor", 0.95), ("jar", 0.95))
    return scene


def clip(scene, name, number=0):
    """A clip of a set, as stage 1 wrote it."""
    return scene.recipe / list(read_table(scene.recipe / f"data/{name}/wav.scp").values())[number]


def test_the_draft_is_written_and_nothing_of_it_is_confirmed(three, capsys):
    run(three)
    found = rows()
    assert list(found[0]) == [*"path start end text confirmed confidence rank".split(), "split"]
    assert {Path(row["path"]).name: row["text"] for row in found} == {
        "known.wav": "un urs",
        "doubtful.wav": "un urs",
        "new.wav": "zbor jar",
    }
    assert {row["confirmed"] for row in found} == {""}
    assert [row["rank"] for row in found] == ["1", "2", "3"]
    assert Path(found[-1]["path"]).name == "known.wav"
    assert (found[-1]["start"], found[-1]["end"], found[-1]["confidence"]) == ("0.000", "2.000", "0.95")
    out = capsys.readouterr().out
    assert "picked 3 of 3 pieces, 0.1 minutes, of 3 recordings" in out
    assert "drafts have 2 words that training lacks" in out and "z 0+1" in out


def test_as_many_are_picked_as_the_minutes_allow(three, capsys):
    run(three, "--minutes", 0.07)  # 4.2 s
    assert {Path(row["path"]).name for row in rows()} == {"doubtful.wav", "new.wav"}


def test_a_corrected_table_is_read_back_and_a_draft_is_not(three, tmp_path):
    run(three)
    text = Path("suggested.tsv").read_text(encoding="utf-8")
    cfg = load(three.recipe, ["data.reader=table", f"data.dir={Path('suggested.tsv').resolve()}"])
    with raises(DataError, "unconfirmed draft (3, first suggested.tsv:2)"):
        table.read(cfg)
    corrected = text.replace("zbor jar\t", "Zbor, jar!\tyes")
    Path("suggested.tsv").write_text(corrected, encoding="utf-8")
    corpus = table.read(cfg)
    (utt,) = corpus.utterances
    assert (utt.text, utt.start_s, utt.end_s, utt.tags) == ("Zbor, jar!", 0.0, 2.0, {})
    assert utt.audio.samefile(three.more / "new.wav")
    assert len(corpus.left_out["unconfirmed draft"]) == 2


def test_a_corrected_workbook_is_read_back_and_a_draft_is_not(three):
    """In openpyxl's hands. A text that looks like a formula is none."""
    three.said["new.wav"] = [("=1+1", 0.9), ("jar", 0.9)]
    run(three, "--format", "xlsx")
    path = Path("suggested.xlsx").resolve()
    cfg = load(three.recipe, ["data.reader=table", f"data.dir={path}"])
    with raises(DataError, "unconfirmed draft (3"):
        table.read(cfg)
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert [cell.value for cell in sheet[1]] == [*COLUMNS, "split"]
    assert {cell.data_type for row in sheet.iter_rows(max_col=4) for cell in row} == {"s"}
    (number,) = (row[0].row for row in sheet.iter_rows() if row[3].value == "=1+1 jar")
    assert sheet.data_validations.dataValidation[0].formula1 == '"yes"'
    sheet.cell(number, 4, "Zbor, jar!")
    sheet.cell(number, 5, "yes")
    book.save(path)
    (utt,) = table.read(cfg).utterances
    assert (utt.text, utt.start_s, utt.end_s) == ("Zbor, jar!", 0.0, 2.0)
    assert utt.audio.samefile(three.more / "new.wav")


def test_a_corrected_elan_document_is_read_back_and_a_draft_is_not(three):
    """In pympi's hands, as a linguist's scripts have it."""
    run(three, "--format", "eaf", "--out", "to/elan")
    assert sorted(path.name for path in Path("to/elan").iterdir()) == ["doubtful.eaf", "known.eaf", "new.eaf"]
    place = Path("to/elan").resolve()
    cfg = load(three.recipe, ["data.reader=elan", f"data.dir={place}"])
    with raises(DataError, "unconfirmed draft 3", where="to/elan"):
        elan.read(cfg)
    path = Path("to/elan/new.eaf")
    document = pympi.Eaf(str(path), suppress_version_warning=True)
    assert document.get_annotation_data_for_tier("text") == [(0, 2000, "zbor jar")]
    name, (start, end, _, _) = next(iter(document.tiers["text"][0].items()))
    document.tiers["text"][0][name] = (start, end, "zbor, jar", None)
    document.remove_ref_annotation("confirmed@text", 1000)
    document.add_ref_annotation("confirmed@text", "text", 1000, "yes")
    document.to_file(str(path))
    (utt,) = elan.read(cfg).utterances
    assert (utt.text, utt.start_s, utt.end_s) == ("zbor, jar", 0.0, 2.0)
    assert utt.audio.samefile(three.more / "new.wav")


def test_what_is_confirmed_joins_the_training_of_a_corpus_with_sets_of_its_own(three, tmp_path):
    run(three)
    path = Path("suggested.tsv").resolve()
    path.write_text(path.read_text(encoding="utf-8").replace("zbor jar\t", "zbor jar\tyes"), encoding="utf-8")
    corpus = three.recipe.parent / "corpus"
    parts = f"[{{reader: kaldi, dir: {corpus}}}, {{reader: table, dir: {path}}}]"
    own = tmp_path / "more"
    own.mkdir()
    (own / "recipe.yaml").write_text(
        f"lang: ron_Latn\nnj: 1\ndata: {{reader: join, parts: {parts}}}\n", encoding="utf-8"
    )
    assert main(["data", "--recipe", str(own)]) == 0
    assert sorted(read_table(own / "data/train/text").values())[-1] == "zbor jar"
    assert [len(read_table(own / f"data/{name}/text")) for name in ("train", "dev", "test")] == [5, 4, 4]


@pytest.fixture
def told_apart(three, monkeypatch):
    """Recordings of which new.wav has another speaker in its second half, which is a piece of its own."""
    turns = Turns(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([1, 2]))
    monkeypatch.setattr("xlt.commands.suggest.teller", lambda speakers: lambda path, bar: turns)
    cuts = Writing.cuts

    def halves(self, path):
        for cut in cuts(self, path):
            yield Cut(0, cut.samples[:RATE])
            yield Cut(RATE, cut.samples[RATE:])

    piece = Writing.piece
    later = lambda own: own | {"end_s": own["end_s"] + own["start_s"]}  # noqa: E731
    monkeypatch.setattr(Writing, "cuts", halves)
    monkeypatch.setattr(Writing, "piece", lambda self, cut: later(piece(self, cut)))
    return three


def test_speakers_are_a_column_which_the_reader_takes(told_apart, capsys):
    run(told_apart, "--speakers", "auto")
    spoken = {(Path(row["path"]).name, row["start"]): row["speaker"] for row in rows()}
    assert spoken["new.wav", "0.000"] == "new_1" and spoken["doubtful.wav", "1.000"] == "a_doubtful_2"
    assert "6 in 3 recordings" in capsys.readouterr().out
    path = Path("suggested.tsv")
    path.write_text(path.read_text(encoding="utf-8").replace("\t\t0", "\tyes\t0"), encoding="utf-8")
    cfg = load(told_apart.recipe, ["data.reader=table", f"data.dir={path.resolve()}"])
    assert {utt.speaker for utt in table.read(cfg).utterances} == set(spoken.values())


def test_speakers_are_tiers_which_the_reader_takes(told_apart):
    run(told_apart, "--speakers", "2", "--format", "eaf", "--out", "elan")
    document = pympi.Eaf("elan/new.eaf", suppress_version_warning=True)
    assert set(document.tiers) == {
        *("text@new_1", "text@new_2"),
        *("confirmed@text@new_1", "confirmed@text@new_2"),
    }
    for name in ("new_1", "new_2"):
        (at,) = (start for start, _, _ in document.get_annotation_data_for_tier(f"text@{name}"))
        document.remove_ref_annotation(f"confirmed@text@{name}", at + 100)
        document.add_ref_annotation(f"confirmed@text@{name}", f"text@{name}", at + 100, "yes")
    document.to_file("elan/new.eaf")
    cfg = load(told_apart.recipe, ["data.reader=elan", f"data.dir={Path('elan').resolve()}"])
    assert [utt.speaker for utt in elan.read(cfg).utterances] == ["new_1", "new_2"]


@pytest.mark.parametrize(("form", "name"), [("tsv", "table"), ("xlsx", "table"), ("eaf", "elan")])
def test_new_recipe_knows_the_templates(three, form, name):
    run(three, "--format", form, "--out", f"to_do{'' if form == 'eaf' else '.' + form}")
    (place,) = Path().glob("to_do*")
    assert recognise(place) == name


def test_what_would_be_a_formula_is_text(scene):
    scene.record("a.wav", 50, ("=un", 0.5))
    run(scene)
    assert rows()[0]["text"] == "'=un"
    text = Path("suggested.tsv").read_text(encoding="utf-8").replace("\t\t0.50", "\tx\t0.50")
    Path("suggested.tsv").write_text(text, encoding="utf-8")
    cfg = load(scene.recipe, ["data.reader=table", f"data.dir={Path('suggested.tsv').resolve()}"])
    assert [utt.text for utt in table.read(cfg).utterances] == ["=un"]


def test_recordings_below_the_table_have_relative_paths(three):
    run(three, "--out", three.more / "suggested.tsv")
    assert {row["path"] for row in rows(three.more / "suggested.tsv")} == {
        "known.wav",
        "new.wav",
        "a/doubtful.wav",
    }


def test_a_stopped_command_goes_on(three, monkeypatch):
    """The power fails at the second piece, in the middle of a line; another recogniser begins anew."""
    asked, write = [], Writing.piece

    def piece(self, cut):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(self._now)
        return write(self, cut)

    monkeypatch.setattr(Writing, "piece", piece)
    run(three, status=130)
    (log,) = three.recipe.glob("exp/.suggest.*")
    with log.open("a") as file:
        file.write('[["torn')
    asked.append("the power is back")
    run(three)
    assert sorted(asked[:1] + asked[2:]) == ["doubtful.wav", "known.wav", "new.wav"] and len(rows()) == 3
    Path("suggested.tsv").unlink()
    run(three)
    assert len(asked) == 4
    Path("suggested.tsv").unlink()
    three.manifest(decode={"method": "beam"})
    run(three)
    assert len(asked) == 7


def test_what_is_known_or_of_no_use_falls_out(three, capsys):
    samples, _ = soundfile.read(clip(three, "train", 1))
    soundfile.write(three.more / "trained.flac", samples / 3, RATE)
    soundfile.write(three.more / "a/zagain.mp3", melody(51), RATE)
    three.said |= {"zagain.mp3": [("un", 0.2)]}
    three.record("hush.wav", 60)
    three.record("music.wav", 61, ("o", 0.1))
    three.record("fast.wav", 62, ("babababababababababababababababababababababababababababa", 0.5))
    (three.more / "broken.wav").write_bytes(b"RIFF")
    run(three)
    out, err = capsys.readouterr()
    assert "broken.wav" in err
    lines = [line.split(" left out: ") for line in out.splitlines() if " left out: " in line]
    assert [(int(count), what.partition("(first: ")[2].rstrip(")")) for count, what in lines] == [
        (1, "trained.flac"),
        (1, "a/zagain.mp3, 0.0–2.0 s"),
        (1, "hush.wav, 0.0–2.0 s"),
        (1, "fast.wav, 0.0–2.0 s"),
        (1, "music.wav, 0.0–2.0 s"),
    ]
    assert len(rows()) == 3


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_held_out_clip_is_an_error(three, name, capsys):
    samples, _ = soundfile.read(clip(three, name, 2))
    soundfile.write(three.more / "holiday.ogg", samples, RATE)
    run(three, status=2)
    told(capsys.readouterr().err, f"spk-{name}2", name, where="holiday.ogg")
    assert not Path("suggested.tsv").exists()


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--format", "docx"], "--format docx"),
        (["--minutes", "0"], "--minutes 0"),
        (["--minutes", "0.01"], "--minutes 0.01"),
        (["--out", "."], "--out ."),
        (["--recipe", "nowhere"], "--recipe nowhere"),
    ],
)
def test_words_that_cannot_be(three, words, where, capsys):
    run(three, *words, status=2)
    told(capsys.readouterr().err, where=where)


@pytest.mark.parametrize(
    ("info", "manifest", "fact"),
    [
        ({"lang": "cat_Latn"}, {}, "cat_Latn"),
        ({"tokens": {"type": "phone", "count": 8}}, {}, "phones"),
        ({}, {"confidence": None}, "decode.method=auto"),
    ],
)
def test_bundles_that_cannot_be(three, info, manifest, fact, capsys):
    three.info(**info)
    three.manifest(**manifest)
    run(three, status=2)
    told(capsys.readouterr().err, fact, where="bundle")


def test_a_bundle_elsewhere_needs_its_recipe(three, capsys):
    three.bundle = three.bundle.rename(three.recipe.parent / "copied")
    run(three, status=2)
    told(capsys.readouterr().err, "--recipe", where="copied")
    run(three, "--recipe", three.recipe)
    assert len(rows()) == 3


def test_a_bundle_that_does_not_say_what_it_has_learned(three, capsys):
    three.bundle.joinpath("heard").write_text("spk-other 00000000000000000000 -\n")
    run(three, status=2)
    told(capsys.readouterr().err, "--recipe", where="bundle/heard")
    three.bundle.joinpath("heard").unlink()
    run(three, status=2)
    told(capsys.readouterr().err, 10, where="bundle/heard")


def test_folders_without_recordings(scene, capsys):
    run(scene, status=2)
    told(capsys.readouterr().err, where="more")
    scene.more.rmdir()
    run(scene, status=2)
    told(capsys.readouterr().err, where="more")


def test_nothing_new(scene, capsys):
    scene.record("hush.wav", 50)
    run(scene, status=2)
    told(capsys.readouterr().err, where="more")


def trained(scene, tag, minutes, dev, budget):
    made = document(tag, dev=dev, **{"data.train_minutes": budget})
    made["training"]["speech_min"] = minutes
    made["command"] = f"./run.sh preset=fast data.train_minutes={budget:g} tag={tag}"
    (scene.recipe / "results").mkdir(exist_ok=True)
    write_json(scene.recipe / f"results/{tag}.json", made)


def test_a_forecast_by_the_learning_curve(scene, capsys):
    """1 + 60 / √minutes: 31, 21 and 16 at 4, 9 and 16 minutes; with 9 more of 16, 13 at 25. The pieces have 9
    minutes: 18 of 30 seconds."""
    words = [(word, 0.5) for word in ("un leu mare vede o casă veche " * 3).split()]
    for number in range(18):
        scene.record(f"r{number:02}.wav", 100 + number, *words, dur_s=30.0)
    for tag, minutes, dev in (("four", 4.0, 31.0), ("nine", 9.0, 21.0), ("main", 16.0, 16.0)):
        trained(scene, tag, minutes, dev, minutes)
    run(scene)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("forecast: "))
    assert line.startswith("forecast: 9 more minutes: CER 16.0 → 13.0 ± ")
    assert "by 3 trainings on 4 to 16 minutes" in line


@pytest.mark.parametrize("rates", [(18.0, 20.0, 22.0), (20.0, 20.0, 20.0), (20.0, 19.0, 21.0)])
def test_no_forecast_of_what_has_not_fallen(tmp_path, rates):
    place = SimpleNamespace(recipe=tmp_path)
    for tag, minutes, dev in zip(("five", "ten", "main"), (5.0, 10.0, 20.0), rates, strict=True):
        trained(place, tag, minutes, dev, minutes)
    (line,) = outlook(SimpleNamespace(cfg=place, tag="main"), 30.0, "run.sh")
    assert line.startswith(
        f"no forecast: more speech has not lowered the error rate on dev below {rates[-1]}%"
    )
    assert f"20 min {rates[-1]}%" in line


def test_no_forecast_without_three_points_but_what_to_run(three, capsys):
    run(three)
    assert "no forecast: main has no scores on dev" in capsys.readouterr().out
    Path("suggested.tsv").unlink()
    trained(three, "main", 16.0, 16.0, 16.0)
    trained(three, "half", 8.0, 22.0, 8.0)
    run(three)
    out = capsys.readouterr().out
    assert "no forecast: the learning curve has 2 of the 3 points" in out
    runs = [line.strip() for line in out.splitlines() if "data.train_minutes" in line]
    assert [line.partition("run.sh ")[2] for line in runs] == [
        "--stop_stage report preset=fast data.train_minutes=4 tag=main_4min"
    ]
