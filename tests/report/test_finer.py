"""Means, classes of words, slices and scripts on the page; of results that have none, the page is as
before.
"""

from tests.report.documents import document, entry, phone_document
from xlt.report.markdown import render
from xlt.report.results import load


def detailed(value):
    return entry(value) | {"mean": {"value": value + 5, "ci95": [value, value + 10]}}


def finer():
    """Everything that scoring leaves beside the scores of a set."""
    numbers = detailed(40.0) | {"n": 7, "correct": 70, "note": "of num2words"}
    slices = {
        "north": {"n": 30, "few": False, "cer": detailed(10.0), "wer": detailed(30.0)},
        "south": {"n": 3, "few": True, "cer": detailed(50.0), "wer": detailed(60.0)},
    }
    spread = {"low": 10.0, "mean": 12.0, "high": 14.0, "deviation": 2.8, "over": 2}
    return {
        "means": {
            "test": {
                "cer": {"value": 12.25, "ci95": [11.0, 14.0]},
                "wer": {"value": 33.0, "ci95": [31.0, 35.0]},
            }
        },
        "micro": {
            "test": {
                "classes": {"numbers": numbers},
                "all": numbers,
                "rest": detailed(20.0) | {"n": 9, "correct": 5},
                "absent": {"names": "no text_raw"},
            }
        },
        "slices": {"test": {"accent": {"n": 60, "slices": slices, "worst": "north", "spread": spread}}},
        "script": {
            "test": {
                "scripts": ["Latn"],
                "hypotheses": {"chars": 200, "outside": 3, "share": 1.5},
                "references": {"chars": 190, "outside": 0, "share": 0.0},
                "utterances": 1,
                "offenders": [{"char": "а", "name": "U+0430 CYRILLIC SMALL LETTER A", "count": 3}],
            }
        },
    }


def test_tables_beside_the_scores(results):
    page = render(
        load(results(document("main") | finer(), document("old", **{"features.upstream": "fbank"})))
    )
    assert (
        "| main | 12.2 [11.0, 14.0] | 33.0 [31.0, 35.0] |" in page.split("### test: means of utterances")[1]
    )
    assert "| old | 12" not in page
    where = page.split("## Where main fails on test, seed 0")[1].split("## How they were made")[0]
    assert (
        "| numbers (of num2words) | 100 | 7 | 40.0 [39.0, 41.0] | 45.0 [40.0, 50.0] | 70 | 1 | 2 | 3 |"
        in where
    )
    assert (
        "| *micro-WER* (of num2words) | 100 |" in where
        and "| all other words | 100 | 9 | 20.0 [19.0, 21.0] |" in where
    )
    assert "Not scored: names (no text_raw)." in where
    assert "| north | 30 | 10.0 [9.0, 11.0] | 15.0 | 30.0 [29.0, 31.0] | 35.0 |" in where
    assert "| south † | 3 |" in where and "Slices with † have too few utterances" in where
    assert "2 of 60: those with the most utterances, and the worst." in where
    assert "CER from 10.0 to 14.0, mean 12.0, standard deviation 2.8, over 2 slices; worst: north." in where
    assert (
        "Outside Latn: 3 of 200 in the hypotheses, 1.50%, 0 of 190 in the references. The most frequent: а"
        " (U+0430 CYRILLIC SMALL LETTER A) 3." in where
    )


def test_a_result_that_has_none_is_shown_as_before(results):
    page = render(load(results(document("main"))))
    assert "means of utterances" not in page and "Where main" not in page


def test_a_class_without_words_and_a_script_that_is_none(results):
    found = finer() | {
        "micro": {"test": {"classes": {}, "all": None, "rest": None, "absent": {"numbers": "why"}}},
        "script": {"test": {"absent": "Qaax is no script of Unicode's"}},
    }
    page = render(load(results(document("main") | found)))
    assert "Not scored: numbers (why)." in page and "| *micro-WER*" not in page
    assert "Not counted: Qaax is no script of Unicode's." in page


def test_the_feature_error_rate_has_a_column_where_there_is_one(results):
    old = render(load(results(phone_document("old"))))
    assert "FER" not in old and "| PER % | SER % |" in old
    new = phone_document("new", 20.0, **{"train.encoder": "linear"})
    for name in ("dev", "test"):
        new[name]["fer"] = entry(7.0)
    page = render(load(results(new)))
    assert "| PER % | FER % | SER % |" in page and "FER is PER in which" in page
    assert "| 20.0 [19.0, 21.0] | 7.0 [6.0, 8.0] | 90.0" in page
    assert "| 30.0 [29.0, 31.0] | – | 90.0" in page  # the older one
