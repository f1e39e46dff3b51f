"""`xlt cache` and the shared store: what is listed, removed, found damaged and mended, on made-up sounds with
fbank.
"""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.features.conftest import Recipe
from tests.tiny import make_tiny_wav2vec2
from xlt.audio.files import read_wav
from xlt.cli import main
from xlt.features import extract, run
from xlt.features.cache import Key, keys
from xlt.features.mix import Mix
from xlt.formats.archives import FeatureReader, read_index
from xlt.formats.tables import read_table, write_table


def matrices(dump: Path) -> dict[str, np.ndarray]:
    reader = FeatureReader(dump / "feats.scp")
    return {utt: reader[utt].copy() for utt in reader}


def place(dump: Path, utt: str) -> tuple[Path, int]:
    ark, _, offset = read_table(dump / "feats.scp")[utt].rpartition(":")
    return Path(ark), int(offset)


def flip(ark: Path, at: int) -> None:
    data = bytearray(ark.read_bytes())
    data[at] ^= 16
    ark.write_bytes(data)


@pytest.fixture
def other(recipe, monkeypatch) -> Recipe:
    """A second recipe that shares s-b with the first, finished."""
    run(recipe.context())
    made = Recipe(recipe.dir.parent / "other")
    for name, utts in (("train", {"s-b": 1.0, "s-y": 0.6}), ("dev", {"s-f": 0.6}), ("test", {"s-z": 0.4})):
        made.add(name, utts)
    monkeypatch.chdir(made.dir)
    run(made.context())
    return made


def test_ls_says_what_is_stored_and_who_uses_it(recipe, other, capsys):
    capsys.readouterr()
    assert main(["cache", "ls"]) == 0
    head, first, *rest, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["folder", "layers", "storage", "arithmetic", "hours", "MB", "used", "by"]
    assert first.split()[:4] == [recipe.key().name, "last", "f32", "float32"]
    size = sum(p.stat().st_size for p in recipe.key().rglob("*") if p.is_file())
    assert float(first.split()[5]) == round(size / 1e6, 1) and total.startswith(f"{size / 1e6:.1f} MB in ")
    users = [first.split()[6], *(line.strip() for line in rest)]
    assert users == sorted(
        str(r.dir / "dump/fbank" / n) for r in (recipe, other) for n in ("train", "dev", "test")
    )


def test_hours_count_each_audio_once(recipe, other, capsys):
    frames = {
        utt: m.shape[0]
        for r in (recipe, other)
        for n in ("train", "dev", "test")
        for utt, m in matrices(r.dump(n)).items()
    }  # utterances of one name have one audio
    facts = json.loads((recipe.key() / "setup.json").read_text())
    (recipe.key() / "setup.json").write_text(
        json.dumps(facts | {"frame_rate": 1.0})
    )  # a frame a second: more hours
    capsys.readouterr()
    assert main(["cache", "ls"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[4] == f"{sum(frames.values()) / 3600:.2f}"


def test_an_empty_store(recipe, tmp_path, capsys):
    for action in ("ls", "gc", "verify"):
        assert main(["cache", action, "--cache", str(tmp_path / "nothing")]) == 0
        assert "holds no features" in capsys.readouterr().out


def test_gc_keeps_what_is_used_and_removes_the_rest(recipe, other, capsys):
    run(
        other.context("features.layers=0")
    )  # its sets of the first key are replaced, which leaves two archives unused
    assert len(keys(recipe.store.parent)) == 2
    old = next(k for k in keys(recipe.store.parent) if k.facts["layers"] == "last")
    before = {name: matrices(recipe.dump(name)) for name in ("train", "dev", "test")}
    arks = {a.name for a in old.archives()}
    kept = {place(recipe.dump(n), u)[0].name for n in before for u in before[n]}
    assert kept < arks
    capsys.readouterr()
    assert main(["cache", "gc", "--dry_run"]) == 0
    assert "would free" in capsys.readouterr().out and {a.name for a in old.archives()} == arks
    assert main(["cache", "gc"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in arks - kept) and "cache: freed" in out
    assert {a.name for a in old.archives()} == kept
    assert {p.name for p in old.folder.glob("*.idx")} == {Path(n).with_suffix(".idx").name for n in kept}
    for name, mats in before.items():
        after = matrices(recipe.dump(name))
        assert all(np.array_equal(after[u], mats[u]) for u in mats)
    assert main(["cache", "gc"]) == 0
    assert capsys.readouterr().out == "cache: freed 0.0 MB\n"
    shutil.rmtree(recipe.dir)
    assert main(["cache", "gc"]) == 0
    assert f"{old.folder.name}: nothing uses it" in capsys.readouterr().out
    assert [k.facts["layers"] for k in keys(recipe.store.parent)] == [0]


def test_gc_keeps_what_an_interrupted_run_needs(recipe, other, monkeypatch, capsys):
    monkeypatch.chdir(recipe.dir)
    monkeypatch.setattr("xlt.features.plan.batches", lambda rows, *_: [[r] for r in sorted(rows)])
    recipe.add("train_1min", {"s-b": 1.0, "s-y": 0.6, "s-1": 0.3, "s-2": 0.5})  # s-y is of the other recipe
    from xlt.features.extract import Shard

    real, seen = Shard.run, []

    def stops_at_the_second(self, message, prepared):
        seen.append(message)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(self, message, prepared)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Shard, "run", stops_at_the_second)
        run(recipe.context("data.train_minutes=1"))
    shutil.rmtree(other.dir)
    assert main(["cache", "gc"]) == 0
    run(recipe.context("data.train_minutes=1"))
    stamp = json.loads((recipe.dump("train_1min") / "stage.json").read_text())
    assert (stamp["utterances"], stamp["encoded"]) == (4, 1)
    assert sorted(len(m) for m in matrices(recipe.dump("train_1min")).values()) == [28, 48, 58, 98]


def test_gc_leaves_a_key_alone_that_is_being_written(recipe, capsys):
    run(recipe.context())
    shutil.rmtree(recipe.dir / "dump")
    with Key(recipe.key()).writing("a run"):
        assert main(["cache", "gc"]) == 0
        assert "is being written and is kept" in capsys.readouterr().out
    assert list(recipe.key().glob("*.ark"))


def test_a_recipe_that_was_moved_still_uses_its_features(recipe, monkeypatch):
    run(recipe.context())
    moved = recipe.dir.rename(recipe.dir.with_name("moved"))
    monkeypatch.chdir(moved)
    recipe.dir = moved
    run(recipe.context())  # up to date
    assert main(["cache", "gc"]) == 0
    assert matrices(moved / "dump/fbank/train")["s-a"].shape == (48, 80)


def damage_flip(recipe):
    ark, offset = place(recipe.dump("train"), "s-b")
    flip(ark, offset + 1000)
    return ["s-b"], "checksum differs"


def damage_head(recipe):
    ark, offset = place(recipe.dump("train"), "s-b")
    flip(ark, offset + 7)  # the number of frames
    return ["s-b"], "checksum differs"


def damage_cut(recipe):
    ark, _ = place(recipe.dump("train"), "s-b")
    content, _ = max(read_index(ark), key=lambda item: item[1].offset)
    os.truncate(ark, ark.stat().st_size - 10)
    return [u for u, c in read_table(recipe.dump("train") / "utt2audio").items() if c == content], "cut short"


def damage_gone(recipe):
    place(recipe.dump("dev"), "s-f")[0].unlink()
    return ["s-f", "s-g"], "its archive is gone"


def damage_index(recipe):
    index = place(recipe.dump("dev"), "s-f")[0].with_suffix(".idx")
    index.unlink()
    return ["s-f", "s-g"], "not in the index"


def damage_index_line(recipe):
    index = place(recipe.dump("dev"), "s-f")[0].with_suffix(".idx")
    index.write_text(index.read_text().replace(" ", "?", 1))
    return [], "lines of the index cannot be read"


@pytest.mark.parametrize(
    "damage",
    [damage_flip, damage_head, damage_cut, damage_gone, damage_index, damage_index_line],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("storage", ["f32", "cm1"])
def test_verify_names_what_is_damaged_and_repair_mends_only_that(
    recipe, monkeypatch, capsys, storage, damage
):
    run(recipe.context(f"features.storage={storage}"))
    names = ("train", "dev", "test")
    before = {n: matrices(recipe.dump(n)) for n in names}
    scps = {n: (recipe.dump(n) / "feats.scp").read_bytes() for n in names}
    assert main(["cache", "verify"]) == 0
    assert "all checksums agree" in capsys.readouterr().out
    utts, what = damage(recipe)
    assert main(["cache", "verify"]) == 2
    out, err = capsys.readouterr()
    assert what in out and all(f"utterance {u} of {recipe.dir}" in out for u in utts)
    assert not any(
        f"utterance {u} of" in out for mats in before.values() for u in mats if u not in utts and utts
    )
    assert "xlt cache verify --repair" in err and err.count("\n") == 1

    from xlt.features.extract import Shard

    encoded, real = [], Shard.run
    monkeypatch.setattr(Shard, "run", lambda self, m, *_: encoded.extend(m["utts"]) or real(self, m))
    monkeypatch.chdir(recipe.dir.parent)  # anywhere
    assert main(["cache", "verify", "--repair"]) == 0
    assert "repaired" in capsys.readouterr().out
    assert len(encoded) == (0 if "index" in what else len(utts))
    monkeypatch.chdir(recipe.dir)
    assert main(["cache", "verify"]) == 0
    for name in names:
        after = matrices(recipe.dump(name))
        assert all(np.array_equal(after[u], m) for u, m in before[name].items())
        assert (recipe.dump(name) / "feats.scp").read_bytes() == scps[name]
    capsys.readouterr()
    run(recipe.context(f"features.storage={storage}"))
    assert capsys.readouterr().out.count("is up to date") == 3


def test_repair_says_what_it_cannot_mend(recipe, capsys):
    run(recipe.context())
    damage_flip(recipe)
    (recipe.dir / "data/all/wav/s-b.wav").unlink()
    assert main(["cache", "verify", "--repair"]) == 2
    out, err = capsys.readouterr()
    assert (
        "not repaired: s-b: checksum differs, and cannot be encoded again: its audio is no longer in data/"
        in out
    )
    assert "1 matrices are damaged, or run stage 3" in err


def test_damage_that_nobody_uses_is_forgotten(recipe, capsys):
    run(recipe.context())
    ark, _ = place(recipe.dump("dev"), "s-f")
    shutil.rmtree(recipe.dump("dev"))
    ark.unlink()
    assert main(["cache", "verify"]) == 2
    assert "nothing uses it" in capsys.readouterr().out
    assert main(["cache", "verify", "--repair"]) == 0
    assert main(["cache", "verify"]) == 0
    run(recipe.context())
    assert matrices(recipe.dump("dev"))["s-f"].shape == (58, 80)


def test_stage_3_reads_an_index_that_is_damaged_with_one_message(recipe, capsys):
    run(recipe.context())
    damage_index_line(recipe)
    recipe.add("train_1min", {"s-b": 1.0})
    assert main(["features", "data.train_minutes=1"]) == 2
    said = capsys.readouterr().err
    assert re.search(r"\.idx:1: damaged; repair it with: \S*xlt cache verify --repair", said)


@pytest.mark.slow
def test_mixed_layers_are_stored_listed_and_mended(recipe, tmp_path, capsys):
    make_tiny_wav2vec2(tmp_path / "weights")
    (recipe.dir / "recipe.yaml").write_text(
        f"lang: ron_Latn\nnj: 1\nfeatures: {{upstream: hf_wav2vec2_custom, path: {tmp_path}/"
        "weights, layers: mix, mix_updates: 3, mix_head: linear, storage: f32}\n"
    )
    utts = list(read_table(recipe.dir / "data/train/wav.scp"))
    write_table(recipe.dir / "data/train/text", dict.fromkeys(utts, "ana are"))
    run(recipe.context())
    dump = recipe.dump("train", "hf_wav2vec2_custom")
    mix = Mix.load(dump.parent / "mix")
    facts = json.loads((dump / "feats.json").read_text())
    assert (facts["layers"], facts["mix"]) == ("mix", mix.facts())
    assert {p.name for p in recipe.key().glob("mix.*")} == {"mix.json", "mix.npz", "mix.svg"}
    upstream = extract.load(extract.prepare(recipe.context("features.layers=0").cfg.features, recipe.dir))
    (expected,) = extract.encode_waves(upstream, [read_wav("data/all/wav/s-b.wav")], mix=mix)
    before = matrices(dump)
    np.testing.assert_allclose(before["s-b"], expected, atol=1e-4)
    capsys.readouterr()
    assert main(["cache", "ls"]) == 0
    assert f"mix {mix.digest[:8]}" in capsys.readouterr().out
    ark, offset = place(dump, "s-b")
    flip(ark, offset + 1000)
    shutil.rmtree(dump.parent / "mix")  # the key has its own
    assert main(["cache", "verify", "--repair"]) == 0
    np.testing.assert_allclose(matrices(dump)["s-b"], before["s-b"], atol=1e-4)
