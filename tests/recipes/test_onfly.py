"""Preset onfly_ssl, all ten stages, with a tiny wav2vec2 through ESPnet's s3prl frontend; against the cached
path.
"""

import json
import shutil

import pytest

from tests.interrupt import interrupt_after
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2
from tests.tones import make_corpus
from xlt.cli import main
from xlt.core.context import STAGES
from xlt.core.stage import renew
from xlt.formats.tables import read_table, write_table

onfly = Lazy("xlt.models.espnet.onfly")
task = Lazy("xlt.models.espnet.task")

pytestmark = pytest.mark.trains

OVERHEAD = 60_000  # bytes of a checkpoint beside its tensors


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Stages 1 and 2 done."""
    root = tmp_path_factory.mktemp("onfly")
    tiny = make_tiny_wav2vec2(root / "tiny")
    make_corpus(root / "corpus", train=16, held_out=4)
    folder = root / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\nscore: {{bootstrap:"
        f" 50}}\nfeatures: {{upstream: hf_wav2vec2_custom, path: {tiny}, storage: f32, dtype: float32}}\n"
        "train: {max_epochs:"
        " 3, min_updates: 0, projection: 16, batch_s: 6, encoder_conf: {hidden_size: 16}}\n"
        "lm: {type: none}\n"
    )
    run(folder, ["data", "check", "tokens"])
    return folder


def run(folder, stages, *settings):
    for stage in stages:
        assert main([stage, "--recipe", str(folder), *settings]) == 0, stage


@pytest.fixture(scope="module")
def finished(recipe):
    run(recipe, [s.name for s in STAGES], "preset=onfly_ssl")
    return recipe


def test_all_stages_and_a_second_time(finished, capsys):
    exp = finished / "exp" / "main"
    trained = json.loads((exp / "xlt.json").read_text())["features"]
    assert trained["on_the_fly"] and trained["layers"] == "mix"
    weights = trained["mix"]["weights"]
    assert (
        len(weights) == 3 and sum(weights) == pytest.approx(1, abs=1e-4) and weights != [0.33333] * 3
    )  # learned
    assert not (finished / "dump" / "hf_wav2vec2_custom").exists() and not list(
        finished.glob("dump/**/*.ark")
    )
    score = json.loads((exp / "score.json").read_text())
    refs = read_table(finished / "data/test/text")
    assert score["sets"]["test"]["cer"]["n_ref"] == sum(map(len, refs.values()))
    capsys.readouterr()
    run(finished, [s.name for s in STAGES], "preset=onfly_ssl")
    out = capsys.readouterr().out
    assert "making" not in out and out.count("is up to date") >= 9


def test_the_model_holds_no_tensor_of_the_upstream(finished):
    state = torch.load(finished / "exp/main/model.pth", weights_only=True)
    assert [k for k in state if k.startswith("frontend.")] == ["frontend.featurizer.weights"]


def test_a_bundle_writes_what_stage_7_wrote_with_the_recipe_gone(finished, tmp_path, capsys):
    bundle, wavs = tmp_path / "bundle", read_table(finished / "data" / "test" / "wav.scp")
    hyps = read_table(finished / "exp" / "main" / "decode_test" / "text")
    shutil.copytree(finished / "exp" / "main" / "bundle", bundle)
    assert (bundle / "upstream" / "model.safetensors").exists()
    moved = finished.parent / "tiny"
    moved.rename(finished.parent / "aside")
    sounds = [str(finished / w) for w in wavs.values()]
    capsys.readouterr()
    try:
        assert main(["transcribe", str(bundle), *sounds]) == 0
    finally:
        (finished.parent / "aside").rename(moved)
    assert capsys.readouterr().out == "".join(f"{s}\t{hyps[u]}\n" for s, u in zip(sounds, wavs, strict=True))


def test_beam_search_works_on_waves_too(finished, tmp_path):
    copy = tmp_path / "recipe"
    shutil.copytree(finished, copy)  # the hypotheses of the other tests stay
    run(
        copy,
        ["decode"],
        "preset=onfly_ssl",
        "decode.method=beam",
        "decode.beam_size=2",
        "decode.sets=[dev]",
    )
    assert read_table(copy / "exp/main/decode_dev/text").keys() == read_table(copy / "data/dev/text").keys()


def test_weights_changed_since_the_training_are_refused(finished, tmp_path, capsys):
    other = make_tiny_wav2vec2(tmp_path / "other", seed=3)
    settings = ["preset=onfly_ssl", f"features.path={other}", "decode.sets=[test]"]
    copy = tmp_path / "recipe"
    shutil.copytree(finished, copy)
    run(copy, ["features"], *settings)
    assert main(["decode", "--recipe", str(copy), *settings]) == 2
    assert "was trained on" in capsys.readouterr().err


def test_cached_features_are_no_input_of_a_model_that_encodes(finished, tmp_path, capsys):
    copy = tmp_path / "recipe"
    shutil.copytree(finished, copy)
    run(copy, ["features"], "features.layers=1")
    assert main(["decode", "--recipe", str(copy), "features.layers=1"]) == 2
    assert "'on_the_fly': True" in capsys.readouterr().err


def test_interrupted_training_resumes_small_checkpoints_and_ends_the_same(
    finished, tmp_path, monkeypatch, capsys
):
    copy = tmp_path / "recipe"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("exp"))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        assert main(["train", "--recipe", str(copy), "preset=onfly_ssl"]) == 130
    partial = copy / "exp" / ".main.partial"
    found = torch.load(partial / task.BEFORE, weights_only=True)
    assert not any("upstream" in key for key in found["model"])
    sizes = [len(group["params"]) for group in found["optimizers"][0]["param_groups"]]
    assert (
        sum(sizes) == len([k for k in found["model"] if "frontend" not in k]) + 1
    )  # the head, and the layer weights
    head = sum(4 * value.numel() for value in found["model"].values())
    upstream = (finished.parent / "tiny" / "model.safetensors").stat().st_size
    assert (
        partial / task.BEFORE
    ).stat().st_size < 3 * head + OVERHEAD and OVERHEAD < upstream / 2  # Adam keeps two moments
    (partial / task.BEFORE).replace(partial / task.NEWEST)
    capsys.readouterr()
    monkeypatch.setattr(
        onfly, "take_statistics", lambda *arguments: pytest.fail("statistics are there already")
    )
    run(copy, ["train"], "preset=onfly_ssl")
    out = capsys.readouterr().out
    assert "continuing where an earlier run stopped" in out and "epoch 3/" in out and "epoch 2/" not in out
    assert "learned layer weights: 0." in out
    first, second = (torch.load(p / "exp/main/model.pth", weights_only=True) for p in (copy, finished))
    assert first.keys() == second.keys()
    for key in first:
        torch.testing.assert_close(first[key], second[key], atol=1e-5, rtol=1e-4, msg=key)


def test_at_a_fixed_layer_training_is_that_on_cached_features(recipe, tmp_path):
    copy = tmp_path / "recipe"
    shutil.copytree(recipe, copy, ignore=shutil.ignore_patterns("exp", "dump"))
    run(copy, ["features", "train"], "features.layers=1", "tag=cached")
    run(copy, ["features", "train"], "preset=onfly_ssl", "features.layers=1", "tag=onfly")
    cached, fly = (
        json.loads((copy / "exp" / tag / "history.json").read_text()) for tag in ("cached", "onfly")
    )
    assert len(cached) == 3
    for theirs, ours in zip(cached, fly, strict=True):  # the same head, batches, dropout and masks
        assert ours == pytest.approx(theirs, abs=2e-3)


def test_text_of_speed_copies_is_what_training_reads(recipe, tmp_path, capsys):
    copy = tmp_path / "recipe"
    shutil.copytree(recipe, copy, ignore=shutil.ignore_patterns("exp", "dump"))
    run(copy, ["features"], "features.layers=1")
    dump = copy / "dump" / "hf_wav2vec2_custom" / "train"
    texts = read_table(copy / "data" / "train" / "text")
    kept = dict(list(texts.items())[:8])
    for name in ("feats.scp", "utt2num_frames"):
        rows = read_table(dump / name)
        write_table(dump / name, {**rows, **{f"sp0.9-{u}": rows[u] for u in kept}})
    write_table(dump / "text", {**texts, **{f"sp0.9-{u}": t for u, t in kept.items()}})
    renew(dump, "feats.scp", "utt2num_frames")
    run(copy, ["train"], "features.layers=1", "train.max_epochs=1")
    stamp = json.loads((copy / "exp/main/stage.json").read_text())
    assert stamp["train"]["utterances"] == len(texts) + 8


def test_an_archive_that_is_gone_or_short_stops_stage_6_at_once(recipe, tmp_path, capsys):
    copy = tmp_path / "recipe"
    shutil.copytree(recipe, copy, ignore=shutil.ignore_patterns("exp", "dump"))
    run(copy, ["features"], "features.layers=1")
    scp = copy / "dump" / "hf_wav2vec2_custom" / "train" / "feats.scp"
    place = next(iter(read_table(scp).values()))
    lost = scp.read_text().replace(place.rpartition(":")[0], str(tmp_path / "gone.ark"))
    scp.write_text(lost)
    settings = ["--recipe", str(copy), "features.layers=1"]
    assert main(["train", *settings]) == 2
    assert "gone.ark: no such file; run stage 3 (features) again" in capsys.readouterr().err
    (tmp_path / "gone.ark").write_bytes(b"x")
    assert main(["train", *settings]) == 2
    assert "gone.ark: is 1 bytes long" in capsys.readouterr().err
