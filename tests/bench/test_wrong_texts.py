"""Wrong texts: whose text goes where, what is written, and what is counted of a filter."""

import subprocess
from pathlib import Path

import pytest

from tests.bench import wrong_texts
from tests.bench.wrong_texts import exchanged, filtered, judged, plant
from xlt.core.config import ROOT, load
from xlt.core.plan import check, read
from xlt.formats.tables import read_scp, read_table, write_table

TEXTS = {f"s-u{n:02d}": "abcdefghijklmnop"[: n // 3 + 1] + str(n) for n in range(40)}


@pytest.mark.parametrize("share, count", [(0.0, 0), (0.1, 4), (0.3, 12), (0.5, 20), (1.0, 40), (0.075, 3)])
def test_texts_go_to_clips_of_like_length(share, count):
    found = exchanged(TEXTS, share, seed=0)
    assert len(found) == count
    assert sorted(found.values()) == sorted(TEXTS[utt] for utt in found)  # none is lost, none is there twice
    assert all(found[utt] != TEXTS[utt] for utt in found)
    assert found == exchanged(dict(reversed(TEXTS.items())), share, seed=0)
    if share == 1.0:
        assert max(abs(len(found[utt]) - len(TEXTS[utt])) for utt in found) <= 1


def test_a_text_that_is_the_same_is_no_wrong_one():
    assert exchanged({"a": "x", "b": "x", "c": "yyy", "d": "zzz"}, 1.0, 0) == {"c": "zzz", "d": "yyy"}


@pytest.fixture
def planted(tmp_path):
    """The recipes made of one with 40 clips of six seconds, of which two minutes are kept."""
    recipe = tmp_path / "ces"
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text("lang: ces_Latn\n", encoding="utf-8")
    for name in ("train", "dev", "test"):
        data = recipe / "data" / name
        data.mkdir(parents=True)
        write_table(data / "text", TEXTS)
        write_table(data / "utt2dur", dict.fromkeys(TEXTS, "6.0"))
        write_table(data / "utt2spk", dict.fromkeys(TEXTS, "s"))
        write_table(data / "wav.scp", {utt: f"data/{name}/{utt}.wav" for utt in TEXTS})
    plant(recipe, tmp_path / "egs", [0, 10, 30, 50], 2.0, seed=0)
    return recipe, tmp_path / "egs"


def test_recipes_are_written_with_lists_of_what_is_wrong_and_of_the_halves(planted):
    recipe, egs = planted
    own = egs / "ces_wrong50"
    texts, wrong = read_table(own / "corpus/train/text"), read_table(own / wrong_texts.PLANTED)
    assert len(texts) == 20 and len(wrong) == 10
    assert {utt for utt in texts if texts[utt] != TEXTS[utt]} == wrong.keys()
    assert all(why == f"was: {TEXTS[utt]}" for utt, why in wrong.items())
    assert read_table(own / "corpus/test/text") == TEXTS
    assert read_scp(own / "corpus/dev/wav.scp", own)["s-u00"] == str(recipe / "data/dev/s-u00.wav")
    first, second = (set(read_table(own / name)) for name in wrong_texts.HALVES)
    assert first | second == texts.keys() and not first & second and len(first) == len(second) == 10
    assert read_table(egs / "ces_wrong0" / wrong_texts.PLANTED) == {}
    assert load(own).data.reader == "kaldi"


def test_the_experiment_file_is_for_what_is_planted(planted):
    plan = read(ROOT / "tests/bench/wrong_texts.yaml")
    check(plan, planted[1])
    assert {run.recipe for run in plan.runs} == {f"ces_wrong{share}" for share in (0, 10, 30, 50)}
    files = {
        word.partition("=")[2] for run in plan.runs for word in run.settings if word.startswith("data.drop")
    }
    assert {file.rpartition("/")[2] for file in files} == {
        wrong_texts.PLANTED,
        wrong_texts.FILTERED,
    }
    for run in plan.runs:
        assert set(wrong_texts.SETTINGS) <= set(run.settings)


def test_a_filter_is_judged_by_the_clips_that_are_learned():
    assert judged({"a", "b", "gone"}, {"b", "c", "gone"}, {"a", "b", "c", "d"}) == (2, 1, 1, 4)


def test_what_stage_2_proposes_is_kept_and_compared(planted, monkeypatch):
    own = planted[1] / "ces_wrong50"
    wrong, right = sorted(read_table(own / wrong_texts.PLANTED)), []

    drops = []

    def stages(words, cwd, check):
        drops.extend(set(read_table(Path(word.partition("=")[2]))) for word in words if "data.drop=" in word)
        if "check" not in words:
            return
        number = len(drops) // 2
        names = ",".join(f"{own}/exp/half{half}_{number}" for half in (1, 2))
        assert "check.align=true" in words and f"check.align_model=[{names}]" in words
        texts = read_table(own / "corpus/train/text")
        right[:] = sorted(texts.keys() - set(wrong))[: 3 - number]
        for folder, table, rows in (
            ("train", "text", texts),
            ("check", "drop.txt", dict.fromkeys([*wrong[: 5 + number], *right], "why")),
        ):
            (own / "data" / folder).mkdir(parents=True, exist_ok=True)
            write_table(own / "data" / folder / table, rows)

    monkeypatch.setattr(subprocess, "run", stages)
    halves = [set(read_table(own / name)) for name in wrong_texts.HALVES]
    first = {*wrong[:6], *sorted(read_table(own / "corpus/train/text").keys() - set(wrong))[:2]}
    assert filtered(own, rounds=2) == (10, 7, 1, 20)
    assert drops == [*halves, *(half | first for half in halves)]
    assert set(read_table(own / wrong_texts.FILTERED)) == {*wrong[:7], *right} and len(right) == 1
