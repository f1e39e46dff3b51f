"""Batching, windows and layers, on an upstream whose output is worked out by hand."""

import dataclasses
import threading
import zlib

import numpy as np
import pytest

from tests.errors import raises
from tests.lazy import torch
from xlt.core.config import load
from xlt.core.errors import ConfigError, DataError, UpstreamError
from xlt.core.settings import FeaturesConfig
from xlt.core.worker import PrefetchingWorker
from xlt.features import extract
from xlt.upstreams.base import Source, Upstream, check_layers


def settings(recipe, **changes) -> FeaturesConfig:
    """The default settings with ``changes``."""
    (recipe / "recipe.yaml").touch()
    return dataclasses.replace(load(recipe).features, **changes)


class Steps(Upstream):
    """One frame per started 4 samples; layer n of a frame is (10 n + first sample, 10 n + clips in the
    batch).
    """

    name, frame_rate, num_layers, dim, max_samples = "steps", 4000.0, 3, 2, 8

    def __init__(self):
        self.batches = []

    @staticmethod
    def find(name, path, cache):
        return Source(name, None, {})

    def batch_key(self, num_samples):
        return -(-num_samples // 4) * 4

    def encode(self, waves, layers):
        check_layers(self, layers)
        self.batches.append([len(w) for w in waves])
        frames = [np.pad(w, (0, -len(w) % 4)).reshape(-1, 4)[:, 0] for w in waves]
        out = torch.zeros(len(waves), max(map(len, frames)), 2)
        for row, f in zip(out, frames, strict=True):
            row[: len(f), 0] = torch.from_numpy(f)
        out[:, :, 1] = len(waves)
        return [out + 10 * n for n in layers], [len(f) for f in frames]


def wave(size: int, start: float = 0.0) -> np.ndarray:
    return np.arange(start, start + size, dtype=np.float32)


def test_order_windows_and_batches():
    upstream = Steps()
    feats = extract.encode_waves(upstream, [wave(3, 100), wave(19), wave(4, 200)], 0, batch_s=1.0)
    assert [f[:, 0].tolist() for f in feats] == [
        [100],
        [0, 4, 8, 12, 16],
        [200],
    ]  # 19 samples: windows of 8, 8 and 3
    assert sorted(map(tuple, upstream.batches)) == [(3, 3, 4), (8, 8)]


def test_batches_are_not_larger_than_batch_s():
    upstream = Steps()
    extract.encode_waves(upstream, [wave(4)] * 5, 0, batch_s=8 / 16000)
    assert upstream.batches == [[4, 4], [4, 4], [4]]


@pytest.mark.parametrize(
    "layers, expected", [("last", [20]), (0, [0]), ([2, 0], [20, 0]), (["last", 1], [20, 10])]
)
def test_layers_are_concatenated(layers, expected):
    (feats,) = extract.encode_waves(Steps(), [wave(4)], layers)
    assert feats[0, ::2].tolist() == expected and feats.dtype == np.float32


def test_missing_layer_is_named():
    with pytest.raises(ConfigError, match=r"features.layers: steps has the layers 0 to 2, found 3"):
        extract.encode_waves(Steps(), [wave(4)], [0, 3])


def test_not_a_number_is_named():
    bad = wave(4)
    bad[0] = np.nan
    with pytest.raises(UpstreamError, match="steps: the features of utt-b are not finite"):
        extract.encode_waves(Steps(), [wave(4), bad], ids=["utt-a", "utt-b"])


@pytest.mark.parametrize("layers", ["first", [], ["last", "x"], True, [1.5]])
def test_layers_of_a_wrong_form_are_refused(tmp_path, layers):
    with raises(ConfigError, where="features.layers"):
        extract.prepare(settings(tmp_path, upstream="fbank", layers=layers), tmp_path)


def test_auto_is_bfloat16_only_where_it_pays(tmp_path, monkeypatch):
    def dtype(upstream, setting="auto"):
        return extract.resolve_dtype(settings(tmp_path, upstream=upstream, dtype=setting))

    monkeypatch.setattr(extract, "has_gpu", lambda: False)
    monkeypatch.setattr(extract, "has_fast_bf16", lambda: True)
    assert (dtype("xls_r_300m"), dtype("whisper_base"), dtype("fbank")) == ("bfloat16", "float32", "float32")
    assert dtype("whisper_base", "bfloat16") == "bfloat16"
    monkeypatch.setattr(extract, "has_fast_bf16", lambda: False)
    assert dtype("xls_r_300m") == "float32"


def test_auto_takes_the_upstreams_own_layers(tmp_path):
    def chosen(upstream, layers):
        return extract.resolve_layers(settings(tmp_path, upstream=upstream, layers=layers))

    assert chosen("whisper_base", "auto") == chosen("xls_r_300m", "auto") == "mix"
    assert chosen("fbank", "auto") == "last"
    assert chosen("whisper_base", 5) == 5


def test_int8_only_where_it_is(tmp_path):
    with pytest.raises(ConfigError, match="features.dtype=int8: features.upstream=fbank does not have it"):
        extract.resolve_dtype(settings(tmp_path, upstream="fbank", dtype="int8"))
    with pytest.raises(ConfigError, match="features.dtype=int8: features.on_the_fly does not have it"):
        extract.resolve_dtype(settings(tmp_path, upstream="whisper_base", dtype="int8", on_the_fly=True))
    assert extract.resolve_dtype(settings(tmp_path, upstream="whisper_base", dtype="int8")) == "int8"


class Together(Steps):
    """Clips of any length share a batch of at most 16 samples."""

    packs, best_batch_s, max_samples = True, 16 / 16000, None


def test_packed_clips_share_batches_of_the_best_size():
    upstream = Together()
    feats, padded_s = extract.encode_raw(
        upstream, [wave(12), wave(3, 100), wave(8, 50), wave(4, 200)], 0, 80.0, None
    )
    assert upstream.batches == [[3, 4, 8], [12]]  # padded to 4 + 4 + 8 = 16
    assert [f[:, 0].tolist() for f in feats] == [[0, 4, 8], [100], [50, 54], [200]]
    assert padded_s == (4 + 4 + 8 + 12) / 16000


def message(folder, *rows, ark="a.ark") -> dict:
    """A message to a worker with 16 kHz files of the given samples; ``rows``: (content key, samples,
    recipe of the copy).
    """
    import soundfile

    utts = []
    for key, samples, recipe in rows:
        soundfile.write(folder / f"{key}.wav", samples, 16000, subtype="FLOAT")
        utts.append(extract.Clip(key, key, str(folder / f"{key}.wav"), None, recipe))
    return {"ark": str(folder / ark), "utts": utts}


def test_an_answer_tells_places_padding_and_what_is_bad(tmp_path, monkeypatch):
    class Breaks(Steps):
        def encode(self, waves, layers):
            outputs, lengths = super().encode(waves, layers)
            for row, w in enumerate(waves):
                if w[0] > 0.5:
                    outputs[0][row, 0, 0] = np.inf
            return outputs, lengths

    monkeypatch.setattr(extract, "load", lambda setup: Breaks())
    shard = extract.Shard(extract.Setup(Source("steps", None, {}), 1, "float32", 80.0), 1)
    quiet, loud = np.full(6, 0.25, np.float32), np.full(3, 0.75, np.float32)
    rows = ("one", quiet, ""), ("two", loud, ""), ("three", quiet, "speed:1.5")
    answer = shard.run(message(tmp_path, *rows))
    assert answer["bad"] == {"two": "not finite numbers"} and sorted(answer["entries"]) == ["one", "three"]
    assert (answer["dim"], answer["frame_rate"]) == (2, 4000.0)
    assert (
        answer["audio_s"] == (6 + 3 + 4) / 16000 and answer["padded_s"] == (8 + 4 + 4) / 16000
    )  # 6 / 1.5 = 4 samples
    data = (tmp_path / "a.ark").read_bytes()
    offset, frames, crc = answer["entries"]["one"]
    stored = data[
        offset : offset + 15 + frames * 2 * 4
    ]  # a float matrix of Kaldi: 15 bytes of header, then the values
    assert frames == 2 and zlib.crc32(stored) == crc
    assert np.frombuffer(stored[15:], "<f4").reshape(2, 2)[:, 0].tolist() == [10.25, 10.25]
    assert answer["entries"]["three"][1] == 1


def test_audio_is_read_while_another_batch_is_encoded(tmp_path):
    """And what is wrong with one message leaves the others alone."""
    reading = threading.Event()
    messages = [message(tmp_path, (f"m{n}", wave(4), "")) for n in range(3)]
    (tmp_path / "m1.wav").unlink()

    class Slow(extract.Shard):
        def run(self, message, prepared=None):
            assert len(prepared) == 1 and threading.current_thread() is threading.main_thread()
            if message is messages[0]:
                assert reading.wait(10)
            return {"done": message["utts"][0][0]}

        def prepare(self, message):
            if message is messages[1]:
                reading.set()
            return super().prepare(message)

    answers = list(PrefetchingWorker(Slow(None, 1)).run(iter(messages)))
    assert [answers[0], answers[2]] == [{"done": "m0"}, {"done": "m2"}]
    assert isinstance(answers[1], DataError) and "utterance m1" in str(answers[1])
