"""The curves of pre-trained encoders in RESULTS.md and report.html, from made-up records."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.errors import raises, told
from tests.report.documents import document
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.formats.pretrained import RECORD, write_facts
from xlt.report import encoders, page
from xlt.report.markdown import render
from xlt.report.results import load

FACTS = {
    "hours": 6.4,
    "epochs": 7,
    "parameters": 3000000,
    "work_s": 1800.0,
    "accuracy": 16.2,
    "chance": 12.0,
    "baseline": "by chance",
    "perplexity": 512.0,
    "used": 0.75,
    "codes": 1024,
}


def record(tag="main", steps=100, **changes):
    rows = [
        {"step": n, "loss": 6.0, "accuracy": 0.2 * n, "perplexity": 256.0, "used": 0.5}
        for n in range(1, steps + 1)
    ]
    facts = {"method": "bestrq", **FACTS, **changes}
    return {"tag": tag, "facts": facts, "curve": rows, "command": "./run.sh", "commit": "abc"}


@pytest.fixture
def egs(results):
    folder = results(document("main")) / encoders.FOLDER
    folder.mkdir()
    (folder / "main.json").write_text(json.dumps(RECORD.stamped(record())))
    return folder.parent.parent.parent


def test_percentages_by_step():
    lines = encoders.series(record())
    assert len(lines["right answers"]) == 34  # every third of a hundred, at most 40
    assert lines["right answers"][1] == (4, pytest.approx(0.8))
    assert lines["codes used"][0] == (1, 50.0) and lines["codes in even use"][0] == (1, 25.0)
    without = record()
    del without["facts"]["codes"]
    assert list(encoders.series(without)) == ["right answers"]


def test_a_chart_has_a_line_for_each(egs):
    drawn = ET.fromstring(encoders.chart(record()))
    assert len(drawn.findall("{*}polyline")) == 3 and len(encoders.legend(record())) == 3
    assert encoders.chart(record(steps=1)) == ""


def test_results_show_the_encoders_and_their_curves(egs):
    found = encoders.load(egs / "ron/results")
    text = render(load(egs / "ron/results"), found)
    row = "| main | bestrq | 6.4 hours | 7 | 3,000,000 | 0.50 | 16.2% (by chance 12.0%) | 512 of 1024 |"
    assert row in text and "(results/pretraining/main.svg)" in text and "## How they were made" in text
    assert list(encoders.files(egs / "ron", found)) == [egs / "ron/results/pretraining/main.svg"]
    alone = render([], found)
    assert row in alone and "None yet" not in alone
    assert "Encoders" not in render(load(egs / "ron/results"))


def test_the_page_shows_them(egs):
    text = page.render(egs)
    assert 'id="encoders"' in text and "ron/main: bestrq on 6.4 hours, 7 epochs: right 16.2%" in text
    assert text.count("codes in even use</li>") == 1


def test_damaged_records(egs):
    path = egs / "ron/results/pretraining/main.json"
    whole = json.loads(path.read_text())
    for broken in ({"facts": {}}, {"curve": [{"step": 1}]}, {"curve": 3}, {"tag": None}):
        path.write_text(json.dumps({**whole, **broken}))
        with raises(DataError, where=str(path)) as err:
            encoders.load(path.parent.parent)
        assert "stage 9" in str(err.value)


def test_stage_9_of_a_pretraining(tmp_path, capsys):
    (tmp_path / "recipe.yaml").write_text("lang: mul_Zyyy\npretrain: {method: bestrq, recipes: [../ron]}\n")
    assert main(["report", "--recipe", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "pretrained.json", "stage 6")
    out = tmp_path / "exp/main"
    out.mkdir(parents=True)
    write_facts(out, "bestrq", "bestrq", FACTS)
    (out / "curve.json").write_text(json.dumps({"rows": record()["curve"]}))
    assert main(["report", "--recipe", str(tmp_path)]) == 0
    kept = encoders.load(tmp_path / "results")
    assert kept[0]["facts"]["perplexity"] == 512.0 and len(kept[0]["curve"]) == 100
    assert "512 of 1024" in (tmp_path / "RESULTS.md").read_text()
    assert (tmp_path / "results/pretraining/main.svg").read_text() == encoders.chart(kept[0])
