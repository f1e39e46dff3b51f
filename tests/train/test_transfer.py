"""A model that starts from another: what is taken over, row by row, what is refused, and what is kept of its
history.
"""

import json
import shutil

import numpy as np
import pytest

from tests.lazy import Lazy, torch
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.errors import ConfigError
from xlt.core.stage import renew
from xlt.formats.model_folder import training_manifest
from xlt.formats.tables import read_table

transfer = Lazy("xlt.models.espnet.transfer")

pytestmark = pytest.mark.trains

OLD = ["<blank>", "<unk>", "<space>", "a", "b", "<sos/eos>"]
NEW = ["<blank>", "<unk>", "<space>", "b", "ž", "<sos/eos>"]


def rows(*numbers):
    return torch.tensor([[float(n), n + 0.5] for n in numbers])


def test_rows_of_shared_tokens_are_copied_by_string_and_the_body_whole():
    source = {
        "encoder.w": torch.ones(3),
        "ctc.ctc_lo.weight": rows(0, 1, 2, 3, 4, 5),
        "ctc.ctc_lo.bias": torch.arange(6.0),
        "decoder.x": torch.ones(1),
    }
    fresh = {
        "encoder.w": torch.zeros(3),
        "ctc.ctc_lo.weight": rows(90, 91, 92, 93, 94, 95),
        "ctc.ctc_lo.bias": torch.arange(90.0, 96.0),
        "adapter.w": torch.zeros(2),
    }
    state, report = transfer.transplant(fresh, source, OLD, NEW, True, "there")
    assert state["encoder.w"].tolist() == [1, 1, 1] and state["adapter.w"].tolist() == [0, 0]
    assert (
        state["ctc.ctc_lo.weight"].tolist() == rows(0, 1, 2, 4, 94, 5).tolist()
    )  # b stood in row 4, ž is new
    assert state["ctc.ctc_lo.bias"].tolist() == [0, 1, 2, 4, 94, 5]
    assert (report.new_tokens, report.dropped_tokens) == (["ž"], ["a"])
    assert report.loaded == ["encoder.w"] and report.unused == ["decoder.x"]
    assert report.random == ["ctc.ctc_lo.weight", "ctc.ctc_lo.bias", "adapter.w"]


def test_a_new_output_layer_has_no_row_of_the_old_one_even_for_equal_tokens():
    source = {"encoder.w": torch.ones(3), "ctc.ctc_lo.weight": rows(0, 1, 2, 3, 4, 5)}
    fresh = {"encoder.w": torch.zeros(3), "ctc.ctc_lo.weight": rows(90, 91, 92, 93, 94, 95)}
    state, report = transfer.transplant(fresh, source, OLD, OLD, False, "there")
    assert state["ctc.ctc_lo.weight"].tolist() == fresh["ctc.ctc_lo.weight"].tolist()
    assert report.copied_tokens == [] and report.new_tokens == OLD and report.dropped_tokens == OLD


@pytest.mark.parametrize(
    "key",
    [
        "decoder.embed.0.weight",
        "decoder.embed.weight",
        "decoder.output_layer.weight",
        "decoder.output.weight",
        "joint_network.lin_out.weight",
    ],
)
def test_rows_of_espnets_decoders_belong_to_tokens_too(key):
    source = {"encoder.w": torch.ones(1), key: rows(0, 1, 2, 3, 4, 5)}
    fresh = {"encoder.w": torch.zeros(1), key: rows(90, 91, 92, 93)}
    state, _ = transfer.transplant(fresh, source, OLD, ["<blank>", "<unk>", "b", "<sos/eos>"], True, "there")
    assert state[key].tolist() == rows(0, 1, 4, 5).tolist()


def test_another_network_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"encoder\.w has the shape \(2,\) in there, but \(3,\) here"):
        transfer.transplant(
            {"encoder.w": torch.zeros(3)}, {"encoder.w": torch.zeros(2)}, OLD, NEW, False, "there"
        )
    with pytest.raises(ConfigError, match="no layer in common"):
        transfer.transplant(
            {"encoder.v": torch.zeros(3)}, {"encoder.w": torch.zeros(3)}, OLD, NEW, False, "there"
        )


def test_an_average_with_the_source_is_taken_by_token():
    source = {
        "encoder.w": torch.ones(3),
        "steps": torch.tensor(7),
        "ctc.ctc_lo.weight": rows(0, 1, 2, 3, 4, 5),
        "gone": rows(1),
    }
    state = {
        "encoder.w": torch.zeros(3),
        "steps": torch.tensor(9),
        "ctc.ctc_lo.weight": rows(10, 11, 12, 14, 94, 15),
        "adapter.w": torch.zeros(2),
    }
    found = transfer.average(state, source, 0.25, OLD, NEW)
    assert (
        found["encoder.w"].tolist() == [0.25] * 3
        and found["steps"] == 9
        and found["adapter.w"].tolist() == [0, 0]
    )
    assert found["ctc.ctc_lo.weight"][:, 0].tolist() == [
        7.5,
        8.5,
        9.5,
        11.5,
        94,
        12.5,
    ]  # b is row 4 of the source, ž is new
    assert state["ctc.ctc_lo.weight"][0, 0] == 10 and found.keys() == state.keys()
    assert torch.equal(
        transfer.average(state, source, 0.25, OLD, None)["ctc.ctc_lo.weight"], state["ctc.ctc_lo.weight"]
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Toy recipes ``source``, trained, and ``target``, which has tokens."""
    egs = tmp_path_factory.mktemp("egs")
    for name in ("source", "target"):
        (egs / name).mkdir()
        make_toy_recipe(egs / name)
        assert main(["tokens", "--recipe", str(egs / name)]) == 0
    assert main(["train", "--recipe", str(egs / "source")]) == 0
    return egs


def run(two, stage, *settings):
    return main([stage, "--recipe", str(two / "target"), *settings])


INIT = "train.init=../source/exp/main"


@pytest.fixture
def at_target(two, monkeypatch):
    """Paths of settings count from the recipe, as in recipe.yaml."""
    monkeypatch.setenv("XLT_CWD", str(two / "target"))
    return two


def test_matched_rows_start_where_the_source_ended(at_target, capsys):
    two = at_target
    assert run(two, "train", INIT, "train.init_tokens=match", "tag=match", "train.max_epochs=1") == 0
    out = capsys.readouterr().out
    assert "initialised from" in out and "0 new, 0 dropped" in out and "frozen: whisper_base" in out
    exp = two / "target" / "exp" / "match"
    report = json.loads((exp / "transfer.json").read_text())
    assert "ctc.ctc_lo.weight" in report["random"] and "encoder.ahead.0.weight_ih_l0" in report["loaded"]
    assert json.loads((exp / "xlt.json").read_text())["init"] == {
        "lang": "ron_Latn",
        "tag": "main",
        "recipe": "source",
    }
    for name in ("sum", "count"):
        ours, theirs = (np.load(p / "feats_stats.npz")[name] for p in (exp, two / "source/exp/main"))
        assert (ours == theirs).all()
    first = json.loads((exp / "history.json").read_text())[0]["loss"]
    scratch = json.loads((two / "source/exp/main/history.json").read_text())[0]["loss"]
    assert first < 0.75 * scratch  # the same language: what was learned is there
    heard = read_table(exp / "heard")
    assert heard["spk-train000"] == "hash-of-spk-train000 -"


def test_a_final_model_may_have_any_share_of_its_source(at_target, capsys):
    two, states = at_target, {}
    for share in (0, 0.5, 1):
        words = [
            INIT,
            "train.init_tokens=match",
            f"tag=share{share}",
            "train.max_epochs=1",
            f"train.average_source={share}",
        ]
        assert run(two, "train", *words) == 0
        states[share] = torch.load(two / "target/exp" / f"share{share}/model.pth", weights_only=True)
    assert "the final model is averaged with 50% of ../source/exp/main" in capsys.readouterr().out
    source = torch.load(two / "source/exp/main/model.pth", weights_only=True)
    assert all(torch.equal(states[1][key], source[key]) for key in source)  # both write the same letters
    assert any(not torch.equal(states[0][key], source[key]) for key in source)
    for key in source:
        assert torch.allclose(
            states[0.5][key].float(), ((states[0][key] + source[key]) / 2).float(), atol=1e-6
        )


def test_a_changed_source_is_noticed(at_target, capsys):
    two = at_target
    assert run(two, "train", INIT, "tag=again", "train.max_epochs=1") == 0
    assert run(two, "train", INIT, "tag=again", "train.max_epochs=1") == 0
    assert "exp/again is up to date" in capsys.readouterr().out
    shutil.copytree(two / "source/exp/main", two / "source/exp/other")
    model = two / "source/exp/other/model.pth"
    state = torch.load(model, weights_only=True)
    torch.save({k: v + 1 for k, v in state.items()}, model)
    renew(model.parent, model.name)  # as a new training does
    assert (
        run(two, "train", "train.init=../source/exp/other", "tag=again", "train.max_epochs=1", "--dry_run")
        == 0
    )
    assert "train.init" in capsys.readouterr().out


def test_zero_shot_is_the_source_itself(at_target, capsys):
    two = at_target
    assert run(two, "train", INIT, "train.zero_shot=true", "tag=zero") == 0
    assert "unchanged; nothing is trained" in capsys.readouterr().out
    exp, source = two / "target/exp/zero", two / "source/exp/main"
    assert (exp / "model.pth").read_bytes() == (source / "model.pth").read_bytes()
    assert json.loads((exp / "xlt.json").read_text())["zero_shot"] is True
    for stage in ("decode", "score"):
        assert run(two, stage, INIT, "train.zero_shot=true", "tag=zero", "decode.sets=[test]") == 0
    assert json.loads((exp / "score.json").read_text())["training"]["epochs"] == 0
    assert main(["decode", "--recipe", str(two / "source"), "decode.sets=[test]"]) == 0
    assert read_table(exp / "decode_test/text") == read_table(source / "decode_test/text")


def test_zero_shot_keeps_to_the_alphabet_if_rows_are_matched(at_target, tmp_path, capsys):
    two = tmp_path / "egs"
    shutil.copytree(at_target, two, ignore=shutil.ignore_patterns("exp"))
    shutil.copytree(at_target / "source/exp/main", two / "source/exp/main")
    tokens = two / "target/data/tokens/char/tokens.txt"
    tokens.write_text(tokens.read_text().replace("e\n", "").replace("r\n", "ρ\n"))
    renew(tokens.parent, tokens.name)
    assert run(two, "train", INIT, "train.zero_shot=true", "train.init_tokens=match", "tag=own") == 0
    exp, source = two / "target/exp/own", two / "source/exp/main"
    ours = tokens.read_text().split()
    theirs = (source / "tokens.txt").read_text().split()
    kept = (exp / "tokens.txt").read_text().split()
    assert kept == [t for t in theirs if t not in "er"]
    assert f"limited to tokens of this recipe: {len(kept)} of its {len(theirs)}" in capsys.readouterr().out
    before, after = (torch.load(f / "model.pth", weights_only=True) for f in (source, exp))
    for key, value in after.items():
        expected = (
            torch.stack([before[key][theirs.index(t)] for t in kept])
            if key.startswith("ctc.")
            else before[key]
        )
        assert torch.equal(value, expected), key
    gone = "train.init=../source/exp/gone"  # what is trained needs its source no more
    assert (
        run(
            two,
            "decode",
            gone,
            "train.zero_shot=true",
            "train.init_tokens=match",
            "tag=own",
            "decode.sets=[test]",
        )
        == 0
    )
    written = set("".join(read_table(exp / "decode_test/text").values()).replace("<unk>", ""))
    assert written <= set(ours) | {" "}


@pytest.mark.parametrize("stage", ["features", "train"])
@pytest.mark.parametrize(
    "settings, message",
    [
        (
            ["train.init=../source/exp/none"],
            "no such folder; name a trained experiment or a bundle, or make it: ../source/run.sh ",
        ),
        (["train.init=../source/exp/none/bundle"], "or make it: ../source/run.sh tag=none"),
        (["train.init=../nothing/exp/none"], "paths start from the folder that you are in"),
        (
            ["train.init=../source/exp/half"],
            "training is not finished; continue with: ../source/run.sh tag=half",
        ),
        (["train.init=../source/exp/empty"], "has no model.pth, so it is no finished experiment"),
        (
            [INIT, "features.upstream=fbank"],
            "was trained on the upstream whisper_base, this recipe has fbank",
        ),
        (
            [INIT, "tokens.type=bpe", "train.init_tokens=match"],
            "writes char tokens, this recipe has tokens.type=bpe",
        ),
        (
            [INIT, "tokens.type=bpe", "train.zero_shot=true"],
            "writes char tokens, this recipe has tokens.type=bpe",
        ),
        (["train.zero_shot=true"], "train.zero_shot: needs the model"),
        (["train.average_source=0.2"], "train.average_source=0.2: needs a model that training starts from"),
        ([INIT, "train.zero_shot=true", "train.average_source=0.2"], "without train.zero_shot"),
    ],
)
def test_sources_that_cannot_be_used_are_refused_before_long_work(
    at_target, capsys, stage, settings, message
):
    two = at_target
    (two / "source/exp/empty").mkdir(exist_ok=True)
    (two / "source/exp/.half.partial").mkdir(exist_ok=True)
    assert run(two, stage, "tag=bad", *settings) == 2
    assert message in capsys.readouterr().err.replace(str(two / "target") + "/", "")
    assert not (two / "target/exp/bad").exists()


def test_other_weights_or_other_features_are_refused_by_name(at_target, tmp_path, capsys):
    egs = tmp_path / "egs"
    shutil.copytree(at_target, egs, ignore=shutil.ignore_patterns("exp"))
    shutil.copytree(at_target / "source/exp/main", egs / "source/exp/main")
    info = egs / "target/dump/whisper_base/train/feats.json"
    facts = json.loads(info.read_text())
    cases = (
        ({"upstream": {"name": "toy2"}}, "from {'name': 'toy2'}"),
        ({"layers": 3}, "features with layers None"),
    )
    for change, message in cases:
        info.write_text(json.dumps(facts | change))
        assert (
            main(["train", "--recipe", str(egs / "target"), f"train.init={egs}/source/exp/main", "tag=bad"])
            == 2
        )
        assert message in capsys.readouterr().err


def test_scripts_that_share_nothing_are_refused_under_match_and_fine_with_a_new_head(
    at_target, tmp_path, capsys
):
    egs = tmp_path / "egs"
    shutil.copytree(at_target, egs, ignore=shutil.ignore_patterns("exp"))
    shutil.copytree(at_target / "source/exp/main", egs / "source/exp/main")
    greek = str.maketrans("aerșimpcns", "αερσιμπκνφ")
    for name in ("train", "dev"):
        path = egs / "target/data" / name / "text"
        path.write_text(
            "".join(
                f"{line.split(' ', 1)[0]} {line.split(' ', 1)[1].translate(greek)}\n"
                for line in path.read_text().splitlines()
            )
        )
    init = f"train.init={egs}/source/exp/main"
    assert main(["tokens", "--recipe", str(egs / "target")]) == 0
    assert main(["train", "--recipe", str(egs / "target"), init, "tag=m", "train.init_tokens=match"]) == 2
    assert "share no token" in capsys.readouterr().err
    assert main(["train", "--recipe", str(egs / "target"), init, "tag=n", "train.max_epochs=1"]) == 0
    assert "0 copied" in capsys.readouterr().out


def test_a_union_of_alphabets_is_one_setting(at_target, capsys):
    two = at_target
    text = two / "source/data/train/text"
    before = text.read_text()
    utt, line = before.splitlines()[0].split(" ", 1)
    text.write_text(before.replace(f"{utt} {line}\n", f"{utt} ñandú\n"))
    assert run(two, "tokens", "tokens.union=[../source]") == 0
    text.write_text(before)
    tokens = (two / "target/data/tokens/char+source/tokens.txt").read_text().split("\n")
    assert {"ñ", "ú", "d", "ș"} <= set(tokens)
    assert run(two, "tokens", "tokens.union=[../none]") == 2
    assert "not a recipe folder" in capsys.readouterr().err


def test_training_and_test_speech_of_the_source_is_a_leak(at_target, tmp_path, monkeypatch):
    """By audio, and by content, the same for what a corpus knows to be parallel."""
    from xlt.check import leaks
    from xlt.check.datadir import Sets
    from xlt.core.config import load

    egs = tmp_path / "egs"
    shutil.copytree(at_target, egs, ignore=shutil.ignore_patterns("exp"))
    shutil.copytree(at_target / "source/exp/main", egs / "source/exp/main")
    monkeypatch.chdir(egs / "target")
    test = egs / "target/data/test"
    audio = read_table(test / "utt2audio")
    first, second, third = list(audio)[:3]
    heard = egs / "source/exp/main/heard"
    source = tmp_path / "source_train"  # a content with spaces, as Tux Paint's file names have them
    source.mkdir()
    for table, value in (("wav.scp", "x.wav"), ("utt2audio", "0123"), ("utt2content", "animals/big cat")):
        (source / table).write_text(f"other-2 {value}\n")
    heard.write_text(
        f"other-1 {audio[first]} -\nother-2 {training_manifest(source)['other-2']}\n{third} 4567 {third}\n"
    )
    renew(heard.parent, heard.name)
    (test / "utt2content").write_text(f"{first} x\n{second} animals/big cat\n{third} {third}\n")
    cfg = load(egs / "target", [f"train.init={egs}/source/exp/main"])
    data = egs / "target/data"
    sets = Sets(data, {name: data / name for name in ("train", "dev", "test")})
    faults = list(leaks.unheard_by_the_source(sets, cfg))
    theirs = egs / "target/../source/exp/main"
    assert [(f.severity, f.problem) for f in faults] == [
        ("error", f"{first!r} has the recording of 'other-1', a training utterance of {theirs}"),
        ("error", f"{second!r} has the content of 'other-2', a training utterance of {theirs}"),
    ]
    heard.unlink()
    sets = Sets(data, {name: data / name for name in ("train", "dev", "test")})
    assert [f.severity for f in leaks.unheard_by_the_source(sets, cfg)] == ["warning"]


def test_what_was_heard_keeps_both_utterances_of_one_id(tmp_path):
    from types import SimpleNamespace

    from xlt.models.resolved import Resolved

    train = tmp_path / "data/train"
    train.mkdir(parents=True)
    for table, rows in (
        ("wav.scp", ("s-1 a.wav", "s-2 b.wav")),
        ("utt2audio", ("s-1 " + 16 * "a", "s-2 " + 16 * "b")),
    ):
        (train / table).write_text("\n".join(rows) + "\n")
    ctx = SimpleNamespace(data=tmp_path / "data", cfg=SimpleNamespace(learned_sets=["train"]))
    source = SimpleNamespace(manifest={"s-1": [16 * "0", "-"], "s-2": [16 * "b", "-"]})
    Resolved.write_heard(SimpleNamespace(ctx=ctx, cfg=ctx.cfg, source=source, labels=None), tmp_path)
    assert read_table(tmp_path / "heard") == {
        "s-1": 16 * "0" + " -",
        "s-1-aaaaaaaa": 16 * "a" + " -",
        "s-2": 16 * "b" + " -",
    }


def test_layer_weights_of_stored_features_are_where_learning_them_begins(tmp_path):
    """softmax(log w) = w; and a training that tunes its upstream counts its own updates."""
    from types import SimpleNamespace

    from xlt.core.config import load
    from xlt.core.stage import write_json
    from xlt.features.mix import Mix
    from xlt.formats.model_folder import Trained
    from xlt.models.espnet import transfer

    mix = Mix([0, 1, 2], np.array([0.2, 0.3, 0.5], np.float32), "none")
    write_json(tmp_path / "mix.json", {"layers": mix.layers, "norm": mix.norm, "digest": mix.digest})
    np.savez(tmp_path / "mix.npz", weights=mix.weights)
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\na\n<sos/eos>\n")
    torch.save({"encoder.w": torch.ones(2), "frontend.updates": torch.tensor(900)}, tmp_path / "model.pth")
    fresh = {
        "encoder.w": torch.zeros(2),
        transfer._WEIGHTS: torch.zeros(3),
        "frontend.updates": torch.tensor(0),
    }
    (tmp_path / "work").mkdir()
    (tmp_path / "recipe.yaml").write_text(
        "lang: ron_Latn\nfeatures: {upstream: whisper_base}\ntrain: {init: there}\n"
    )
    run = SimpleNamespace(
        cfg=load(tmp_path),
        tokenizer=SimpleNamespace(tokens=["<blank>"]),
    )
    path = transfer.start(
        run, Trained(tmp_path, {"features": {}}), SimpleNamespace(state_dict=lambda: fresh), tmp_path
    )
    state = torch.load(path, weights_only=True)
    assert torch.softmax(state[transfer._WEIGHTS], 0).tolist() == pytest.approx([0.2, 0.3, 0.5], abs=1e-5)
    assert int(state["frontend.updates"]) == 0 and state["encoder.w"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "theirs, ours, message",
    [
        (
            {"tuning": {"freeze": "extractor", "adapter": "none", "adapter_dim": 16}},
            {},
            "has trained its upstream",
        ),
        ({"tuning": {"freeze": "upstream", "adapter": "lora", "adapter_dim": 16}}, {}, "train.adapter=lora"),
        ({"on_the_fly": True}, {}, "set features.on_the_fly=true"),
    ],
)
def test_what_a_source_learned_of_its_upstream_has_no_place_in_stored_features(
    tmp_path, theirs, ours, message
):
    from xlt.core.config import load
    from xlt.formats.model_folder import Trained
    from xlt.models.espnet.transfer import check_features

    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ntrain: {freeze: upstream}\n")
    with pytest.raises(ConfigError, match=message):
        check_features(Trained(tmp_path, {"features": theirs}), load(tmp_path), ours, tmp_path)
