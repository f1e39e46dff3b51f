"""`xlt score --compare`: what it says, and what it refuses."""

import json
from math import comb

import pytest

from tests.report.documents import document, entry
from tests.score.test_score import score
from xlt.cli import main
from xlt.score.compare import compare as compare_two
from xlt.score.compare import compare_all, read


def system(errors, other=None, name="test", norm="ron-v1", **counts):
    """A score.json of utterances of 10 characters and 2 words, in the form of version 1."""
    whole = document("a")
    for key in ("dev", "test"):
        del whole[key]
    own = {
        "ids": "same",
        "errors": errors,
        "n_ref": [10] * len(errors),
        "wer": {"errors": other or errors, "n_ref": [2] * len(errors)},
    }
    return whole | {
        name: {"cer": entry(1.0), "wer": entry(1.0)},
        "counts": {name: own | counts},
        "signature": {name: {"cer": f"CER 1.0 ±0.1 | norm:{norm} | n:2 | tok:char | seed:0"}},
        "data": {name: whole["data"]["test"]},
    }


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(a, b, *words):
        for name, scores in (("a", a), ("b", b)):
            (tmp_path / f"{name}.json").write_text(json.dumps(scores))
        code = main(["score", "--compare", "a.json", "b.json", *words])
        out = capsys.readouterr()
        return code, out.err if code else out.out

    return run


def test_which_is_better_and_by_how_much(compare):
    # 2 of 10 and 1 of 10 in each utterance: every resample says the same; p = 2 / 10,001; of 2 words one more
    # is wrong
    code, text = compare(system([2] * 30), system([1] * 30, [2] * 30))
    assert code == 0
    assert text.splitlines()[1:5] == [
        "  test, characters: B makes 50% fewer errors (95% interval 50 to 50%, p 0.0002)",
        "    CER A 20.0, B 10.0, n:30; difference -10.0 points [-10.0, -10.0]",
        "  test, words: B makes as many errors in each utterance",
        "    WER A 100.0, B 100.0, n:30; difference +0.0 points [+0.0, +0.0]",
    ]
    assert "boot:10000 | seed:0" in text
    # the other way round the relative change is of the smaller rate
    text = compare(system([1] * 30), system([2] * 30))[1]
    assert "characters: B makes 100% more errors (95% interval 100 to 100%, p 0.0002)" in text
    assert "difference +10.0 points [+10.0, +10.0]" in text


def test_no_clear_difference_and_its_p(compare):
    # one more error in one utterance of ten, one fewer in two: a resample is positive or zero where it draws
    # at least as
    # many of the one as of the two; the exact chance, worked out below, is 0.357
    text = compare(system([1] * 10), system([2, 0, 0] + [1] * 7), "--set", "test")[1]
    chance = sum(
        comb(10, k) * comb(10 - k, m) * 0.1**k * 0.2**m * 0.7 ** (10 - k - m)
        for k in range(11)
        for m in range(11 - k)
        if k >= m
    )
    said = "characters: no difference that the test set could show: B makes 10% fewer errors (95% interval "
    assert said in text and "difference -1.0 points" in text
    p = float(text.split(", p ")[1].split(")")[0])
    assert p == pytest.approx(2 * chance, abs=0.02)


def test_equal_sums_of_different_errors(compare):
    assert "B makes as many errors in all" in compare(system([1, 2, 3]), system([3, 2, 1]))[1]


def test_a_system_without_errors(compare):
    text = compare(system([0] * 20), system([1] * 20))[1]
    assert "B makes 10 points more errors (95% interval 10 to 10 points, p 0.0002)" in text
    assert "CER A 0.0, B 10.0, n:20; difference +10.0 points" in text


PHONES = {
    "test": {"per": entry(1.0)},
    "counts": {"test": {"ids": "same", "errors": [1] * 3, "n_ref": [10] * 3}},
}


@pytest.mark.parametrize(
    "other, message",
    [
        (
            system([1], ids="else"),
            "test: a.json and b.json were not scored on the same utterances (3 and 1)",
        ),
        (
            system([1] * 3, norm="generic-v1"),
            "test: the texts of a.json were normalised by ron-v1, those of b.json by generic-v1",
        ),
        (system([1] * 3, name="dev"), "no set in common: a.json has test, b.json dev"),
        (system([1] * 3) | PHONES, "a.json was scored by CER, b.json by PER"),
        (
            document("old"),
            "b.json: has no counts of each utterance, as an older xlt wrote it; run stage 8 (score) again",
        ),
        ({"ranking": []}, "b.json: no scores of stage 8"),
        ([], "b.json: no scores of stage 8"),
    ],
)
def test_what_does_not_compare(compare, other, message):
    code, text = compare(system([1] * 3), other)
    assert code == 2 and message in text


def test_texts_of_another_length(compare):
    other = system([1] * 3)
    other["counts"]["test"]["n_ref"] = [11] * 3
    assert "the references of a.json and b.json differ in length" in compare(system([1] * 3), other)[1]


def test_a_set_that_one_lacks(compare):
    code, text = compare(system([1] * 3), system([1] * 3), "--set", "dev")
    assert code == 2 and "dev: no scores of this set in a.json and b.json; both have test" in text


@pytest.mark.parametrize(
    "words, message",
    [
        (["--compare", "exp/main", "exp/none"], "exp/none: no such experiment ("),
        (["--compare", "exp/main", "exp/empty"], "exp/empty: no score.json in it; run stage 8"),
        (["--compare", "exp/main", "exp/main/score.json"], "are the same scores"),
        (["--compare", "exp/main", "exp/main", "tag=x"], "takes no settings, found 'tag=x'"),
        (["--set", "dev"], "--set: only --compare A B has a set"),
    ],
)
def test_calls_that_cannot_be(recipe, capsys, words, message):
    score(recipe)
    (recipe / "exp/empty").mkdir()
    assert score(recipe, *words) == 2
    assert message in capsys.readouterr().err


def test_experiments_and_results_of_a_recipe(recipe, capsys):
    score(recipe)
    (recipe / "exp/other").mkdir()
    scores = json.loads((recipe / "exp/main/score.json").read_text(encoding="utf-8"))
    scores["counts"]["test"]["metrics"]["cer"]["errors"] = [0, 0, 0]
    (recipe / "results").mkdir()
    (recipe / "results/other.json").write_text(json.dumps(scores))
    capsys.readouterr()
    (recipe / "recipe.yaml").unlink()  # it is not needed
    assert score(recipe, "--compare", "exp/main", "results/other.json") == 0
    out = capsys.readouterr().out
    assert (
        "A exp/main, B results/other.json" in out
        and "  dev, characters: B makes as many errors in each utterance" in out
        and "    CER A 16.7, B 0.0, n:3" in out
    )


def test_all_at_once_is_what_each_pair_gives(tmp_path):
    whole = {
        "a": system([2, 0, 1] * 5),
        "b": system([1, 1, 1] * 5, [2, 1, 0] * 5),
        "other_texts": system([1, 1, 1] * 5, norm="ron-v2"),
        "c": system([0] * 15),
    }
    systems = []
    for name, scores in whole.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(scores))
        systems.append(read(tmp_path / f"{name}.json", name))
    found = compare_all(systems, "test")
    assert set(found) == {(0, 1), (1, 0), (0, 3), (3, 0), (1, 3), (3, 1)}
    for (a, b), own in found.items():
        assert own == compare_two(systems[a], systems[b], "test")
    assert compare_all(systems, "dev") == {}
