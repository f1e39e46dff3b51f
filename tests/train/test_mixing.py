"""Other recipes' speech in the batches, what the source model could before and after, and the limit to
forgetting.
"""

import json

import pytest

from tests.lazy import Lazy
from tests.toy import make_toy_recipe, mix_in
from xlt.cli import main
from xlt.formats.tables import read_table

balance = Lazy("xlt.models.espnet.balance")
mixing = Lazy("xlt.models.espnet.mixing")

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    egs = tmp_path_factory.mktemp("egs")
    for name in ("old", "new"):
        (egs / name).mkdir()
        make_toy_recipe(egs / name)
    (egs / "old/recipe.yaml").write_text(
        (egs / "old/recipe.yaml").read_text().replace("ron_Latn", "spa_Latn")
    )
    assert main(["tokens", "--recipe", str(egs / "old")]) == 0
    assert main(["train", "--recipe", str(egs / "old"), "train.max_epochs=12"]) == 0
    mix_in(egs / "old", egs / "new", "old")
    return egs


@pytest.fixture
def new(two, monkeypatch):
    monkeypatch.setenv("XLT_CWD", str(two / "new"))
    return two / "new"


SETTINGS = [
    "train.init=../old/exp/main",
    "train.init_tokens=match",
    "decode.sets=[test]",
    "score.bootstrap=200",
]


def test_an_epoch_has_the_shares_and_the_scores_stand_before_and_after(new, capsys, monkeypatch):
    words = ["--recipe", str(new), "tag=mixed", "train.mix={old: 0.25}", "train.max_epochs=2", *SETTINGS]
    kept = {}
    monkeypatch.setattr(
        "shutil.rmtree", lambda path, *a, **k: kept.setdefault(str(path), balance.Plan.read(path / "train"))
    )
    assert main(["tokens", *words]) == 0
    assert main(["train", *words]) == 0
    monkeypatch.undo()
    assert "batches: 75% own, 25% old" in capsys.readouterr().out
    plan = next(p for p in kept.values() if p)
    frames = {
        u: int(n)
        for u, n in (
            read_table(new / "dump/whisper_base/train/utt2num_frames")
            | read_table(new / "dump/whisper_base/train_old/utt2num_frames")
        ).items()
    }
    drawn = balance.PlanSampler(plan, frames, 600, 1, 0).drawn(1)
    of_old = sum(frames[u] for u in drawn if u.startswith("old-"))
    own = sum(frames[u] for u in drawn if not u.startswith("old-"))
    assert own == sum(
        frames[u] for u in frames if plan.category[u] == mixing.OWN
    )  # an epoch is the own speech once
    assert abs(of_old / (own + of_old) - 0.25) < 0.02
    heard = read_table(new / "exp/mixed/heard")
    assert {"spk-train000", "old-spk-train000"} <= heard.keys()
    monkeypatch.setenv("XLT_CWD", str(new))
    for stage in ("decode", "score"):
        assert main([stage, *words]) == 0
    found = json.loads((new / "exp/mixed/score.json").read_text())
    forgotten = found["forgetting"]["test_old"]
    assert forgotten["after"]["value"] == found["sets"]["test_old"]["cer"]["value"]
    assert forgotten["difference"]["value"] == pytest.approx(
        forgotten["after"]["value"] - forgotten["before"]["value"], abs=2e-3
    )
    assert forgotten["relative"] == pytest.approx(
        100 * (forgotten["after"]["value"] / forgotten["before"]["value"] - 1), abs=0.02
    )
    low, high = forgotten["difference"]["ci95"]
    assert low <= forgotten["difference"]["value"] <= high
    # a language model is of the recipe's own language: other sets stay as they are
    before = read_table(new / "exp/mixed/decode_test_old/text")
    for stage in ("lm", "decode", "score"):
        assert main([stage, *words, "lm.type=ngram", "lm.words=none", "decode.method=beam"]) == 0
    assert (new / "exp/mixed/decode_test/greedy").exists()
    assert not (new / "exp/mixed/decode_test_old/greedy").exists()
    assert read_table(new / "exp/mixed/decode_test_old/text") == before
    found = json.loads((new / "exp/mixed/score.json").read_text())
    assert found["forgetting"]["test_old"] == forgotten and list(found["greedy"]) == ["test"]


def test_the_limit_is_a_gate_behind_the_scores(new, capsys):
    """Trained with hardly any update at a high rate, the model forgets all that it could."""
    words = [
        "--recipe",
        str(new),
        "tag=gate",
        "train.mix={old: 0}",
        "train.max_epochs=1",
        "train.lr=3",
        *SETTINGS,
    ]
    for stage in ("tokens", "train", "decode"):
        assert main([stage, *words]) == 0
    assert main(["score", *words]) == 0
    capsys.readouterr()
    assert main(["score", *words, "train.forget_limit=5%"]) == 2
    assert "train.forget_limit=5%: test_old:" in capsys.readouterr().err
    assert (new / "exp/gate/score.json").exists()
    assert main(["score", *words, "train.forget_limit=9900%"]) == 0


@pytest.mark.parametrize(
    "settings, message",
    [
        (["train.mix={old: 0.99}"], "times as much; lower its share, or give ../old more training speech"),
        (["train.mix={old: 0.6, spa: 0.5}"], "the shares sum to 1.1"),
        (["train.mix={old: 1.5}"], "found 'old': 1.5"),
        (["train.mix={old: 0.1}", "train.forget_limit=some"], "train.forget_limit: found 'some'"),
        (["train.mix={old: 0.1}", "train.balance=0.5"], "train.balance and train.mix"),
        (["train.mix={old: 0.1}", "train.forget_limit=5%"], "needs a model that could forget, train.init"),
        (["train.init=../old/exp/main", "train.forget_limit=5%"], "language to watch, train.mix"),
    ],
)
def test_mixtures_that_cannot_be_are_refused_before_training(new, capsys, settings, message):
    assert main(["tokens", "--recipe", str(new), "train.mix={old: 0.1}"]) == 0
    assert main(["train", "--recipe", str(new), "tag=bad", *settings]) == 2
    assert message in capsys.readouterr().err
    assert not (new / "exp/bad").exists()
