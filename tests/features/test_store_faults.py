"""Faults of stage 3 over the shared store: kills, two recipes at once, other weights, features that are no
numbers.
"""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.features.conftest import Recipe
from tests.tiny import make_tiny_wav2vec2
from xlt.core.config import ROOT
from xlt.core.errors import UpstreamError
from xlt.features import extract, run
from xlt.formats.archives import FeatureReader, read_index
from xlt.formats.tables import read_table
from xlt.upstreams.fbank import Fbank

pytestmark = pytest.mark.slow

SETS = ("train", "dev", "test")


def matrices(recipe: Recipe, upstream: str = "fbank") -> dict[str, bytes]:
    """Bytes of all matrices of the three sets."""
    readers = [FeatureReader(recipe.dump(name, upstream) / "feats.scp") for name in SETS]
    return {utt: reader[utt].tobytes() for reader in readers for utt in reader}


def start(recipe: Recipe, *words: str, cache: Path | None = None, **options) -> subprocess.Popen:
    """Stage 3 in a process group of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **({"XLT_CACHE": str(cache)} if cache else {})}
    return subprocess.Popen(
        [sys.executable, "-m", "xlt.cli", "features", *words],
        cwd=recipe.dir,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **options,
    )


def listed(store: Path) -> list[str]:
    """Content keys of all indexes, as often as they stand there."""
    return [key for idx in store.glob("*/feats.*.idx") for key, _ in read_index(idx.with_suffix(".ark"))]


@pytest.fixture
def tiny(recipe, tmp_path) -> Recipe:
    """Forty training clips, and a tiny wav2vec2 in place of fbank."""
    make_tiny_wav2vec2(tmp_path / "weights")
    recipe.add("train", {f"s-{n:03}": 0.4 + n / 100 for n in range(40)})
    features = (
        f"{{upstream: hf_wav2vec2_custom, path: {tmp_path}/weights, layers: last, storage: f32, batch_s: 5}}"
    )
    yaml = f"lang: ron_Latn\nfeatures: {features}\nnj: 1\n"
    (recipe.dir / "recipe.yaml").write_text(yaml)
    return recipe


@pytest.mark.parametrize(("nj", "times"), [(1, 3), (2, 2)])
def test_kill_at_random_points_changes_no_bit(tiny, tmp_path, monkeypatch, nj, times):
    """tests/bench/features.py does it twenty times."""
    with monkeypatch.context() as patch:
        patch.setenv("XLT_CACHE", str(tmp_path / "whole"))
        run(tiny.context(f"nj={nj}", "features.storage=cm2"))
        expected = matrices(tiny, "hf_wav2vec2_custom")
        stamps = [tiny.dump(n, "hf_wav2vec2_custom") / "feats.json" for n in SETS]
        facts = [p.read_bytes() for p in stamps]
        for name in SETS:
            tiny.dump(name, "hf_wav2vec2_custom").rename(tmp_path / name)
    rng, kills, seen = random.Random(nj), 0, 0
    while kills < times:
        child = start(tiny, "--nj", str(nj), "features.storage=cm2")
        wanted = min(42, seen + rng.randint(1, 10))
        while child.poll() is None and len(listed(tiny.store)) < wanted:
            time.sleep(0.001)
        time.sleep(rng.random() / 100)
        if child.poll() is not None:
            assert child.returncode == 0, child.communicate()
            break  # it was quicker
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        kills, seen = kills + 1, len(set(listed(tiny.store)))
        assert not tiny.dump("test", "hf_wav2vec2_custom").exists()
    assert kills
    run(tiny.context(f"nj={nj}", "features.storage=cm2"))
    assert matrices(tiny, "hf_wav2vec2_custom") == expected
    assert [p.read_bytes() for p in stamps] == facts
    twice = len(listed(tiny.store)) - len(set(listed(tiny.store)))
    longest = 5 / 0.4  # utterances of a batch, at the most
    assert twice <= kills * nj * longest


def test_two_recipes_at_once_encode_shared_audio_once(recipe, tmp_path):
    shared = {f"s-{n:03}": 1.0 + n / 50 for n in range(60)}
    other = Recipe(tmp_path / "other")
    for made in (recipe, other):
        made.add("train", shared)
        made.add("dev", {"s-f": 0.6})
        made.add("test", {"s-h": 0.5})
    children = [start(made, "--nj", "2") for made in (recipe, other)]
    said = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert sorted(listed(recipe.store)) == sorted(set(listed(recipe.store)))
    assert len(listed(recipe.store)) == len(shared) + 2
    assert matrices(recipe) == matrices(other)
    encoded = [
        json.loads((made.dump(name) / "stage.json").read_text())["encoded"]
        for made in (recipe, other)
        for name in SETS
    ]
    assert sum(encoded) == 62


def test_the_second_says_for_whom_it_waits_and_finds_the_audio(recipe, tmp_path, monkeypatch):
    other = Recipe(tmp_path / "other")
    for name in SETS:
        other.add(name, {"s-a": 0.5})
    real, children = extract.Shard.run, []

    def while_another_comes(self, message, prepared):
        if not children:
            children.append(start(other))
            line = ""
            while "waiting for it" not in line:
                line = children[0].stdout.readline()
                assert line, children[0].communicate()
            assert f"are being made for {recipe.dump('train')}" in line
        return real(self, message, prepared)

    monkeypatch.setattr(extract.Shard, "run", while_another_comes)
    run(recipe.context())
    children[0].communicate()
    assert children[0].returncode == 0
    assert json.loads((other.dump("train") / "stage.json").read_text())["encoded"] == 0


def test_a_killed_run_holds_no_lock(recipe, tmp_path):
    recipe.add("train", {f"s-{n:03}": 20.0 for n in range(40)})
    child = start(recipe)
    while child.poll() is None and not listed(recipe.store):
        time.sleep(0.005)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    other = Recipe(tmp_path / "other")
    for name in SETS:
        other.add(name, {"s-a": 0.5})
    done = start(other)
    out, _ = done.communicate()
    assert done.returncode == 0 and "waiting" not in out


@pytest.mark.parametrize("nj", [1, 2])
def test_full_disk_is_one_message_and_goes_on(recipe, nj):
    recipe.add("train", {f"s-{n:03}": 0.5 + n / 40 for n in range(60)})
    child = start(
        recipe,
        "--nj",
        str(nj),
        "features.batch_s=5",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)),
    )
    _, said = child.communicate()
    assert child.returncode == 2
    assert said.count("\n") == 1 and "free some space" in said and "continues from here" in said
    assert not recipe.dump("train").exists()
    stored = len(set(listed(recipe.store)))
    assert stored > 0
    done = start(recipe, "--nj", str(nj), "features.batch_s=5")
    out, said = done.communicate()
    assert (done.returncode, said) == (0, "") and f"{stored} of 60 utterances are already stored" in out
    assert {u: len(m) for u, m in matrices(recipe).items() if u == "s-000"} == {"s-000": 48 * 80 * 4}


def test_other_weights_under_the_same_path_are_encoded_again(tiny, tmp_path, capsys):
    run(tiny.context())
    before = matrices(tiny, "hf_wav2vec2_custom")
    make_tiny_wav2vec2(tmp_path / "weights", seed=1)
    capsys.readouterr()
    run(tiny.context())
    assert "already" not in capsys.readouterr().out
    after = matrices(tiny, "hf_wav2vec2_custom")
    assert all(after[u] != before[u] for u in before)
    assert len(list(tiny.store.iterdir())) == 2


def test_another_revision_in_a_cache_is_noticed(tmp_path, recipe, monkeypatch, capsys):
    """Weights that are found without features.path: as the hub's cache holds them, by revision."""
    from xlt.fetch.hub import cached
    from xlt.upstreams import s3prl_weights

    hub = tmp_path / "hub" / "models--some--model"
    make_tiny_wav2vec2(hub / "snapshots" / "aaa")
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text("aaa")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(
        "xlt.upstreams.s3prl.S3prlUpstream.find",
        lambda name, path, cache: s3prl_weights._from_path(name, cached("some/model", "model.safetensors")),
    )
    features = "{upstream: wav2vec2_base_960, layers: last, storage: f32}"
    (recipe.dir / "recipe.yaml").write_text(f"lang: ron_Latn\nfeatures: {features}\nnj: 1\n")
    run(recipe.context())
    before = matrices(recipe, "wav2vec2_base_960")
    run(recipe.context())
    assert capsys.readouterr().out.count("is up to date") == 3
    make_tiny_wav2vec2(hub / "snapshots" / "bbb", seed=1)
    (hub / "refs" / "main").write_text("bbb")
    run(recipe.context())
    assert "refs/main changed" in capsys.readouterr().out
    after = matrices(recipe, "wav2vec2_base_960")
    assert all(after[u] != before[u] for u in before)


def test_features_that_are_not_numbers_are_named_and_counted(recipe, monkeypatch, capsys):
    real = Fbank.encode

    def spoils_two(self, waves, layers):
        outputs, lengths = real(self, waves, layers)
        for row, wave in enumerate(waves):
            if len(wave) in (16000, 14400):  # s-b and s-e
                outputs[0][row, 3, 5] = float("nan")
        return outputs, lengths

    with monkeypatch.context() as patch:
        patch.setattr(Fbank, "encode", spoils_two)
        with pytest.raises(
            UpstreamError,
            match=r"fbank: the features of 2 of 5 utterances of train are not finite numbers: "
            r"s-b .*, s-e .*; the others are stored",
        ):
            run(recipe.context())
    assert not recipe.dump("train").exists()
    utts = {key: utt for utt, key in read_table(recipe.dir / "data/train/utt2audio").items()}
    assert sorted(utts[key] for key in listed(recipe.store)) == ["s-a", "s-c", "s-d"]
    run(recipe.context())
    assert "3 of 5 utterances are already stored" in capsys.readouterr().out
    assert all(np.isfinite(np.frombuffer(m, np.float32)).all() for m in matrices(recipe).values())
