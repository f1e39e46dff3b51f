"""LaTeX and CSV of the tables."""

import csv
import io
import re
import shutil
import subprocess

import pytest

from tests.report.documents import document, entry, phone_document
from xlt.report import latex, sheet
from xlt.report.benchmark import read_all


@pytest.fixture
def recipes(results):
    root = results(
        document("base_s0", 0, 9.5),
        document("base_s1", 1, 9.1),
        document("peer", cer=19.5, peer="R&D_model, 50% ~zero^shot {a}\\"),
    ).parent.parent
    catalan = ("cat_Latn", "Català_#1")
    results(document("base", cer=22.0, lang=catalan), phone_document("ph", lang=catalan), recipe="cat")
    several = {"languages": {"test": {"cat_Latn": {m: entry(20.0) for m in ("cer", "wer", "ser", "chrf")}}}}
    results(document("main", lang=("mul_Zyyy", "Multiple languages")) | several, recipe="multi")
    return read_all(root)


def test_latex_has_a_row_a_language_with_everything_escaped(recipes):
    text = latex.render(recipes)
    assert r"Romanian & 2 & 9.3 {\scriptsize [8.5, 10.5]} & 19.5 {\scriptsize [18.5, 20.5]} \\" in text
    assert r"Català\_\#1 & 2 & 22.0 {\scriptsize [21.0, 23.0]} & -- \\" in text
    assert r" &  & whisper\_base & R\&D\_model \\" in text
    assert (
        r"language & clips & 10 min & 50\% \textasciitilde{}zero\textasciicircum{}shot"
        r" \{a\}\textbackslash{} \\" in text
    )
    assert "Multiple" not in text and text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 2
    for table in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.S):
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3}


def test_latex_compiles(recipes, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is missing: apt-get install texlive-latex-recommended")
    (tmp_path / "p.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        + latex.render(recipes)
        + "\\end{document}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "p.tex"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_no_results_is_latex_too(tmp_path):
    assert latex.render({}).splitlines()[-1] == "% no results yet"


def test_csv_has_a_line_a_language_experiment_set_and_metric(recipes):
    rows = list(csv.DictReader(io.StringIO(sheet.render(recipes))))
    assert tuple(rows[0]) == sheet.HEAD
    by = {(r["recipe"], r["lang"], r["experiment"], r["set"], r["metric"]): r for r in rows}
    assert (
        len(by) == len(rows) == 8 + 8 + 8 + 4 + 8 + 4
    )  # seeds in one; the phones have two metrics, one set has a language
    found = by["ron", "ron_Latn", "base", "test", "cer"]
    assert [
        found[k] for k in ("value", "low", "high", "n", "utterances", "seeds", "train_min", "commit")
    ] == ["9.3", "8.5", "10.5", "100", "2", "2", "9.9", "abc123"]
    assert by["ron", "ron_Latn", "peer", "test", "wer"]["train_min"] == ""
    assert by["ron", "ron_Latn", "peer", "test", "wer"]["model"] == "R&D_model, 50% ~zero^shot {a}\\"
    assert by["multi", "cat_Latn", "main", "test", "cer"]["utterances"] == ""
    assert by["cat", "cat_Latn", "ph", "test", "per"]["value"] == "30.0"
