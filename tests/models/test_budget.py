"""How many epochs there is time for, and what is said of it."""

import json

import pytest

from tests.errors import raises
from tests.lazy import Lazy
from xlt.core.config import load
from xlt.core.errors import StageError
from xlt.core.log import spent
from xlt.models.budget import Budget, Plan

timing = Lazy("xlt.models.espnet.timing")


@pytest.mark.parametrize(
    "given, on_cpu, each_s, epochs",
    [
        (None, True, 600.0, 12),  # two hours are 7,200 s
        (None, True, 601.0, 11),
        (None, False, 601.0, 30),  # no limit
        (1.0, False, 600.0, 6),
        (5.0, True, 600.0, 30),
    ],
)
def test_as_many_epochs_are_trained_as_there_is_time_for(given, on_cpu, each_s, epochs):
    plan = Budget(given, on_cpu).plan(30, lambda n: n * each_s)
    assert plan == Plan(epochs, 30, each_s) and plan.facts == {"wanted": 30, "epoch_s": each_s}


def test_time_that_is_gone_counts():
    assert Budget(1.0, True).plan(9, lambda n: n * 600.0, begun_s=1200.0).epochs == 4


def test_it_says_what_there_is_no_time_for_and_what_a_gpu_would_do(capsys):
    Budget(None, True).plan(30, lambda n: n * 1800.0)
    told = "  4 epochs of about 30 min, 2.0 h in all; 30 would take 15.0 h, more than train.max_hours=2"
    assert capsys.readouterr().out == f"{told}; with a GPU all 30 are trained\n"
    Budget(0.5, True).plan(3, lambda n: n * 900.0)
    told = "  2 epochs of about 15 min, 30 min in all; 3 would take 45 min, more than train.max_hours=0.5"
    assert capsys.readouterr().out == f"{told}\n"
    Budget(None, True).plan(3, lambda n: n * 9.0)
    assert capsys.readouterr().out == "  3 epochs of about 9 s, 27 s in all\n"


def test_no_time_for_one_epoch_is_an_error_with_the_remedy():
    with raises(StageError, "1.9 h", "raise train.max_hours", "preset=fast", where="train.max_hours=1"):
        Budget(1.0, True).plan(6, lambda n: n * 7000.0)


def test_steps_of_the_head_alone_cost_less():
    """Ten steps an epoch, of which the first 15 are early; two seconds on dev behind each."""
    pace = timing.Pace(step_s=2.0, head_s=1.0, freeze_updates=15, dev_s=2.0, steps=10)
    assert pace.seconds(1) == 10 * 1 + 2
    assert pace.seconds(3) == 15 * 1 + 15 * 2 + 3 * 2


@pytest.mark.parametrize("seconds, said", [(0.26, "0.3 s"), (40, "40 s"), (720, "12 min"), (9000, "2.5 h")])
def test_times_in_words(seconds, said):
    assert spent(seconds) == said


def test_an_interrupted_run_goes_on_with_its_plan(tmp_path):
    """Also at a moment in which the machine is slower: nothing is timed again."""
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n", encoding="utf-8")
    train = load(tmp_path, []).train
    (tmp_path / "work").mkdir()
    kept = tmp_path / "work" / timing.FILE
    kept.write_text(json.dumps({"epochs": 7, "wanted": 30, "epoch_s": 12.5}), encoding="utf-8")
    assert timing.planned(tmp_path / "none.yaml", train, 30, tmp_path) == Plan(7, 30, 12.5)
    assert timing.facts(tmp_path) == {"time": {"wanted": 30, "epoch_s": 12.5}}
    kept.unlink()
    (tmp_path / timing.NEWEST).touch()  # of a version that timed nothing
    assert timing.planned(tmp_path / "none.yaml", train, 30, tmp_path).epochs == 30
    assert timing.facts(tmp_path) == {}


@pytest.mark.parametrize("device, seconds", [("cpu", 2.0), ("cuda", 10.0)])
def test_other_work_on_the_processor_does_not_count(monkeypatch, device, seconds):
    """Each batch takes ten seconds of the day and two of the processor; a GPU is waited for."""
    done = []
    days, own = iter(range(0, 1000, 10)), iter(range(0, 200, 2))
    monkeypatch.setattr("time.monotonic", lambda: next(days))
    monkeypatch.setattr("time.process_time", lambda: next(own))
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    batches = [([f"u{n}"], {}) for n in range(9)]
    assert timing._mean(batches, done.append, 6, device) == seconds
    assert [batch["utt_id"] for batch in done] == [[f"u{n}"] for n in range(7)]  # the first only warms up
    assert timing._mean(batches[:1], done.append, 6, device) == seconds  # but if there is no other
