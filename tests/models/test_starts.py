"""Trainings of small networks that begin again: when, with what, and what is left of the starts before."""

import json
import math
from dataclasses import replace

import pytest

from tests.interrupt import interrupt_after
from tests.lazy import Lazy, torch
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.config import load
from xlt.models.budget import Plan

starts = Lazy("xlt.models.espnet.starts")


@pytest.fixture
def settings(tmp_path):
    """``settings("train.x=y", …)``: those of preset=fast with a frozen upstream, without a GPU."""
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\npreset: fast\ntrain: {ngpu: 0}\n")
    return lambda *words: load(tmp_path, words)


def watched(work, cfg, plan, steps):
    """The epoch at which the trainer will look at dev, None if it will not."""
    starts.watch(work, cfg, starts.current(work, cfg, plan), plan, steps)
    kept = work / "watch.json"
    return json.loads(kept.read_text())["epoch"] if kept.exists() else None


@pytest.mark.parametrize(
    "epochs, steps, at",
    [
        (30, 50, 12),  # 40% of 30
        (20, 50, 10),  # 8 would be 400 updates, where Greek has not begun; 500 are 10 epochs
        (8, 150, 4),  # 480 updates, so 500: 3.3
        (30, 300, 10),  # 12 would be 3,600 updates; 3,000 are 10 epochs
        (10, 5000, 1),
        (20, 30, None),  # 500 updates are 17 epochs: too late
    ],
)
def test_dev_is_looked_at_when_others_have_begun(tmp_path, settings, epochs, steps, at):
    assert watched(tmp_path, settings(), Plan(epochs, epochs, 1.0), steps) == at


@pytest.mark.parametrize(
    "words",
    [
        ["train.encoder=conformer", "train.encoder_conf={}"],
        ["preset=hybrid_ssl"],
        ["features.on_the_fly=true"],
        ["train.init=elsewhere"],
    ],
)
def test_networks_of_which_less_is_known_are_left_alone(tmp_path, settings, words):
    assert watched(tmp_path, settings(*words), Plan(30, 30, 1.0), 50) is None


def test_starts_share_the_time_that_there_is(tmp_path, settings):
    """Two hours and epochs of 200 s: 36 of them."""
    cfg, plan = settings(), Plan(30, 30, 200.0)
    assert watched(tmp_path, cfg, plan, 50) == 12  # leaves 24, more than half of 30
    (tmp_path / "starts.json").write_text('[{"epoch": 12, "cer": 0.97}]')
    start = starts.current(tmp_path, cfg, plan)
    assert (start.epochs, start.seed(7)) == (24, 1007)
    assert watched(tmp_path, cfg, plan, 50) is None  # 10 of 24 would leave 14
    assert watched(tmp_path, cfg, replace(plan, epoch_s=100.0), 50) == 12  # 72 in all
    (tmp_path / "starts.json").write_text('[{"epoch": 12, "cer": 0.97}, {"epoch": 12, "cer": 0.9}]')
    assert starts.current(tmp_path, cfg, replace(plan, epoch_s=100.0)).seed(7) == 2007
    assert watched(tmp_path, cfg, replace(plan, epoch_s=100.0), 50) is None  # the third is the last


def test_only_blanks_at_that_epoch_end_a_start(tmp_path):
    (tmp_path / "work").mkdir()
    starts.look(tmp_path, 12, 1.0)  # nothing to look at
    (tmp_path / "work" / "watch.json").write_text('{"epoch": 12}')
    starts.look(tmp_path, 11, 1.0)
    starts.look(tmp_path, 12, 0.79)
    with pytest.raises(starts.Stuck) as found:
        starts.look(tmp_path, 12, 0.88)
    assert (found.value.epoch, found.value.rate) == (12, 0.88)
    starts.look(tmp_path, 13, 1.0)


@pytest.mark.trains
def test_it_ends_as_if_it_had_begun_with_the_last_seed_also_when_interrupted(tmp_path, monkeypatch, capsys):
    """Any dev is called stuck: two starts of four epochs are given up at their second."""
    recipe = make_toy_recipe(tmp_path, train=12, held_out=4)
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    words = ["train", "--recipe", str(recipe), "train.average_best=1"]
    assert main([*words, "tag=straight", "seed=2000"]) == 0
    monkeypatch.setattr("xlt.models.espnet.starts.STUCK", 0.0)
    monkeypatch.setattr("xlt.models.espnet.starts.UPDATES", (1, math.inf))
    capsys.readouterr()
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)  # of all: in the first epoch of the second start
        assert main([*words, "tag=again"]) == 130
    assert main([*words, "tag=again"]) == 0
    out = capsys.readouterr().out
    assert out.count("% of characters are wrong on dev: the network has not begun to find the texts") == 2
    made = {tag: recipe / "exp" / tag for tag in ("straight", "again")}
    kept = json.loads((made["again"] / "stage.json").read_text())["given_up"]
    assert [one["epoch"] for one in kept] == [2, 2]
    assert "given_up" not in json.loads((made["straight"] / "stage.json").read_text())
    one, other = (torch.load(path / "model.pth", weights_only=True) for path in made.values())
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(made["again"].glob("*epoch.pth"))
