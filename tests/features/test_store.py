"""Stage 3 on made-up sounds with fbank, which needs no weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.errors import raises
from tests.features.conftest import Recipe
from xlt.audio.files import read_wav
from xlt.core.errors import ConfigError, DataError, StageError, UpstreamError
from xlt.core.stage import renew
from xlt.features import extract, run
from xlt.features.plan import Row, batches
from xlt.features.store import Store
from xlt.formats.archives import FeatureReader
from xlt.formats.matrix import round_trip
from xlt.formats.tables import read_table, write_table
from xlt.upstreams.base import Source

SETS = ("train", "dev", "test")


def matrices(dump: Path) -> dict[str, np.ndarray]:
    reader = FeatureReader(dump / "feats.scp")
    return {utt: reader[utt] for utt in reader}


def test_a_set_holds_what_the_later_stages_read(recipe):
    run(recipe.context())
    for name in SETS:
        folder = recipe.dump(name)
        wavs, places = read_table(recipe.dir / "data" / name / "wav.scp"), read_table(folder / "feats.scp")
        assert list(places) == list(wavs)
        assert {p.name for p in folder.iterdir()} == {
            "feats.scp",
            "utt2num_frames",
            "utt2audio",
            "utt2crc",
            "feats.json",
            "stage.json",
        }
        frames = read_table(folder / "utt2num_frames")
        reader = FeatureReader(folder / "feats.scp")
        for utt in wavs:
            assert reader[utt].shape == (int(frames[utt]), 80)
    assert frames == {"s-h": "48", "s-i": "78"}  # (0.5 s · 16000 - 400) / 160 + 1
    meta = json.loads((folder / "feats.json").read_text())
    assert (meta["dim"], meta["frame_rate"], meta["upstream"]["upstream"]) == (80, 100.0, "fbank")


def test_archives_read_with_kaldi_io_match_direct_encoding(recipe):
    run(recipe.context())
    upstream = extract.load(extract.prepare(recipe.context().cfg.features, recipe.dir))
    (expected,) = extract.encode_waves(upstream, [read_wav("data/all/wav/s-c.wav")])
    assert np.array_equal(FeatureReader(recipe.dump("train") / "feats.scp")["s-c"], expected)


def test_up_to_date_needs_no_torch(recipe):
    run(recipe.context())
    code = (
        "import sys; from xlt.cli import main; status = main(['features']); heavy = {'torch', 'transformers',"
        " 's3prl', 'numpy', 'soundfile'} & set(sys.modules); print(status, heavy)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [f"features: dump/fbank/{name} is up to date" for name in SETS] + [
        "0 set()"
    ]


@pytest.mark.slow
def test_more_processes_than_utterances(recipe):
    run(recipe.context())
    alone = {u: FeatureReader(recipe.dump("train") / "feats.scp")[u] for u in ("s-a", "s-d")}
    run(recipe.context("nj=7", force=True))
    store = {
        Path(place.rpartition(":")[0]).parent
        for place in read_table(recipe.dump("train") / "feats.scp").values()
    }
    assert len(store) == 1 and len(list(store.pop().glob("feats.*.ark"))) <= 3 + 5 + 2 + 2
    reader = FeatureReader(recipe.dump("train") / "feats.scp")
    assert all(np.array_equal(reader[u], alone[u]) for u in alone)


def one_by_one(monkeypatch):
    """Each utterance is a batch of its own."""
    monkeypatch.setattr("xlt.features.plan.batches", lambda rows, *_: [[r] for r in sorted(rows)])


def test_goes_on_by_batch(recipe, monkeypatch, capsys):
    one_by_one(monkeypatch)
    keys = read_table(recipe.dir / "data/train/utt2audio")
    utts = {key: utt for utt, key in keys.items()}
    real, seen = extract.Shard.run, []

    def stops_at_the_fourth(self, message, prepared):
        seen.append(utts.get(message["utts"][0][0]))
        if len(seen) == 4:
            raise KeyboardInterrupt
        return real(self, message, prepared)

    monkeypatch.setattr(extract.Shard, "run", stops_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(recipe.context())
    assert not recipe.dump("train").exists()
    (ark,) = recipe.key().glob("feats.*.ark")
    ark.write_bytes(ark.read_bytes()[:-100])  # the last of three is cut
    run(recipe.context())
    assert seen[:3] == ["s-a", "s-b", "s-c"] and seen[4:7] == ["s-c", "s-d", "s-e"]
    assert "2 of 5 utterances are already stored" in capsys.readouterr().out
    stamp = json.loads((recipe.dump("train") / "stage.json").read_text())
    assert (stamp["utterances"], stamp["encoded"]) == (5, 3)
    reader = FeatureReader(recipe.dump("train") / "feats.scp")
    assert [len(reader[u]) for u in ("s-a", "s-b", "s-c", "s-d", "s-e")] == [48, 98, 68, 28, 88]


def test_a_resumed_run_encodes_the_batches_of_the_first_plan(recipe, monkeypatch):
    recipe.add("train", {f"s-{n:02}": 0.3 + n / 50 for n in range(20)})
    real, seen = extract.Shard.run, []

    def stops_at_the_third(self, message, prepared):
        seen.append([key for key, *_ in message["utts"]])
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(self, message, prepared)

    monkeypatch.setattr(extract.Shard, "run", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(recipe.context("features.batch_s=2"))
    planned = json.loads((recipe.dir / "dump/fbank/.train.partial/plan.json").read_text())["batches"]
    assert len(planned) > 3 and seen == planned[:3]
    first_run = len(seen)
    run(recipe.context("features.batch_s=2", "nj=1"))
    assert seen[first_run : first_run + len(planned) - 2] == planned[2:]


def test_equal_audio_is_encoded_once(recipe, monkeypatch, capsys):
    run(recipe.context())
    recipe.add("train_1min", {"s-b": 1.0, "s-e": 0.9})
    monkeypatch.setattr(extract.Shard, "run", None)  # encoding would fail
    run(recipe.context("data.train_minutes=1"))
    assert "2 of 2 utterances are already stored" in capsys.readouterr().out
    small, whole = (read_table(recipe.dump(n) / "feats.scp") for n in ("train_1min", "train"))
    assert small == {u: whole[u] for u in ("s-b", "s-e")}
    assert json.loads((recipe.dump("train_1min") / "feats.json").read_text())["dim"] == 80


def test_another_recipe_finds_the_audio(recipe, monkeypatch, capsys):
    run(recipe.context())
    before = read_table(recipe.dump("train") / "feats.scp")
    other = Recipe(recipe.dir.parent / "other")
    for name, utts in (("train", {"s-b": 1.0, "s-z": 0.4}), ("dev", {"s-a": 0.5}), ("test", {"s-c": 0.7})):
        other.add(name, utts)
    monkeypatch.chdir(other.dir)
    run(other.context())
    after = read_table(other.dump("train") / "feats.scp")
    assert after["s-b"] == before["s-b"]
    assert json.loads((other.dump("train") / "stage.json").read_text())["encoded"] == 1
    assert json.loads((other.dump("dev") / "stage.json").read_text())["encoded"] == 0


def test_other_settings_or_audio_are_encoded(recipe, capsys):
    run(recipe.context())
    recipe.add("train_1min", {"s-b": 1.0, "s-e": 0.8})  # s-e is cut: other audio under the same id
    run(recipe.context("data.train_minutes=1"))
    assert "1 of 2 utterances are already stored" in capsys.readouterr().out
    run(recipe.context("data.train_minutes=1", "features.layers=0"))
    assert "already" not in capsys.readouterr().out


def test_changed_audio_under_the_same_name_is_encoded_again(recipe, capsys):
    run(recipe.context())
    before = read_table(recipe.dump("dev") / "feats.scp")
    recipe.add("dev", {"s-f": 0.6, "s-g": 0.5})  # s-g was 0.4 s
    capsys.readouterr()
    run(recipe.context())
    assert "making dump/fbank/dev again (data/dev/utt2audio changed)" in capsys.readouterr().out
    after = read_table(recipe.dump("dev") / "feats.scp")
    assert after["s-f"] == before["s-f"] and after["s-g"] != before["s-g"]
    assert read_table(recipe.dump("dev") / "utt2num_frames")["s-g"] == "48"


def test_a_kaldi_directory_of_the_users_own_has_its_audio_hashed(recipe, capsys):
    for name in SETS:
        (recipe.dir / "data" / name / "utt2audio").unlink()
        (recipe.dir / "data" / name / "utt2dur").unlink()
    run(recipe.context())
    run(recipe.context())
    assert capsys.readouterr().out.count("is up to date") == 3
    wav = recipe.dir / "data/all/wav/s-g.wav"
    samples, rate = soundfile.read(wav, dtype="int16")
    soundfile.write(wav, np.append(samples, np.zeros(1600, np.int16)), rate)
    run(recipe.context())
    assert "making dump/fbank/dev again (audio changed)" in capsys.readouterr().out
    stamp = json.loads((recipe.dump("dev") / "stage.json").read_text())
    assert (stamp["utterances"], stamp["encoded"]) == (2, 1)
    assert FeatureReader(recipe.dump("dev") / "feats.scp")["s-g"].shape == (48, 80)


def test_an_archive_that_is_gone_or_short_costs_only_what_is_lost(recipe, capsys):
    run(recipe.context())
    before = {u: m.copy() for u, m in matrices(recipe.dump("train")).items()}
    arks = {
        name: Path(next(iter(read_table(recipe.dump(name) / "feats.scp").values())).rpartition(":")[0])
        for name in SETS
    }
    os.truncate(arks["train"], arks["train"].stat().st_size - 10)
    arks["dev"].unlink()
    with raises(DataError, "s-f", arks["dev"].name, "stage 3", where="feats.scp"):
        FeatureReader(recipe.dump("dev") / "feats.scp")["s-f"]
    with raises(DataError, arks["train"].name, "10 bytes", "stage 3", where="feats.scp"):
        matrices(recipe.dump("train"))
    capsys.readouterr()
    run(recipe.context())
    out = capsys.readouterr().out
    assert "making dump/fbank/train again" in out and f"{arks['train']} was cut short" in out
    assert "making dump/fbank/dev again" in out and "dump/fbank/test is up to date" in out
    assert json.loads((recipe.dump("train") / "stage.json").read_text())["encoded"] == 1
    after = matrices(recipe.dump("train"))
    assert all(np.array_equal(after[u], before[u]) for u in before)


def test_compressed_features_are_what_round_trip_says(recipe):
    run(recipe.context())
    exact = {u: m.copy() for u, m in matrices(recipe.dump("train")).items()}
    for storage in ("cm2", "cm1"):
        run(recipe.context(f"features.storage={storage}"))
        found = matrices(recipe.dump("train"))
        assert all(np.array_equal(found[u], round_trip(exact[u], storage)) for u in exact)
        assert json.loads((recipe.dump("train") / "feats.json").read_text())["storage"] == storage


def test_feats_json_is_the_same_for_the_same_settings(recipe):
    run(recipe.context())
    before = (recipe.dump("train") / "feats.json").read_bytes()
    run(recipe.context(force=True))
    assert (recipe.dump("train") / "feats.json").read_bytes() == before


def test_force_encodes_anew_and_goes_on_when_interrupted(recipe, monkeypatch):
    one_by_one(monkeypatch)
    run(recipe.context())
    before = read_table(recipe.dump("train") / "feats.scp")
    real, seen = extract.Shard.run, []

    def stops_at_the_third(self, message, prepared):
        seen.append(message)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(self, message, prepared)

    monkeypatch.setattr(extract.Shard, "run", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(recipe.context(force=True))
    run(recipe.context(force=True))
    after = read_table(recipe.dump("train") / "feats.scp")
    assert all(after[u] != before[u] for u in before)
    assert json.loads((recipe.dump("train") / "stage.json").read_text())["encoded"] == 3


def test_speeds_are_further_copies_with_texts_and_speakers(recipe):
    data = recipe.dir / "data/train"
    utts = list(read_table(data / "wav.scp"))
    write_table(data / "text", {u: f"text of {u}" for u in utts})
    write_table(data / "utt2spk", dict.fromkeys(utts, "s"))
    run(recipe.context("features.speed=[0.9, 1.0]"))
    folder = recipe.dump("train")
    frames = read_table(folder / "utt2num_frames")
    assert list(frames) == [*utts, *(f"sp0.9-{u}" for u in utts)]
    assert int(frames["sp0.9-s-b"]) == (round(16000 / 0.9) - 400) // 160 + 1
    assert read_table(folder / "text")["sp0.9-s-b"] == "text of s-b"
    assert (
        read_table(folder / "utt2spk")["sp0.9-s-b"] == "sp0.9-s"
        and read_table(folder / "utt2spk")["s-b"] == "s"
    )
    assert read_table(folder / "utt2audio")["sp0.9-s-b"] == read_table(data / "utt2audio")["s-b"] + "-sp0.9"
    assert (
        not (recipe.dump("dev") / "text").exists() and len(read_table(recipe.dump("dev") / "feats.scp")) == 2
    )
    assert json.loads((folder / "feats.json").read_text())["speed"] == [0.9, 1.0]


def test_changed_settings_are_said_and_redone(recipe, capsys):
    run(recipe.context())
    capsys.readouterr()
    run(recipe.context("features.layers=0"))
    assert "making dump/fbank/train again (features.layers: last → 0)" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("nj", [1, 2])
def test_missing_and_damaged_audio_is_named(recipe, nj):
    wav = recipe.dir / "data/all/wav/s-c.wav"
    whole = wav.read_bytes()
    context = recipe.context(f"nj={nj}")
    wav.unlink()
    with pytest.raises(
        DataError, match=r"wav.scp:3: utterance s-c: .*data/all/wav/s-c.wav: no such file; run stage 1"
    ):
        run(context)
    wav.write_bytes(whole[:-8000])
    with pytest.raises(
        DataError, match=r"wav.scp:3: utterance s-c.*is 0.45 s long, utt2dur says 0.7000: cut short"
    ):
        run(context)
    wav.write_bytes(b"not audio")
    with pytest.raises(DataError, match=r"wav.scp:3: utterance s-c.*not readable as audio"):
        run(context)
    samples, rate = soundfile.read(wav.with_name("s-a.wav"), dtype="int16")
    soundfile.write(wav, np.resize(samples, 11200), rate)
    with pytest.raises(DataError, match="utterance s-c: .*s-c.wav: is not the audio that stage 1 wrote"):
        run(context)
    wav.write_bytes(whole)
    run(context)
    assert list(read_table(recipe.dump("train") / "feats.scp")) == ["s-a", "s-b", "s-c", "s-d", "s-e"]


def test_commands_and_segments_are_refused(recipe):
    scp = recipe.dir / "data/train/wav.scp"
    before = scp.read_text()
    scp.write_text("s-a sox x.wav -t wav - |\n")
    with raises(DataError, "s-a", "data.reader=kaldi", where="data/train/wav.scp:1"):
        run(recipe.context())
    scp.write_text(before)
    (recipe.dir / "data/train/segments").write_text("s-a s-a 0 1\n")
    with pytest.raises(DataError, match="segments: stage 3 reads one file an utterance"):
        run(recipe.context())


def test_stage_1_must_have_run(recipe):
    (recipe.dir / "data/dev/wav.scp").unlink()
    with raises(StageError, "stage 1 (data)", where="data/dev/wav.scp"):
        run(recipe.context())


def test_unknown_upstream_is_named(recipe):
    with raises(ConfigError, "'whisper_bsae'", "whisper_base", where="features.upstream"):
        run(recipe.context("features.upstream=whisper_bsae", "features.layers=last"))


@pytest.mark.slow
def test_error_in_a_worker_has_its_type(recipe):
    with raises(ConfigError, "fbank", 4, where="features.layers"):
        run(recipe.context("features.layers=4", "nj=2"))


def test_dead_worker_is_one_clear_error(recipe, monkeypatch):
    monkeypatch.setattr("xlt.core.executor.sys.executable", "/bin/false")
    with raises(StageError, "worker 1", "status 1", where="features"):
        run(recipe.context("nj=2"))


def test_sets_of_different_weights_are_refused(recipe):
    run(recipe.context())
    meta = recipe.dump("test") / "feats.json"
    text = meta.read_text()
    other = text.replace('"mels": 80', '"mels": 40')
    assert other != text and len(other) == len(text)
    meta.write_text(other)
    renew(recipe.dump("test"), "feats.json")  # as if it had been made so
    with pytest.raises(
        UpstreamError, match="dump/fbank/test and .*dump/fbank/train were made with different weights"
    ):
        run(recipe.context())


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_loses_nothing(recipe, tmp_path):
    recipe.add("train", {f"s-{n:03}": 20.0 for n in range(40)})
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "xlt.cli", "features", "--nj", "2"]
    stage = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while stage.poll() is None and not any(p.stat().st_size for p in recipe.store.glob("*/feats.*.idx")):
        time.sleep(0.01)
    os.killpg(stage.pid, signal.SIGINT)  # as a terminal does: to the stage and its workers
    assert "interrupted; the same command continues" in stage.communicate()[1]
    assert stage.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(stage.pid, 0)  # no worker is left
    run(recipe.context("nj=2"))
    stamp = json.loads((recipe.dump("train") / "stage.json").read_text())
    assert stamp["utterances"] == 40 and 0 < stamp["encoded"] < 40


def test_batches_hold_like_lengths_longest_first():
    samples = {"a": 16000, "b": 48000, "c": 32000, "d": 16000}
    found = batches([Row(u, u, "", "", "", n) for u, n in samples.items()], 3.0)
    assert [[row.utt for row in batch] for batch in found] == [["b"], ["c", "a"], ["d"]]


def test_room_for_the_features_is_looked_for_before_the_work(recipe, monkeypatch):
    """10.4 hours of log-mels, four bytes a value: 37,440 s x 100 frames x 80 x 4 = 1.2 GB."""
    run(recipe.context())
    store = Store(recipe.context())
    monkeypatch.setattr("xlt.core.machine.room", lambda folder: (10**9, 10**6))
    with raises(StageError, "1.0 GB", "1.2 GB", "data.cache", where=str(recipe.key())):
        store._need_room("train", store.key, 37_440)
    monkeypatch.setattr("xlt.core.machine.room", lambda folder: (10**12, 10))
    with raises(StageError, "10", "inodes", where=str(recipe.key())):
        store._need_room("train", store.key, 37_440)
    store._need_room("train", store.key, 3_600)


def test_two_machines_never_take_the_same_run(recipe, monkeypatch):
    run(recipe.context())
    key = Store(recipe.context()).key
    monkeypatch.setattr(type(key), "new_run", lambda self: 5)  # what both have seen
    assert [key.claim_run() for _ in range(3)] == [5, 6, 7]


def test_processes_write_archives_of_their_own_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("xlt.formats.archives.hold", lambda handle: True)
    setup = extract.Setup(Source("fbank", None, {}), "last", "float32", 80.0)
    names = {extract.Shard(setup, n)._archive(tmp_path / "feats.7.ark").name for n in (1, 2, 3)}
    assert names == {"feats.7.ark", "feats.7.w2.ark", "feats.7.w3.ark"}
    shard = extract.Shard(setup, 1)
    shard.open_shard("4-host-99-1", tmp_path / "scratch")
    assert shard._archive(tmp_path / "feats.7.ark") == tmp_path / "scratch/feats.7.4-host-99-1.ark"
