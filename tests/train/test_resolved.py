"""What a training must know is found out once: how often files of the source model and recipe.yaml are
opened.
"""

import pytest

from tests.bench.opens import make_recipes, train_stage
from tests.errors import raises
from xlt.cli import main
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import ConfigError, MissingInput
from xlt.models.resolved import origin_facts, resolve

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return make_recipes(tmp_path_factory.mktemp("opens") / "egs")


def test_a_training_opens_each_recipe_once_and_the_source_for_stamp_digest_and_content(recipe, monkeypatch):
    monkeypatch.setenv("XLT_CWD", str(recipe))
    noted = ("/stage.json", "/bundle.json")  # where digests are: small, and looked for again and again
    counts = {n: count for n, count in train_stage(recipe).items() if not n.endswith(noted)}
    stamp = {"model.pth", "tokens.txt", "xlt.json", "feats_stats.npz"}
    # model.pth for the beginning and again, hours later, for train.average_source; its checksums first
    most = {"model.pth": 4, "tokens.txt": 1, "xlt.json": 1, "feats_stats.npz": 1, "heard": 1}
    model = {name: count for name, count in counts.items() if "exp/main" in name}
    assert model == {f"spa/exp/main/{name}": count + 2 * (name in stamp) for name, count in most.items()}
    assert {name: count for name, count in counts.items() if name not in model} == {
        "fra/recipe.yaml": 1,
        "new/recipe.yaml": 1,
        "ron/recipe.yaml": 1,
    }


def test_what_is_resolved_is_what_training_reads(recipe, monkeypatch):
    monkeypatch.chdir(recipe)
    words = ["train.init=../spa/exp/main", "train.init_tokens=match", "train.mix={spa: 0.25}"]
    assert main(["tokens", "--recipe", str(recipe), *words]) == 0
    found = resolve(Context(recipe, load(recipe, words)))
    assert list(found.sets) == ["train", "train_spa", "dev"] and found.cfg.train.freeze == "upstream"
    assert (found.normaliser, found.info["dim"], found.source.folder.name) == (
        "generic-v2+ron-v2",
        64,
        "main",
    )
    assert origin_facts(found.source) == {"lang": "spa_Latn", "tag": "main", "recipe": "spa"}
    names = [path.name for path in found.inputs]
    assert names.count("utt2audio") >= 3 and {"model.pth", "xlt.json", "feats_stats.npz"} <= set(names)


def test_a_limit_to_forgetting_needs_something_to_forget(recipe, monkeypatch):
    monkeypatch.chdir(recipe)
    with raises(ConfigError, "train.mix", "train.init", where="train.forget_limit=5%"):
        resolve(Context(recipe, load(recipe, ["train.forget_limit=5%"])))


def test_missing_features_name_the_stage(recipe, monkeypatch):
    monkeypatch.chdir(recipe)
    with raises(MissingInput) as caught:
        resolve(Context(recipe, load(recipe, ["features.upstream=fbank"])))
    assert caught.value.stage == "features"
