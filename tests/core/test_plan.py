"""Experiment files: the grid, what stands in a run, and each fault with its file and line."""

import pytest

from xlt.core.config import ROOT
from xlt.core.errors import ConfigError
from xlt.core.plan import check, read, stages_before_training

GRID = """
name: transfer
runs:
  - for: {target: [cat, dan], minutes: [5, null], seed: [0, 1]}
    except: [{target: dan, minutes: 5}]
    recipe: "{target}"
    tag: "x{minutes}_s{seed}"
    settings: ["data.train_minutes={minutes}", "features.path=../multi/exp/x", "train.encoder_conf={hidden_size: 8}"]
    column: "log-mels, {minutes}"
  - {recipe: multi, tag: x, stages: [data, train]}
"""


@pytest.fixture
def plan(tmp_path):
    def make(text):
        path = tmp_path / "e.yaml"
        path.write_text(text, encoding="utf-8")
        return read(path)

    return make


def test_a_grid_is_every_combination_but_the_exceptions(plan):
    runs = plan(GRID).runs
    assert [run.name for run in runs] == [
        "cat/x5_s0",
        "cat/x5_s1",
        "cat/xnull_s0",
        "cat/xnull_s1",
        "dan/xnull_s0",
        "dan/xnull_s1",
        "multi/x",
    ]
    assert runs[0].settings == (
        "data.train_minutes=5",
        "features.path=../multi/exp/x",
        "train.encoder_conf={hidden_size: 8}",
    )
    assert runs[0].column == "log-mels, 5" and runs[0].labels == {
        "target": "cat",
        "minutes": "5",
        "seed": "0",
    }
    assert runs[0].stages[0] == "data" and runs[0].stages[-1] == "report" and "bundle" not in runs[0].stages
    assert runs[-1].stages == ("data", "train") and runs[-1].column is None


def test_runs_that_others_need_come_first(plan):
    found = plan(GRID)
    assert [run.name for run in found.ordered()][:2] == ["multi/x", "cat/x5_s0"]
    assert [run.name for run in found.needs(found.runs[0])] == ["multi/x"]
    assert found.needs(found.runs[-1]) == []


def test_words_of_a_stage_and_which_stages_share_their_output(plan, tmp_path):
    run = plan(GRID).runs[-1]
    assert run.words == ("tag=x",)
    assert stages_before_training(run) == (["data"], ["train"])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "e.yaml: is empty"),
        ("name: a\n", "e.yaml:1: runs: is missing here"),
        ("name: a\nrun: []\nruns: []\n", "e.yaml:2: run: unknown key; did you mean runs?"),
        ("name: a\nname: b\nruns: []\n", "e.yaml:2: name: duplicate key"),
        ("name: a\nruns: {}\n", "e.yaml:2: runs: expected a list"),
        ("name: a\nruns: [\n", "not valid YAML"),
        ("name: a\nruns:\n  - {recipe: ron}\n", "e.yaml:3: runs: tag: is missing"),
        (
            "name: a\nruns:\n  - {recipe: ron, tag: a}\n  - {recipe: ron, tag: a}\n",
            "e.yaml:4: runs: ron/a: duplicate run (first at",
        ),
        (
            "name: a\nruns:\n  - recipe: ron\n    tag: '{seed}'\n",
            "e.yaml:4: tag: {seed}: no such variable; `for` has none",
        ),
        (
            "name: a\nruns:\n  - recipe: ron\n    tag: a\n    setting: []\n",
            "e.yaml:5: setting: unknown key; did you mean settings?",
        ),
        (
            "name: a\nruns:\n  - {recipe: ron, tag: a, settings: [seed]}\n",
            "settings: found 'seed', expected key=value",
        ),
        ("name: a\nruns:\n  - {recipe: ron, tag: a, settings: [tag=b]}\n", "the tag has its own key"),
        (
            "name: a\nruns:\n  - {recipe: ron, tag: a, settings: [{seed: 1}]}\n",
            "settings: expected one value",
        ),
        ("name: a\nruns:\n  - {recipe: ron, tag: a, stages: [trian]}\n", "no stage 'trian'"),
        (
            "name: a\nruns:\n  - for: {t: [ron]}\n    except: [{t: cat}]\n    recipe: '{t}'\n    tag: a\n",
            "e.yaml:4: except: t: 'cat' is not among ron",
        ),
        (
            (
                "name: a\nruns:\n  - {recipe: a, tag: x, settings: [features.path=../b/exp/y]}\n"
                "  - {recipe: b, tag: y, settings: [features.path=../a/exp/x]}\n"
            ),
            "b/y → a/x → b/y: these runs wait for each other",
        ),
    ],
)
def test_faults_name_file_line_and_key(plan, text, part):
    with pytest.raises(ConfigError) as err:
        plan(text)
    assert part in str(err.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        read(tmp_path / "nowhere.yaml")


def test_recipes_and_settings_are_checked_before_any_work(plan, tmp_path):
    (tmp_path / "ron").mkdir()
    (tmp_path / "ron" / "recipe.yaml").write_text("lang: ron_Latn\n")
    with pytest.raises(ConfigError, match=r"e\.yaml:3: ron/a: .*train\.lrr: unknown key"):
        check(plan("name: a\nruns:\n  - {recipe: ron, tag: a, settings: [train.lrr=1]}\n"), tmp_path)
    with pytest.raises(ConfigError, match=r"e\.yaml:3: recipe: no recipe 'swh'"):
        check(plan("name: a\nruns:\n  - {recipe: swh, tag: a}\n"), tmp_path)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "egs" / "common" / "experiments").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_experiments_of_the_project_fit_its_recipes(path):
    found = read(path)
    check(found, ROOT / "egs")
    assert found.name == path.stem


def test_the_languages_experiment_is_the_one_behind_the_table():
    runs = read(ROOT / "egs/common/experiments/languages.yaml").runs
    assert len(runs) == 9 * 2 * 2 * 3
    assert {"cat/whisper_base_10min_s2", "ron/fbank_all_s0"} <= {run.name for run in runs}
