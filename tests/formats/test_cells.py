"""Spreadsheets compute what begins with one of = + - @, also behind a tab or a return (OWASP)."""

import csv
import io

import pytest

from xlt.formats.cells import as_text, from_text


@pytest.mark.parametrize(
    "value",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@a", "=", "-", "- Da."],
)
def test_formulas_are_text_and_come_back(value):
    assert as_text(value) == f"'{value}" and from_text(as_text(value)) == value


@pytest.mark.parametrize("value", ["", "a=b", "'tis", "un urs", "-2.5", "+3", "12", "'", "a-b", " =1"])
def test_all_else_stays(value):
    assert as_text(value) == value == from_text(value)


def test_what_a_spreadsheet_reads():
    out = io.StringIO()
    csv.writer(out).writerow([as_text('=HYPERLINK("http://evil")'), as_text("a")])
    assert out.getvalue().startswith("\"'=HYPERLINK")
