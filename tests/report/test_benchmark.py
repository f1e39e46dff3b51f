"""egs/README.md, and that every committed page is what its result files say."""

import json
from pathlib import Path

import pytest

from tests.report.documents import document, phone_document
from tests.report.test_decoders import LM, change
from xlt.cli import main
from xlt.core.config import ROOT, defaults
from xlt.formats.results import dump
from xlt.report import encoders, page
from xlt.report.benchmark import files, published, read_all
from xlt.report.markdown import render
from xlt.report.results import experiments, load, titles


def stale(egs: Path) -> list[Path]:
    """Generated pages below ``egs`` that differ from their result files."""
    pages = {
        path.parent / "RESULTS.md": render(load(path), encoders.load(path))
        for path in sorted(egs.glob("*/results"))
    }
    if any(egs.glob("*/results/*.json")):
        pages |= files(egs)
    return [
        path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def test_committed_pages_are_what_the_results_say():
    assert stale(ROOT / "egs") == []


def test_committed_results_have_a_line_a_key_and_their_recipes_are_published():
    folders = sorted((ROOT / "egs").glob("*/results"))
    assert published(ROOT / "egs") == [folder.parent.name for folder in folders]
    for path in (path for folder in folders for path in folder.glob("**/*.json")):
        document = json.loads(text := path.read_text(encoding="utf-8"))
        assert "ranking" in document or text == dump(document), path


@pytest.fixture
def egs(results):
    folder = results(
        document("base_s0", 0, 9.5),
        document("base_s1", 1, 9.1),
        document("all", cer=7.7, **{"data.train_minutes": None}),
        document("log_mel", cer=20.6, **{"features.upstream": "fbank"}),
        document("worse_head", cer=5.0, dev=11.0, **{"train.encoder": "linear"}),
        document("peer", cer=19.5, peer="Whisper-base, zero-shot"),
    )
    results(document("base_s0", cer=22.0, lang=("cat_Latn", "Catalan")), recipe="cat")
    root = folder.parent.parent
    for recipe in ("ron", "cat"):
        (root / recipe / "RESULTS.md").write_text(render(load(root / recipe / "results")), encoding="utf-8")
    assert main(["report", str(root)]) == 0
    return root


BEAM = LM | {"fusion": LM["fusion"] | {"method": "beam"}}


def cells(page, start):
    lines = [line for line in page.splitlines() if line.startswith(start)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_row_a_language(egs):
    page = (egs / "README.md").read_text(encoding="utf-8")
    head = cells(page, "| language")[0]
    assert head == [
        "language",
        "test",
        "all training speech",
        "whisper_base, 10 min",
        "fbank, 10 min",
        "whisper_base, all",
        "Whisper-base, zero-shot",
    ]
    assert cells(page, "| [Romanian](ron/RESULTS.md)")[0][1:] == [
        "2 clips, 1.5 min",
        "9.9 min",
        "9.3 [8.5, 10.5]",
        "20.6 [19.6, 21.6]",
        "7.7 [6.7, 8.7]",
        "19.5 [18.5, 20.5]",
    ]
    assert cells(page, "| [Catalan](cat/RESULTS.md)")[0][3:] == ["22.0 [21.0, 23.0]", "–", "–", "–"]


def test_cells_of_different_encoders_are_told_apart(results, egs):
    assert "Encoders of" not in files(egs)[egs / "README.md"]
    results(
        document("deep", cer=15.0, dev=1.0, **{"features.upstream": "fbank", "train.encoder": "deepspeech2"})
    )
    results(
        document("log_mel", cer=20.0, lang=("cat_Latn", "Catalan"), **{"features.upstream": "fbank"}),
        recipe="cat",
    )
    assert "- Encoders of fbank, 10 min: blstm cat; deepspeech2 ron.\n" in files(egs)[egs / "README.md"]


def test_cells_with_a_language_model_are_named_where_others_have_none(results, egs):
    assert "With a language model" not in files(egs)[egs / "README.md"]
    fbank = {"features.upstream": "fbank"}
    results(document("log_mel", cer=20.0, lang=("cat_Latn", "Catalan"), **fbank), recipe="cat")
    results(document("deep", cer=15.0, dev=1.0, **fbank))
    assert "With a language model" not in files(egs)[egs / "README.md"]
    results(
        document("deep", cer=15.0, dev=1.0, **fbank) | {"lm": BEAM, "greedy": {"test": change(20.0, 15.0)}}
    )
    assert "- With a language model among fbank, 10 min: ron.\n" in files(egs)[egs / "README.md"]


def test_a_recipe_of_several_languages_is_no_row(results, egs):
    pages = files(egs)
    results(document("main", lang=("mul_Zyyy", "Multiple languages")), recipe="multi")
    assert files(egs) == pages


def test_the_projects_readme_holds_the_same_rows(egs):
    page = egs.parent / "README.md"
    page.write_text("# xlt\n<!-- results -->\nold\n<!-- /results -->\nend\n", encoding="utf-8")
    assert stale(egs) == [page]
    assert main(["report", str(egs)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# xlt\n<!-- results -->\n| language |") and text.endswith(
        "|\n<!-- /results -->\nend\n"
    )
    assert cells(text, f"| [Romanian]({egs.name}/ron/RESULTS.md)")[0][5] == "7.7 [6.7, 8.7]"
    assert stale(egs) == []


def test_recipes_that_are_not_published_stay_off_the_pages(egs, results, tmp_path, capsys):
    results(document("own", cer=1.5, lang=("lug_Latn", "Luganda")), recipe="lug")
    experiments_of = egs / "lug" / "experiments"
    experiments_of.mkdir()
    plan = "name: mine\ntitle: Mine\nruns: [{recipe: lug, tag: own, column: a}]\ntables: [{rows: [tag]}]\n"
    (experiments_of / "mine.yaml").write_text(plan)
    (egs / "published.txt").write_text("# the project's\ncat\nron\n")
    before = {name: (egs / name).read_bytes() for name in ("README.md", "results.svg")}
    capsys.readouterr()
    assert main(["report", str(egs), "--out", str(tmp_path / "out")]) == 0
    assert {name: (egs / name).read_bytes() for name in before} == before
    assert f"report: lug: in {tmp_path / 'out'} only" in capsys.readouterr().out
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "Luganda" in page and ">Mine</h2>" in page
    assert "lug,lug_Latn,Luganda,own" in (tmp_path / "out/results.csv").read_text(encoding="utf-8")
    (egs / "published.txt").write_text("cat\nlug\nron\n")
    assert "Luganda" in files(egs)[egs / "README.md"] and "## Mine" in files(egs)[egs / "README.md"]


def test_several_recipes_of_one_language_say_which_they_are(results):
    for recipe in ("cat", "cat_phone", "my_cat"):
        folder = results(document("a", lang=("cat_Latn", "Catalan")), recipe=recipe)
    egs = folder.parent.parent
    assert list(titles(read_all(egs)).values()) == ["Catalan", "Catalan (cat_phone)", "Catalan (my_cat)"]
    rows = [row[0] for row in cells(files(egs)[egs / "README.md"], "| [Catalan")]
    assert rows[:2] == ["[Catalan](cat/RESULTS.md)", "[Catalan (cat_phone)](cat_phone/RESULTS.md)"]
    assert page.render(egs).count(">Catalan (cat_phone)<") > 1


def test_a_readme_of_the_users_is_left_alone(results, capsys):
    root = results(document("base")).parent.parent
    (root / "README.md").write_text("# My recipes\n", encoding="utf-8")
    assert main(["report", str(root)]) == 0
    assert (root / "README.md").read_text(encoding="utf-8") == "# My recipes\n"
    assert f"report: {root / 'README.md'} was not written by xlt report" in capsys.readouterr().out
    assert (root / "report/report.html").exists()


def test_of_two_runs_with_one_seed_the_recipes_own_counts(results):
    folder = results(document("base_s0", 0, 9.5), document("main", 0, 8.5), document("base_s1", 1, 9.1))
    (found,) = experiments(load(folder))
    assert [run.tag for run in found.runs] == ["main", "base_s1"]


def test_a_setting_that_came_later_parts_no_seeds(results):
    assert defaults()["train.family"] == "espnet"
    folder = results(
        document("base_s0", 0, 9.5),
        document("base_s1", 1, 9.1, **{"train.family": "espnet"}),
        document("base_s2", 2, 9.2, **{"train.family": "other"}),
    )
    found = experiments(load(folder))
    assert [[run.tag for run in e.runs] for e in found] == [["base_s0", "base_s1"], ["base_s2"]]


def test_a_preset_that_was_renamed_parts_no_seeds(results):
    folder = results(document("base_s0", 0, preset="ctc_ssl"), document("base_s1", 1, preset="fast"))
    assert [len(e.runs) for e in experiments(load(folder))] == [2]


def test_the_page_says_what_is_one_run(egs):
    page = (egs / "README.md").read_text(encoding="utf-8")
    assert "- Cells over several seeds: ron (whisper_base, 10 min, 2); all others are one run.\n" in page


def test_choice_between_heads_is_made_on_dev_not_on_test(egs):
    assert "5.0 [4.0, 6.0]" not in (egs / "README.md").read_text(encoding="utf-8")


def test_pages_just_written_are_not_stale(egs):
    assert stale(egs) == []


@pytest.mark.parametrize("name", ["ron/RESULTS.md", "README.md", "results.svg"])
def test_an_altered_page_is_found(egs, name):
    path = egs / name
    path.write_text(path.read_text(encoding="utf-8").replace("19.5", "18.5", 1), encoding="utf-8")
    assert stale(egs) == [path]


def test_an_altered_result_makes_its_pages_stale(egs):
    path = egs / "cat/results/base_s0.json"
    path.write_text(path.read_text(encoding="utf-8").replace("22.0", "21.0"), encoding="utf-8")
    assert stale(egs) == [egs / "cat/RESULTS.md", egs / "README.md", egs / "results.svg"]


def test_no_results_at_all(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 0
    assert "None yet" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_a_language_without_a_column_has_a_row_of_dashes(results):
    root = results(document("five", **{"data.train_minutes": 5.0})).parent.parent
    assert main(["report", str(root)]) == 0
    assert cells((root / "README.md").read_text(encoding="utf-8"), "| [Romanian]")[0][1:] == [
        "2 clips, 1.5 min",
        "–",
    ]


def test_phone_experiments_have_no_column(results):
    egs = results(document("base"), phone_document("ph", **{"features.upstream": "fbank"})).parent.parent
    results(phone_document("ph", lang=("cat_Latn", "Catalan")), recipe="cat")
    page = files(egs)[egs / "README.md"]
    assert "whisper_base, 10 min" in page and "fbank" not in page and "Catalan" not in page


def test_what_a_teacher_taught_has_no_column(results):
    taught = document("taught", **{"train.teacher": "exp/base"})
    egs = results(document("five", **{"data.train_minutes": 5.0}), taught).parent.parent
    assert cells(files(egs)[egs / "README.md"], "| [Romanian]")[0][1:] == ["2 clips, 1.5 min", "–"]
