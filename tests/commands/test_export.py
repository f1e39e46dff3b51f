"""What is exported is read by lhotse itself, and by our own reader."""

import csv

import pytest

from tests.data.conftest import Recipe
from tests.data.corpus import PHRASES, tone
from xlt.cli import main
from xlt.data.corpora import rows
from xlt.formats.tables import read_table

TABLES = ("text", "text_raw", "utt2spk", "utt2dur", "utt2lang", "utt2audio", "utt2split", "utt2accent")


@pytest.fixture
def exported(recipe, tmp_path):
    """A recipe with tags, made from a lhotse corpus of ours; its export."""
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    recordings, supervisions = [], []
    for number, phrase in enumerate(PHRASES):
        name = f"ana-{number:02}"
        tone(tmp_path / f"{name}.wav", hz=200.0 + 20 * number)
        recordings.append(Recording.from_file(tmp_path / f"{name}.wav", recording_id=name))
        supervisions.append(
            SupervisionSegment(
                name,
                name,
                0.0,
                recordings[-1].duration,
                0,
                f"{phrase.capitalize()}!",
                "ro",
                "ana",
                custom={"accent": "Moldova", "age": 3},
            )
        )
    RecordingSet.from_recordings(recordings).to_file(tmp_path / "recordings.jsonl.gz")
    SupervisionSet.from_segments(supervisions).to_file(tmp_path / "supervisions.jsonl.gz")
    assert recipe("data.reader=lhotse", f"data.dir={tmp_path / 'recordings.jsonl.gz'}") == 0
    assert main(["export", "lhotse", "--recipe", str(recipe.dir), str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_lhotse_reads_it(exported, recipe):
    from lhotse import load_manifest
    from lhotse.qa import validate_recordings_and_supervisions

    for name in ("train", "dev", "test"):
        recordings, supervisions = (
            load_manifest(exported / f"ron_Latn_{kind}_{name}.jsonl.gz")
            for kind in ("recordings", "supervisions")
        )
        validate_recordings_and_supervisions(recordings, supervisions, read_data=True)
        tables = {
            table: read_table(recipe.dir / "data" / name / table) for table in TABLES if table != "utt2split"
        }
        assert {s.id: s.text for s in supervisions} == tables["text"]
        assert {s.id: s.custom["text_raw"] for s in supervisions} == tables["text_raw"]
        assert {s.id: f"{s.duration:.4f}" for s in supervisions} == tables["utt2dur"]
        assert {(s.speaker, s.language, s.custom["accent"]) for s in supervisions} == {
            ("ana", "ron_Latn", "Moldova")
        }
        assert {r.id: r.sampling_rate for r in recordings} == dict.fromkeys(tables["text"], 16000)


def test_our_reader_makes_the_same_of_it(exported, recipe, tmp_path):
    other = Recipe(tmp_path / "other")
    assert other("data.reader=lhotse", f"data.dir={exported}") == 0
    for table in TABLES:
        assert read_table(other.dir / "data" / "all" / table) == read_table(
            recipe.dir / "data" / "all" / table
        ), table


def test_a_table_brings_the_same_sets_back(exported, recipe, tmp_path, capsys):
    raw = recipe.dir / "data" / "train" / "text_raw"
    first, *rest = raw.read_text(encoding="utf-8").splitlines()
    raw.write_text(
        "\n".join([first.split(" ")[0] + ' "Un" urs', *rest]) + "\n", encoding="utf-8"
    )  # quotes survive
    assert main(["export", "table", "--recipe", str(recipe.dir), str(tmp_path / "table")]) == 0
    other = Recipe(tmp_path / "other")
    assert other("data.reader=table", f"data.dir={tmp_path / 'table'}") == 0
    for name in ("train", "dev", "test"):
        for table in ("text_raw", "utt2spk", "utt2dur", "utt2audio", "utt2content"):
            assert read_table(other.dir / "data" / name / table) == read_table(
                recipe.dir / "data" / name / table
            ), (name, table)
    assert main(["export", "table", "--recipe", str(recipe.dir), str(tmp_path / "table")]) == 2
    assert "exists and is not empty" in capsys.readouterr().err


def test_formulas_are_text_in_the_table_and_come_back(exported, recipe, tmp_path):
    raw = recipe.dir / "data" / "train" / "text_raw"
    first, *rest = raw.read_text(encoding="utf-8").splitlines()
    said = '=HYPERLINK("http://evil") un urs'
    raw.write_text("\n".join([f"{first.split(' ')[0]} {said}", *rest]) + "\n", encoding="utf-8")
    assert main(["export", "table", "--recipe", str(recipe.dir), str(tmp_path / "table")]) == 0
    with (tmp_path / "table/corpus.tsv").open(encoding="utf-8", newline="") as handle:
        texts = [row["text"] for row in csv.DictReader(handle, delimiter="\t")]
    assert "'" + said in texts and said not in texts
    found = rows.read_table(tmp_path / "table/corpus.tsv").rows
    assert said in [values["text"] for _, values in found]


def test_before_stage_1(recipe, tmp_path, capsys):
    assert main(["export", "lhotse", "--recipe", str(recipe.dir), str(tmp_path / "out")]) == 2
    assert "train: no such folder; stage 1 makes it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_audio_that_is_gone(exported, recipe, tmp_path, capsys):
    (recipe.dir / read_table(recipe.dir / "data" / "dev" / "wav.scp").popitem()[1]).unlink()
    assert main(["export", "lhotse", "--recipe", str(recipe.dir), str(tmp_path / "again")]) == 2
    assert "no such file; run stage 1 (data) again" in capsys.readouterr().err
