"""The texts of all folds put together, from what made-up folds have left."""

import json
import shutil
from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import DataError, MissingInput
from xlt.core.stage import read_json, run_unit
from xlt.decode import pool
from xlt.formats.tables import read_table, write_table

INFO = Path(__file__).parents[1] / "fixtures/bundle_v1/xlt.json"
FOLDS = {1: ["a-1", "b-1"], 2: ["a-2"], 3: ["c-1"]}  # what each tests
EVERY = sorted(utt for utts in FOLDS.values() for utt in utts)


@pytest.fixture
def recipe(tmp_path):
    """A recipe with three folds that were decoded: the second greedily, the others with a language model."""
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ndata: {split: cross, folds: 3}\n")
    data = tmp_path / "data/test"
    data.mkdir(parents=True)
    write_table(data / "text", dict.fromkeys(EVERY, "un urs"))
    write_table(data / "utt2audio", {utt: f"audio-{utt}" for utt in EVERY})
    write_table(data / "utt2content", {utt: f"content-{utt}" for utt in EVERY})
    for fold, utts in FOLDS.items():
        exp = tmp_path / f"exp/main_fold{fold}"
        out = exp / "decode_test"
        out.mkdir(parents=True)
        shutil.copyfile(INFO, exp / "xlt.json")
        learned = [utt for utt in EVERY if utt not in utts]
        write_table(exp / "heard", {utt: f"audio-{utt} content-{utt}" for utt in learned})
        write_table(out / "text", {utt: f"text of {fold}" for utt in utts})
        write_table(out / "score", dict.fromkeys(utts, "-1.0000"))
        if fold != 2:
            write_table(out / "greedy", {utt: f"greedy of {fold}" for utt in utts})
        lines = [
            f"{utt} 1 {start} 0.50 {word}\n" for utt in utts for start, word in (("0.00", "z"), ("1.00", "a"))
        ]
        (out / "ctm").write_text("".join(lines))
        facts = {
            "method": "greedy" if fold == 2 else "beam",
            "utterances": len(utts),
            "audio_s": 10.0 * fold,
            "wall_s": 3.0,
            "cpu_s_per_s": {"ctc": 0.1 * fold},
        }
        (out / "decode.json").write_text(json.dumps(facts))
    return tmp_path


def pooled(recipe):
    ctx = Context(recipe, load(recipe))
    run_unit(ctx, pool.unit(ctx, "test"))
    return recipe / "exp/main/decode_test"


def test_each_text_is_that_of_its_fold(recipe):
    out = pooled(recipe)
    assert read_table(out / "text") == {
        "a-1": "text of 1",
        "a-2": "text of 2",
        "b-1": "text of 1",
        "c-1": "text of 3",
    }
    assert list(read_table(out / "text")) == EVERY  # in the order of all, not of the folds
    assert (
        read_table(out / "greedy")["a-2"] == "text of 2"
        and read_table(out / "greedy")["c-1"] == "greedy of 3"
    )
    words = [line.split()[0::4] for line in (out / "ctm").read_text().splitlines()]
    assert words == [[utt, word] for utt in EVERY for word in "za"]


def test_what_it_cost_is_the_mean_over_the_speech(recipe):
    facts = read_json(pooled(recipe) / "decode.json", "decode")
    assert (facts["method"], facts["folds"], facts["utterances"]) == ("beam or greedy", 3, 4)
    # (10 · 0.1 + 20 · 0.2 + 30 · 0.3) / 60 and 9 s for 60 s of speech
    assert facts["cpu_s_per_s"] == {"ctc": 0.2333} and facts["real_time_factor"] == 0.15


def test_it_is_up_to_date_until_a_fold_changes(recipe, capsys):
    pooled(recipe)
    pooled(recipe)
    assert capsys.readouterr().out.splitlines()[-1] == "decode: exp/main/decode_test is up to date"
    write_table(recipe / "exp/main_fold3/decode_test/text", {"c-1": "another text"})
    assert read_table(pooled(recipe) / "text")["c-1"] == "another text"


def test_a_fold_that_was_not_decoded(recipe):
    (recipe / "exp/main_fold2/decode_test/decode.json").unlink()
    with raises(MissingInput, "exp/main_fold2/decode_test/decode.json"):
        pooled(recipe)


@pytest.mark.parametrize(
    "learned",
    [
        ({"c-1": "audio-c-1 content-c-1"}),
        ({"x": "audio-c-1 -"}),
        ({"x": "other content-c-1"}),
    ],
)
def test_a_model_that_knows_what_it_is_tested_on_is_refused(recipe, learned):
    write_table(recipe / "exp/main_fold3/heard", learned)
    with raises(DataError, "c-1", where="exp/main_fold3"):
        pooled(recipe)


def test_another_recording_of_the_same_name_is_another_one(recipe):
    write_table(recipe / "exp/main_fold3/heard", {"c-1": "other other"})  # of the model that it started from
    assert read_table(pooled(recipe) / "text")["c-1"] == "text of 3"


def test_an_utterance_that_two_folds_or_none_test(recipe):
    write_table(recipe / "exp/main_fold2/decode_test/text", {"a-2": "x", "c-1": "y"})
    (recipe / "exp/main_fold2/heard").write_text("")
    with raises(DataError, "c-1", "exp/main_fold2", where="exp/main_fold3"):
        pooled(recipe)
    write_table(recipe / "exp/main_fold2/decode_test/text", {})
    with raises(DataError, "a-2", where="data/test/text"):
        pooled(recipe)
