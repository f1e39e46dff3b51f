"""A metric that only this test knows, of one class and one registry line, is in all that xlt writes."""

import csv
import json
import re

import pytest

from tests.report.documents import document
from xlt.cli import main
from xlt.core.registry import METRICS
from xlt.formats.tables import write_table
from xlt.metrics.error_rate import error_rate
from xlt.metrics.metric import PHONES, TEXT, Metric, Token, main_metric, metrics


def vowels(text):
    return re.findall("[aeiou]", text)


def ver(pairs, resamples, rng):
    """Vowel error rate."""
    cut = [(vowels(ref), vowels(hyp)) for ref, hyp in pairs]
    return error_rate("VER", cut, {"tok": "vowel"}, resamples, rng)


def right(pairs, resamples, rng):
    """The share of utterances whose vowels are right: higher is better."""
    score = ver(pairs, resamples, rng)
    rates = tuple(100.0 * (rate == 0) for rate in score.rates)
    value = sum(rates) / len(rates)
    return type(score)("Right", value, (value, value), len(pairs), len(pairs), {}, rates=rates)


VER = Metric(
    "VER",
    "Vowel error rate",
    ver,
    token=Token("vowel", "vowels", vowels),
    counted=True,
    headline=True,
    note="VER is over vowels.",
)
RIGHT = Metric("Right", "Right vowels", right, unit="", better="higher", headline=True)


@pytest.fixture
def egs(tmp_path, monkeypatch):
    """A folder of recipes of which one was scored and reported."""
    monkeypatch.setitem(METRICS.entries, "ver", "tests.report.test_new_metric:VER")
    monkeypatch.setitem(METRICS.entries, "right", "tests.report.test_new_metric:RIGHT")
    recipe = tmp_path / "egs" / "ron"
    texts = {"s-1": ("una mare", "una mari"), "s-2": ("doi", "doi")}  # 1 of 4 vowels, 0 of 2
    for folder, side in (("data/test", 0), ("data/train", 0), ("exp/main/decode_test", 1)):
        (recipe / folder).mkdir(parents=True)
        write_table(recipe / folder / "text", {utt: pair[side] for utt, pair in texts.items()})
        write_table(recipe / folder / "utt2dur", dict.fromkeys(texts, "3"))
    write_table(recipe / "data/test/utt2spk", {"s-1": "ana", "s-2": "ion"})
    (recipe / "recipe.yaml").write_text("lang: ron_Latn\ndecode: {sets: [test]}\nscore: {bootstrap: 20}\n")
    for words in (["score", "--recipe", str(recipe)], ["report", "--recipe", str(recipe)]):
        assert main(words) == 0
    assert main(["report", str(tmp_path / "egs"), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "egs"


def test_it_is_in_score_json_with_counts_slices_and_files(egs):
    scores = json.loads((egs / "ron/exp/main/score.json").read_text(encoding="utf-8"))
    found = scores["sets"]["test"]["ver"]
    assert (found["value"], found["n_ref"], found["sub"]) == (round(100 / 6, 3), 6, 1)
    assert scores["signature"]["test"]["ver"].startswith("VER 16.7 ±")
    assert scores["means"]["test"]["ver"]["value"] == 12.5  # of 25 and 0
    assert scores["counts"]["test"]["metrics"]["ver"] == {"errors": [1, 0], "n_ref": [4, 2]}
    assert scores["slices"]["test"]["speaker"]["slices"]["ana"]["scores"]["ver"]["value"] == 25.0
    assert scores["sets"]["test"]["right"]["value"] == 50.0
    assert "right" not in scores["counts"]["test"]["metrics"]
    table = (egs / "ron/exp/main/score/test.tsv").read_text(encoding="utf-8").splitlines()
    assert "vowel_n_ref\tvowel_sub" in table[0]
    assert (egs / "ron/exp/main/score/test.vowel.ref.trn").read_text() == "u a a e (s-1)\no i (s-2)\n"


def test_it_is_on_the_pages(egs):
    page = (egs / "ron/RESULTS.md").read_text(encoding="utf-8")
    assert "| VER % | Right |" in page and "VER is over vowels." in page and "6 vowels" in page
    assert "Lower is better, but for chrF2, Right." in page
    assert "| experiment | CER % | WER % | VER % |" in page.split("means of utterances")[1]
    table = (egs / "README.md").read_text(encoding="utf-8").split("## Vowel error rate, %")[1]
    assert "16.7 [" in table and "## Right vowels\n" in table
    html = (egs.parent / "out/report.html").read_text(encoding="utf-8")
    assert "<h2>Vowel error rate, %</h2>" in html and "<h2>Right vowels</h2>" in html and "VER, %" in html


def test_it_is_in_latex_and_csv_and_compared(egs, capsys):
    latex = (egs.parent / "out/results.tex").read_text(encoding="utf-8")
    assert r"\caption{Vowel error rate on test, \%: median" in latex and r"\label{tab:xlt-ver}" in latex
    with (egs.parent / "out/results.csv").open(encoding="utf-8", newline="") as handle:
        values = {row["metric"]: row["value"] for row in csv.DictReader(handle)}
    assert values["ver"] == "16.667" and values["right"] == "50.0"
    write_table(egs / "ron/exp/main/decode_test/text", {"s-1": "una mare", "s-2": "doi"})
    capsys.readouterr()
    recipe = ["--recipe", str(egs / "ron")]
    assert main(["score", *recipe]) == 0
    assert main(["score", *recipe, "--compare", "results/main.json", "exp/main"]) == 0
    assert "VER A 16.7, B 0.0, n:2" in capsys.readouterr().out


def test_results_from_before_it_are_shown_without_it(egs):
    old = document("old", cer=9.0, lang=("cat_Latn", "Catalan"))
    (egs / "cat/results").mkdir(parents=True)
    (egs / "cat/results/old.json").write_text(json.dumps(old), encoding="utf-8")
    assert main(["report", str(egs), "--out", str(egs.parent / "out")]) == 0
    table = (egs / "README.md").read_text(encoding="utf-8").split("## Vowel error rate, %")[1]
    row = next(line for line in table.splitlines() if line.startswith("| [Catalan]"))
    assert row.strip("|").split("|")[3].strip() == "–"
    latex = (egs.parent / "out/results.tex").read_text(encoding="utf-8")
    assert "Catalan & 2 & -- " in latex.split("tab:xlt-ver")[1]


def test_what_systems_are_compared_by_is_the_first_of_its_kind(egs):
    assert (main_metric(TEXT), main_metric(PHONES)) == ("cer", "per")
    assert list(metrics(PHONES)) == ["per", "fer", "ser"]
    assert list(metrics(TEXT)) == ["cer", "wer", "ser", "chrf", "ver", "right"]
