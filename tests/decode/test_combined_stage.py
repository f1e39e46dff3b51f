"""A model that writes, with and without a CTC head, from stage 7 to a bundle."""

import json

import pytest

from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.registry import FAMILIES
from xlt.formats.tables import read_table

LM = ["lm.type=ngram", "lm.words=none"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES.entries, "writers", "tests.decode.toy_writer:WRITERS")
        patch.setitem(FAMILIES.entries, "deaf", "tests.decode.toy_writer:DEAF")
        recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
        patch.chdir(recipe)
        for stage in ("tokens", "lm", "train"):
            assert main([stage, "--recipe", str(recipe), "train.family=writers", *LM]) == 0
        for stage in ("lm", "train"):
            assert main([stage, "--recipe", str(recipe), "train.family=deaf", "tag=deaf", *LM]) == 0
        yield recipe


def run(stage, recipe, *settings):
    return main([stage, "--recipe", str(recipe), "train.family=writers", *LM, *settings])


def deaf(stage, recipe, *settings):
    return main([stage, "--recipe", str(recipe), "train.family=deaf", "tag=deaf", *LM, *settings])


def test_combined(recipe):
    assert run("decode", recipe, "decode.method=combined") == 0
    folder = recipe / "exp/main/decode_test"
    assert {"text", "greedy", "beam", "attention", "ctm", "nbest.jsonl"} <= {p.name for p in folder.iterdir()}
    row = json.loads((folder / "nbest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert {"text", "acoustic", "lm", "score", "ctc", "attention"} == set(row["nbest"][0])


def test_a_model_without_ctc_is_decoded_by_attention(recipe):
    assert deaf("decode", recipe) == 0
    folder = recipe / "exp/deaf/decode_test"
    assert not any((folder / name).exists() for name in ("greedy", "ctm"))
    assert json.loads((folder / "decode.json").read_text())["method"] == "attention"
    assert read_table(folder / "text")
