"""Slices and scripts in stage 8, worked out by hand."""

import numpy as np
import pytest

from tests.score.test_score import document, score
from xlt.formats.tables import write_table
from xlt.metrics.align import Counts
from xlt.metrics.bootstrap import Bootstrap
from xlt.metrics.error_rate import of_counts
from xlt.score.slices import FEW, slices


def slices_of(recipe, name="test"):
    return document(recipe)["slices"][name]


def test_slices_by_a_tag_of_the_users(recipe):
    write_table(recipe / "data/test/utt2accent", {"s-1": "south", "s-2": "north"})
    write_table(recipe / "data/test/utt2content", {"s-1": "x", "s-2": "y", "s-3": "z"})  # stage 1 writes it
    write_table(
        recipe / "data/test/utt2noise", {"s-1": "street", "s-2": "street", "s-3": "street"}
    )  # one value parts nothing
    assert score(recipe) == 0
    assert set(slices_of(recipe)) == {"accent"}
    found = slices_of(recipe)["accent"]
    # CER errors 1 of 9, 4 of 12, 0 of 9; words 1 of 2, 1 of 3, 0 of 1
    assert set(found["slices"]) == {"south", "north", "(no tag)"} and found["n"] == 3
    south, north = found["slices"]["south"], found["slices"]["north"]["scores"]
    assert (south["n"], south["few"]) == (1, True)
    assert (south["scores"]["cer"]["value"], south["scores"]["wer"]["value"]) == (11.111, 50.0)
    assert (north["cer"]["value"], north["cer"]["mean"]["value"], north["cer"]["del"]) == (33.333, 33.333, 4)
    assert found["worst"] is None and found["spread"] is None  # one utterance each


def test_a_new_tag_file_is_scored_again(recipe, capsys):
    score(recipe)
    write_table(recipe / "data/test/utt2accent", {"s-1": "south", "s-2": "north", "s-3": "north"})
    capsys.readouterr()
    score(recipe)
    assert "data/test/utt2accent is new" in capsys.readouterr().out
    assert slices_of(recipe)["accent"]["slices"]["north"]["n"] == 2


def test_speakers_and_durations(recipe):
    write_table(recipe / "data/test/utt2spk", {"s-1": "ana", "s-2": "ana", "s-3": "ion"})
    write_table(recipe / "data/test/utt2dur", {"s-1": "1.99", "s-2": "2.0", "s-3": "31"})
    score(recipe)
    found = slices_of(recipe)
    assert set(found["speaker"]["slices"]) == {"ana", "ion"}
    assert list(found["duration"]["slices"]) == ["0 to 2 s", "2 to 5 s", "20 s and more"]
    assert {k: v["n"] for k, v in found["duration"]["slices"].items()} == {
        "0 to 2 s": 1,
        "2 to 5 s": 1,
        "20 s and more": 1,
    }
    # of ana's two utterances 5 errors in 21; the mean of 1/9 and 4/12
    ana = found["speaker"]["slices"]["ana"]["scores"]["cer"]
    assert (ana["value"], ana["mean"]["value"]) == (round(500 / 21, 3), 22.222)


def test_a_duration_that_is_none(recipe, capsys):
    write_table(recipe / "data/test/utt2dur", {"s-1": "1", "s-2": "long", "s-3": "3"})
    assert score(recipe) == 2
    assert (
        "data/test/utt2dur" in (message := capsys.readouterr().err)
        and "'s-2'" in message
        and "'long'" in message
    )


def scored(counts):
    return {"wer": of_counts("WER", counts, {}, 10, np.random.default_rng(0))}


def test_worst_and_spread_are_of_slices_with_enough_utterances():
    # a: 1 error in 10 words; b: 3 in 10; c has every word wrong, but too few utterances
    values = ["a"] * FEW + ["b"] * FEW + ["c"] * (FEW - 1)
    counts = [Counts(10, n, 0, 0) for n in [1] * FEW + [3] * FEW + [10] * (FEW - 1)]
    found = slices(values, scored(counts), Bootstrap(10, 0))
    assert found["worst"] == "b" and found["slices"]["c"]["few"] and not found["slices"]["b"]["few"]
    assert found["spread"] == {
        "low": 10.0,
        "mean": 20.0,
        "high": 30.0,
        "deviation": 14.142,
        "over": 2,
    }  # 20 / √2


def test_of_very_many_slices_the_largest_and_the_worst_are_kept():
    values = [f"s{k:02}" for k in range(60) for _ in range(FEW + (k != 59))]
    counts = [Counts(10, 9 if value == "s59" else 1, 0, 0) for value in values]
    found = slices(values, scored(counts), Bootstrap(10, 0))
    assert found["n"] == 60 and len(found["slices"]) == 51 and found["worst"] == "s59"
    assert found["spread"]["over"] == 60


def test_characters_of_other_scripts(recipe, capsys):
    write_table(
        recipe / "exp/main/decode_test/text",
        {"s-1": "о broаscа", "s-2": "unu doi 3 trei", "s-3": "mulțumescλ"},
    )
    score(recipe)
    found = document(recipe)["script"]["test"]
    # Cyrillic о, а, а and one λ; letters: 8, 10 (the digit has no script), 10
    assert found["scripts"] == ["Latn"] and found["references"] == {"chars": 27, "outside": 0, "share": 0.0}
    assert found["hypotheses"] == {"chars": 28, "outside": 4, "share": round(400 / 28, 3)}
    assert found["utterances"] == 2
    assert found["offenders"][0] == {"char": "а", "name": "U+0430 CYRILLIC SMALL LETTER A", "count": 2}
    assert "test: 14.29% of the characters are outside Latn: а U+0430" in capsys.readouterr().out
    assert document(recipe)["script"]["dev"]["offenders"] == []


@pytest.mark.parametrize("lang, scripts", [("jpn_Jpan", ["Hani", "Hira", "Kana"]), ("xyz_Ethi", ["Ethi"])])
def test_scripts_of_the_language(recipe, lang, scripts):
    (recipe / "recipe.yaml").write_text(f"lang: {lang}\nscore: {{bootstrap: 20}}\n")
    score(recipe)
    found = document(recipe)["script"]["test"]
    assert found["scripts"] == scripts and found["hypotheses"]["share"] == 100.0


def test_a_script_that_is_none(recipe, capsys):
    (recipe / "recipe.yaml").write_text("lang: xyz_Qaax\nscore: {bootstrap: 20}\n")
    assert score(recipe) == 0
    assert document(recipe)["script"]["test"] == {"absent": "Qaax is no script of Unicode's"}
    assert "other scripts are not counted: Unicode has no script Qaax" in capsys.readouterr().out


def test_means_of_utterances(recipe):
    score(recipe)
    means = document(recipe)["means"]["test"]
    assert set(means) == {"cer", "wer", "ser", "chrf"} and set(means["cer"]) == {"value", "ci95"}
    # 1/9, 4/12, 0; words 1/2, 1/3, 0
    assert (means["cer"]["value"], means["wer"]["value"]) == (
        round(100 * (1 / 9 + 1 / 3) / 3, 3),
        round(500 / 18, 3),
    )
