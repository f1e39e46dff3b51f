"""What train.freeze comes to: by the amount of training speech, by the upstream, by what was set."""

from pathlib import Path

import pytest

from tests.errors import raises
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import ConfigError, MissingInput
from xlt.formats.tables import write_table
from xlt.upstreams.freeze import decide, resolved

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
