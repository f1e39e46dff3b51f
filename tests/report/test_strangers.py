"""Words of strangers on the pages: every one of a result, and of a transcript, is text there."""

import csv
import io
import json

import pytest
from markdown_it import MarkdownIt

from tests.report.documents import document
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.report import sheet
from xlt.report.benchmark import read_all
from xlt.report.markdown import render
from xlt.report.results import load

EVIL = "<img src=x onerror=alert(1)>![x](http://evil/y.png)"
FORMULA = "=HYPERLINK(1)"
FREE = (
    "tag",
    "name",
    "language",
    "normaliser",
    "describe",
    "processor",
    "system",
    "command",
    "commit",
    "id",
    "ref",
    "hyp",
)


def spoilt(value, key=""):
    """The same with a stranger's word in each place that may hold any."""
    if isinstance(value, dict):
        return {k: spoilt(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoilt(v, key) for v in value]
    return value + EVIL if key in FREE and isinstance(value, str) else value


@pytest.fixture
def egs(results):
    """Two recipes and a peer, with the words of strangers."""
    made = [document("base_s0", 0, 9.5), document("peer", cer=19.5, peer="Whisper")]
    for name, found in zip(("a", "b"), map(spoilt, made), strict=True):
        folder = results(recipe="ron")
        (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    return folder.parent.parent


def evil_in(page):
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page.partition("-->")[2])
    every = [*found, *(inner for token in found for inner in token.children or [])]
    kinds = {"html_block", "html_inline", "image", "link_open"}
    return [
        token.content or token.attrs
        for token in every
        if token.type in kinds and ("evil" in str(token.attrs) or "img" in token.content)
    ]


def test_results_md(egs):
    page = render(load(egs / "ron" / "results"))
    assert page.count("alert(1)") > 8 and evil_in(page) == []


def test_pages_of_all_languages(egs, tmp_path):
    assert main(["report", str(egs), "--out", str(tmp_path / "out")]) == 0
    page = (egs / "README.md").read_text(encoding="utf-8")
    assert "alert(1)" in page and evil_in(page) == []
    assert "<img src=x" not in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_formulas_in_results_csv(results):
    made = document("base", lang=("ron_Latn", FORMULA))
    made["experiment"]["name"] = "+1"
    folder = results(made)
    rows = list(csv.DictReader(io.StringIO(sheet.render(read_all(folder.parent.parent)))))
    assert rows and not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    assert rows[0]["language"] == "'" + FORMULA


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none(results, number):
    folder = results(document("base", cer=31.25))
    path = folder / "base.json"
    path.write_text(path.read_text(encoding="utf-8").replace("31.25", number), encoding="utf-8")
    with pytest.raises(DataError, match="base.json: not a result of stage 9"):
        load(folder)
