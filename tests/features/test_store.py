"""Stage 3 on made-up sounds with fbank, which needs no weights."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from xlt import kaldi_io
from xlt.errors import ConfigError, DataError, StageError, UpstreamError
from xlt.features import extract, run
from xlt.features.store import batches
from xlt.kaldi_io import FeatureReader, read_table

SETS = ("train", "dev", "test")


def test_a_set_holds_what_the_later_stages_read(recipe):
    run(recipe.context())
    for name in SETS:
        folder = recipe.dump(name)
        wavs, places = read_table(recipe.dir / "data" / name / "wav.scp"), read_table(folder / "feats.scp")
        assert list(places) == list(wavs)
        assert {p.name for p in folder.iterdir()} == {"feats.1.ark", "feats.scp", "utt2num_frames", "utt2audio",
                                                      "feats.json", "stage.json"}
        frames = read_table(folder / "utt2num_frames")
        reader = FeatureReader(folder / "feats.scp")
        for utt in wavs:
            assert reader[utt].shape == (int(frames[utt]), 80)
    assert frames == {"s-h": "48", "s-i": "78"}  # (0.5 s · 16000 - 400) / 160 + 1
    meta = json.loads((folder / "feats.json").read_text())
    assert (meta["dim"], meta["frame_rate"], meta["upstream"]["upstream"]) == (80, 100.0, "fbank")


def test_archives_read_with_kaldi_io_match_direct_encoding(recipe):
    run(recipe.context())
    upstream = extract.load(recipe.context().cfg.features, recipe.dir)
    expected, = extract.encode_waves(upstream, [kaldi_io.read_wav("data/all/wav/s-c.wav")])
    assert np.array_equal(FeatureReader(recipe.dump("train") / "feats.scp")["s-c"], expected)


def test_up_to_date_needs_no_torch(recipe):
    run(recipe.context())
    code = ("import sys; from xlt.cli import main; status = main(['features']); "
            "heavy = {'torch', 'transformers', 's3prl', 'numpy', 'soundfile'} & set(sys.modules); print(status, heavy)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [f"features: dump/fbank/{name} is up to date" for name in SETS] + ["0 set()"]


def test_more_processes_than_utterances(recipe):
    run(recipe.context())
    alone = {u: FeatureReader(recipe.dump("train") / "feats.scp")[u] for u in ("s-a", "s-d")}
    run(recipe.context("nj=7", force=True))
    assert len(list(recipe.dump("train").glob("feats.*.ark"))) <= 5
    reader = FeatureReader(recipe.dump("train") / "feats.scp")
    assert all(np.array_equal(reader[u], alone[u]) for u in alone)


def test_goes_on_by_utterance(recipe, monkeypatch, capsys):
    monkeypatch.setattr("xlt.features.store.batches", lambda todo, *_: [[item] for item in todo])
    real, seen = extract.Shard.run, []

    def stops_at_the_fourth(self, message):
        seen.append(message["utts"][0][0])
        if len(seen) == 4:
            raise KeyboardInterrupt
        return real(self, message)

    monkeypatch.setattr(extract.Shard, "run", stops_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(recipe.context())
    assert not recipe.dump("train").exists()
    partial = recipe.dir / "dump" / "fbank" / ".train.partial"
    torn = (partial / "feats.1.ark").read_bytes()[:-100]  # the last of three is cut
    (partial / "feats.1.ark").write_bytes(torn)
    run(recipe.context())
    assert seen[:3] == ["s-a", "s-b", "s-c"] and seen[4:7] == ["s-c", "s-d", "s-e"]
    assert "2 of 5 utterances are there already" in capsys.readouterr().out
    stamp = json.loads((recipe.dump("train") / "stage.json").read_text())
    assert (stamp["utterances"], stamp["encoded"]) == (5, 3)
    reader = FeatureReader(recipe.dump("train") / "feats.scp")
    assert [len(reader[u]) for u in ("s-a", "s-b", "s-c", "s-d", "s-e")] == [48, 98, 68, 28, 88]


def test_equal_audio_is_copied_not_encoded(recipe, monkeypatch, capsys):
    run(recipe.context())
    recipe.add("train_1min", {"s-b": 1.0, "s-e": 0.9})
    monkeypatch.setattr(extract.Shard, "run", None)  # encoding would fail
    run(recipe.context("data.train_minutes=1"))
    assert "2 utterances copied from dump/fbank/train" in capsys.readouterr().out
    small, whole = (FeatureReader(recipe.dump(n) / "feats.scp") for n in ("train_1min", "train"))
    assert all(np.array_equal(small[u], whole[u]) for u in ("s-b", "s-e"))
    assert json.loads((recipe.dump("train_1min") / "feats.json").read_text())["dim"] == 80


def test_other_settings_or_audio_are_not_copied(recipe, capsys):
    run(recipe.context())
    recipe.add("train_1min", {"s-b": 1.0, "s-e": 0.8})  # s-e is cut: other audio under the same id
    run(recipe.context("data.train_minutes=1"))
    assert "1 utterances copied" in capsys.readouterr().out
    run(recipe.context("data.train_minutes=1", "features.layers=0"))
    assert "copied" not in capsys.readouterr().out


def test_changed_settings_are_said_and_redone(recipe, capsys):
    run(recipe.context())
    capsys.readouterr()
    run(recipe.context("features.layers=0"))
    assert "makes dump/fbank/train again (features.layers: last → 0)" in capsys.readouterr().out


@pytest.mark.parametrize("nj", [1, 2])
def test_missing_and_damaged_audio_is_named(recipe, nj):
    wav = recipe.dir / "data/all/wav/s-c.wav"
    whole = wav.read_bytes()
    context = recipe.context(f"nj={nj}")
    wav.unlink()
    with pytest.raises(DataError, match=r"wav.scp:3: utterance s-c: data/all/wav/s-c.wav: no such file; run stage 1"):
        run(context)
    wav.write_bytes(whole[:-8000])
    with pytest.raises(DataError, match=r"wav.scp:3: utterance s-c.*is 0.45 s long, utt2dur says 0.7000: cut short"):
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
    with pytest.raises(DataError, match=r"wav.scp:1: utterance s-a: .*is a command; import .* with data.reader=kaldi"):
        run(recipe.context())
    scp.write_text(before)
    (recipe.dir / "data/train/segments").write_text("s-a s-a 0 1\n")
    with pytest.raises(DataError, match="segments: stage 3 reads one file an utterance"):
        run(recipe.context())


def test_stage_1_must_have_run(recipe):
    (recipe.dir / "data/dev/wav.scp").unlink()
    with pytest.raises(StageError, match=r"data/dev/wav.scp: not there; stage 1 \(data\) makes it"):
        run(recipe.context())


def test_unknown_upstream_is_named(recipe):
    with pytest.raises(ConfigError, match="'whisper_bsae' is not known.*did you mean whisper_base"):
        run(recipe.context("features.upstream=whisper_bsae"))


def test_error_in_a_worker_has_its_type(recipe):
    with pytest.raises(ConfigError, match="fbank has the layers 0 to 0, found 4"):
        run(recipe.context("features.layers=4", "nj=2"))


def test_dead_worker_is_one_clear_error(recipe, monkeypatch):
    monkeypatch.setattr("xlt.features.pool.sys.executable", "/bin/false")
    with pytest.raises(StageError, match="features: worker 1 ended with status 1"):
        run(recipe.context("nj=2"))


def test_sets_of_different_weights_are_refused(recipe):
    run(recipe.context())
    meta = recipe.dump("test") / "feats.json"
    text = meta.read_text()
    other = text.replace('"mels": 80', '"mels": 40')
    assert other != text and len(other) == len(text)
    meta.write_text(other)
    with pytest.raises(UpstreamError, match="dump/fbank/test and dump/fbank/train were made with different weights"):
        run(recipe.context())


def test_ctrl_c_ends_the_workers_and_loses_nothing(recipe, tmp_path):
    recipe.add("train", {f"s-{n:03}": 20.0 for n in range(40)})
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "xlt.cli", "features", "--nj", "2"]
    stage = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True)
    partial = recipe.dir / "dump/fbank/.train.partial"
    while stage.poll() is None and not any(p.stat().st_size for p in partial.glob("feats.*.scp")):
        time.sleep(0.01)
    os.killpg(stage.pid, signal.SIGINT)  # as a terminal does: to the stage and its workers
    assert "interrupted; the same command goes on" in stage.communicate()[1]
    assert stage.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(stage.pid, 0)  # no worker is left
    run(recipe.context("nj=2"))
    stamp = json.loads((recipe.dump("train") / "stage.json").read_text())
    assert stamp["utterances"] == 40 and 0 < stamp["encoded"] < 40


def test_batches_hold_like_lengths_longest_first():
    samples = {"a": 16000, "b": 48000, "c": 32000, "d": 16000}
    found = batches([[u, "", None] for u in samples], samples, 3.0)
    assert [[u for u, _, _ in batch] for batch in found] == [["b"], ["c", "a"], ["d"]]
