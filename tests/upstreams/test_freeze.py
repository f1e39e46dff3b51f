"""What train.freeze comes to: by the amount of training speech, by the time there is, by the upstream, by
what was set.
"""

import json
import re
from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.config import ROOT, documented_keys, load
from xlt.core.context import Context
from xlt.core.errors import ConfigError, MissingInput
from xlt.formats.tables import write_table
from xlt.upstreams import freeze as frozen
from xlt.upstreams.freeze import AMOUNTS, FACTS, decide, resolved

STATES = {
    "upstream": "stays frozen",
    "extractor": "is trained, except for its convolutions",
    "none": "is trained",
}


@pytest.fixture
def choose(tmp_path, capsys, monkeypatch):
    """Function: minutes of training speech, settings → (train.freeze, features.on_the_fly, dump folder, what
    was printed).
    """
    (tmp_path / "recipe.yaml").write_text(
        "lang: ron_Latn\nfeatures: {upstream: whisper_base}\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)

    def run(minutes, *settings):
        cfg = load(tmp_path, list(settings))
        if minutes is not None:
            folder = tmp_path / "data" / cfg.train_set
            folder.mkdir(parents=True, exist_ok=True)
            write_table(folder / "utt2dur", {f"u{n:02d}": f"{minutes * 6:.4f}" for n in range(10)})
        given = Context(Path("."), cfg)
        decide(given).tell()
        ctx = resolved(given)
        assert resolved(ctx).cfg == ctx.cfg
        return ctx.cfg.train.freeze, ctx.cfg.features.on_the_fly, ctx.dump.name, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    "minutes, freeze",
    [(29, "upstream"), (30, "extractor"), (31, "extractor"), (599, "extractor"), (601, "none")],
)
@pytest.mark.parametrize("upstream", ["whisper_base", "xls_r_300m"])
def test_auto_goes_by_the_minutes_of_training_speech(choose, minutes, freeze, upstream):
    tuned = freeze != "upstream"
    found = choose(minutes, f"features.upstream={upstream}")
    assert found[:3] == (freeze, tuned, upstream + ("_onfly" if tuned else ""))
    assert f"  the upstream {upstream} {STATES[freeze]} ({minutes:.1f} minutes of speech, " in found[3]


def test_it_counts_what_the_training_set_has_and_not_the_budget(choose):
    assert choose(29, "data.train_minutes=40")[0] == "upstream"
    assert "stays frozen (29.0 minutes of speech, under 30; change" in choose(29, "data.train_minutes=40")[3]


@pytest.mark.parametrize("upstream", ["fbank", "wavlm"])
def test_auto_leaves_alone_what_cannot_be_trained_at_any_size(choose, upstream):
    assert choose(601, f"features.upstream={upstream}")[:2] == ("upstream", False)
    said = choose(None, f"features.upstream={upstream}")[3]
    assert f"{upstream} stays frozen (it cannot be trained)" in said


def test_facts_are_json_without_durations_too(recipe):
    ctx = recipe(60, "features.upstream=fbank")
    (ctx.data / "train" / "utt2dur").unlink()
    facts = decide(ctx).facts
    assert facts[FACTS]["rests_on"]["speech_min"] is None
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize("freeze", ["upstream", "extractor", "none"])
def test_what_was_set_wins(choose, freeze):
    for minutes in (5, 700):
        assert choose(minutes, f"train.freeze={freeze}")[:2] == (freeze, freeze != "upstream")
    assert f"{STATES[freeze]} (train.freeze={freeze})" in choose(5, f"train.freeze={freeze}")[3]


def test_a_frozen_upstream_may_encode_on_the_fly(choose):
    assert choose(700, "preset=onfly_ssl")[:3] == ("upstream", True, "whisper_base_onfly")


def test_adapters_stand_in_a_frozen_upstream_that_encodes_on_the_fly(choose):
    assert choose(700, "train.adapter=lora")[:3] == ("upstream", True, "whisper_base_onfly")
    assert choose(5, "preset=adapter_ssl")[:2] == ("upstream", True)
    assert choose(5, "preset=finetune_ssl")[:2] == ("extractor", True)
    with pytest.raises(ConfigError, match="train.adapter=houlsby and train.freeze=none do not fit"):
        choose(5, "train.adapter=houlsby", "train.freeze=none")


@pytest.mark.parametrize("setting", ["train.freeze=extractor", "train.freeze=none", "train.adapter=lora"])
def test_log_mels_have_nothing_to_train(choose, setting):
    with raises(ConfigError, "features.upstream=fbank", where=setting):
        choose(5, "features.upstream=fbank", setting)


def test_auto_without_durations_names_the_stage_that_makes_them(choose):
    with raises(MissingInput, where="data/train/utt2dur") as caught:
        choose(None)
    assert caught.value.stage == "data"


@pytest.mark.parametrize(
    "setting",
    [
        "train.layer_decay=1.5",
        "train.layer_decay=0",
        "train.upstream_lr=0",
        "train.adapter_dim=0",
        "train.adapter=loar",
        "train.freeze=all",
        "train.upstream_dropout=2",
        "train.freeze_updates=-1",
    ],
)
def test_settings_out_of_range_are_refused(choose, setting):
    with raises(ConfigError) as caught:
        choose(5, setting)
    assert caught.value.setting == setting.partition("=")[0]


class Pace:
    """Stands for the measuring: ``cost`` seconds of training for a second of speech."""

    def __init__(self, cost):
        self.cost, self.asked = cost, []

    def __call__(self, ctx, freeze):
        self.asked.append(freeze)
        return self.cost


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Function: minutes of speech, settings → a context in one and the same recipe, on a CPU."""
    (tmp_path / "recipe.yaml").write_text(
        "lang: ron_Latn\nfeatures: {upstream: whisper_base}\n", encoding="utf-8"
    )
    monkeypatch.setattr(frozen, "has_gpu", lambda: False)

    def context(minutes, *settings):
        folder = tmp_path / "data" / "train"
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "utt2dur", {"u1": str(60 * minutes)})
        return Context(tmp_path, load(tmp_path, list(settings)))

    return context


# an hour in 30 epochs is 108,000 seconds of speech: at 0.06 it takes 1.8 hours, at 0.2 six
@pytest.mark.parametrize(
    "cost, settings, freeze",
    [
        (0.06, [], "extractor"),
        (0.2, [], "upstream"),
        (0.2, ["train.max_hours=6"], "extractor"),
        (0.06, ["train.max_hours=1.7"], "upstream"),
        (0.2, ["train.max_epochs=9", "train.min_updates=0"], "extractor"),
        (0.06, ["train.min_updates=12000"], "upstream"),  # 300 batches of 12 s: 40 epochs
    ],
)
def test_on_a_cpu_what_takes_longer_than_there_is_time_stays_frozen(recipe, cost, settings, freeze):
    assert decide(recipe(60, *settings), Pace(cost)).cfg.train.freeze == freeze


def test_the_time_is_told_with_what_a_gpu_would_add(recipe, capsys):
    decide(recipe(60), Pace(0.2)).tell()
    told = capsys.readouterr().out
    assert "60.0 minutes of speech" in told and "about 6.0 h, more than train.max_hours=2" in told
    assert "with a GPU it is trained, except for its convolutions" in told


def test_a_gpu_has_the_time(recipe, monkeypatch):
    monkeypatch.setattr(frozen, "has_gpu", lambda: True)
    pace = Pace(100.0)
    assert decide(recipe(60), pace).cfg.train.freeze == "extractor" and pace.asked == []
    assert decide(recipe(60, "tag=cpu", "train.ngpu=0"), pace).cfg.train.freeze == "upstream"


@pytest.mark.parametrize(
    "gpus, freeze",
    [(4, "extractor"), (0, "upstream")],  # 6 hours at 0.2, over two nodes 3
)
def test_what_decides_is_the_machine_that_trains_and_not_this_one(recipe, monkeypatch, gpus, freeze):
    monkeypatch.setattr(frozen, "has_gpu", lambda: gpus == 0)
    nodes = ["executor=slurm", "train.nodes=2", f"cluster.gpus={gpus}", f"tag=gpus{gpus}"]
    assert decide(recipe(60, *nodes), Pace(0.2)).cfg.train.freeze == freeze


def test_what_the_memory_does_not_hold_stays_frozen_and_is_not_tried(recipe, monkeypatch):
    """XLS-R 300M: 24 layers of 12 · 1024² parameters of 16 bytes are 4.8 GB, more than 0.8 of 5 GB."""
    settings = ["features.upstream=xls_r_300m", "train.max_hours=1000"]
    pace = Pace(0.1)
    monkeypatch.setattr(frozen, "total_memory", lambda: 5e9)
    found = decide(recipe(60, *settings), pace)
    assert found.cfg.train.freeze == "upstream" and pace.asked == []
    assert "about 4.8 GB of memory, and this machine has 5.0 GB; change with train.freeze" in found.why
    monkeypatch.setattr(frozen, "total_memory", lambda: 8e9)
    assert decide(recipe(60, *settings, "tag=more"), pace).cfg.train.freeze == "extractor"


def test_processes_share_the_time(recipe):
    shared = ["train.processes=3", "train.max_hours=2.1"]
    assert decide(recipe(60, *shared), Pace(0.2)).cfg.train.freeze == "extractor"
    assert decide(recipe(60, "tag=alone", *shared[1:]), Pace(0.2)).cfg.train.freeze == "upstream"


@pytest.mark.parametrize("settings", [["train.freeze=extractor"], ["train.adapter=lora"], ["tag=few"]])
def test_nothing_is_timed_where_time_decides_nothing(recipe, settings):
    pace = Pace(100.0)
    decide(recipe(29 if settings == ["tag=few"] else 60, *settings), pace)
    assert pace.asked == []


def test_a_choice_is_made_once_whatever_the_moment_and_the_machine(recipe, monkeypatch):
    first = decide(recipe(60), Pace(0.2)).cfg
    faster = Pace(0.01)
    assert decide(recipe(60), faster).cfg == first and resolved(recipe(60)).cfg == first
    monkeypatch.setattr(frozen, "has_gpu", lambda: True)
    assert decide(recipe(60), faster).cfg == first and faster.asked == []
    assert decide(recipe(90), faster).cfg.train.freeze == "extractor"  # other speech, a new choice
    assert decide(recipe(60, "train.max_hours=7"), faster).cfg.train.freeze == "extractor"


def test_seeds_and_budgets_of_a_recipe_go_by_one_measurement(recipe):
    decide(recipe(60, "tag=s0"), Pace(0.06))
    slower = Pace(0.2)
    assert decide(recipe(60, "tag=s1", "seed=1"), slower).cfg.train.freeze == "extractor"
    assert decide(recipe(90, "tag=more"), slower).cfg.train.freeze == "upstream"  # 2.7 hours
    assert slower.asked == []
    decide(recipe(60, "tag=other", "train.batch_s=24"), slower)
    assert slower.asked == ["extractor"]


def stamp(ctx, content):
    ctx.exp.mkdir(parents=True)
    (ctx.exp / "stage.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_finished_experiment_keeps_its_choice_on_another_machine(recipe):
    ctx = recipe(60)
    stamp(ctx, decide(ctx, Pace(0.06)).facts)
    (ctx.exp.parent / ".main.freeze.json").unlink()  # only exp/main was copied
    slower = Pace(0.2)
    found = decide(ctx, slower)
    assert found.cfg.train.freeze == "extractor" and slower.asked == []
    assert found.facts[FACTS]["pace"] == 0.06


@pytest.mark.parametrize(
    "minutes, before, freeze",
    [
        (60, "extractor", "extractor"),
        (60, "upstream", "upstream"),  # by its own setting, another then: chosen anew, and too slow here
        (700, "none", "none"),
        (60, "none", "upstream"),
    ],
)
def test_an_experiment_without_a_reason_stays_as_it_was_if_its_speech_is_the_reason(
    recipe, minutes, before, freeze
):
    """Stamps of versions that kept no reasons."""
    ctx = recipe(minutes)
    stamp(ctx, {"config": {"features.upstream": "whisper_base", "train.freeze": before}})
    assert decide(ctx, Pace(100.0)).cfg.train.freeze == freeze


@pytest.mark.parametrize("content", ["", "[]", '{"rests_on": 1}', '{"rests_on": {}, "pace": 1.0}', "\xff"])
def test_a_record_that_is_no_record_is_made_again(recipe, content):
    ctx = recipe(60)
    ctx.exp.parent.mkdir()
    record = ctx.exp.parent / ".main.freeze.json"
    record.write_text(content, encoding="latin-1")
    pace = Pace(0.2)
    assert decide(ctx, pace).cfg.train.freeze == "upstream" and pace.asked == ["extractor"]
    assert json.loads(record.read_text())["pace"] == 0.2


def test_the_page_on_tuning_and_the_setting_have_the_amounts_of_the_code():
    page = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:under|from) (\d+) (minutes|hours) \| .*?`(\w+)`", page, re.M)
    told = [(float(n) * (60 if unit == "hours" else 1), value) for n, unit, value in rows]
    assert told[0] == (AMOUNTS[1].from_min, "upstream") and told[1:] == [tuple(row) for row in AMOUNTS[1:]]
    text = documented_keys()["train.freeze"]
    told = re.findall(r"(\w+) (?:under|from) (\d+) (minutes|hours)", text)
    least = [(name, float(n) * (60 if unit == "hours" else 1)) for name, n, unit in told]
    assert least == [("upstream", AMOUNTS[1].from_min), *((row.freeze, row.from_min) for row in AMOUNTS[1:])]


def test_what_was_published_with_auto_stays_as_it_was_trained():
    """Their settings name what was decided; none of these recipes sets train.freeze in its own file."""
    seen = 0
    for path in sorted((ROOT / "egs").glob("*/results/*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        minutes = found.get("training", {}).get("speech_min")
        freeze = found.get("config", {}).get("train.freeze")
        command = found.get("command", "")
        pinned = any(
            word in command for word in ("train.freeze=", "finetune_ssl", "adapter_ssl", "onfly_ssl")
        )
        pinned |= found.get("config", {}).get("train.family") == "whisper_ed" or path.parts[-3] == "multi"
        if minutes and freeze and not pinned:
            least = [row.freeze for row in AMOUNTS if minutes >= row.from_min]
            assert (path.name, freeze) == (path.name, least[-1])
            seen += 1
    assert seen > 20
