"""What a fault is: fields, and the words that are made of them in one place."""

import doctest
import json
from pathlib import Path

from xlt.check import faults
from xlt.check.faults import Fault, Place

TWICE = Fault(
    "error",
    Place("/egs/ron/data/train/text", 12),
    "duplicate id {id!r} (first on line {first_line})",
    "see /egs/ron/recipe.yaml",
    ("u7",),
    {"id": "u7", "first_line": 3},
    "kaldi",
    "sorted_and_unique",
)


def test_the_examples():
    assert doctest.testmod(faults).failed == 0


def test_words_are_made_of_the_fields():
    assert TWICE.problem == "duplicate id 'u7' (first on line 3)"
    near = TWICE.seen_from(Path("/egs/ron"))
    assert str(near) == "data/train/text:12: duplicate id 'u7' (first on line 3); see recipe.yaml"
    assert (near.severity, near.rule, near.where.line) == ("error", "sorted_and_unique", 12)


def test_braces_in_data_are_no_places():
    plain = Fault("note", Place("text"), "found {x}", "remove {x}")
    assert str(plain) == "text: found {x}; remove {x}"
    assert (
        Fault("note", Place("text"), "found {value!r}", "", values={"value": "{0}"}).problem == "found '{0}'"
    )


def test_a_row_of_report_json_comes_back():
    back = Fault.from_json(json.loads(json.dumps(TWICE.to_json())))
    assert (str(back), back.severity, back.where, back.ids) == (str(TWICE), "error", TWICE.where, ("u7",))


def test_a_row_from_before_november_2026():
    row = {"family": "kaldi", "rule": "r", "level": "error", "where": "data/dev/text:3", "what": "is {odd}"}
    old = Fault.from_json({**row, "remedy": "mend it", "ids": []})
    assert str(old) == "data/dev/text:3: is {odd}; mend it" and old.severity == "error"
