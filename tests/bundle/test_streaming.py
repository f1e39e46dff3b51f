"""A bundle that streams writes what its parts give of the whole."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml

from tests.bundle.many import single
from tests.errors import raises
from tests.export.bundles import TONES, altered, over_whisper
from tests.tones import RATE, sound
from xlt.bundle.join import join
from xlt.bundle.opened import opened
from xlt.bundle.streaming import Streams
from xlt.bundle.transcribe import Transcriber
from xlt.core.errors import DataError
from xlt.nets.chunks import Chunks
from xlt.nets.paths import best_path

pytestmark = pytest.mark.trains

CHUNKS_S = [0.64, 0.32]


def with_encoder(folder, encoder, **info):
    """The bundle with another network of the same weights, and other values in its xlt.json."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    conf = {**config["encoder_conf"], **encoder}
    config |= {"encoder": conf.pop("name"), "encoder_conf": conf}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return altered(folder, **info)


@pytest.fixture(scope="module")
def mels(tmp_path_factory):
    """Log-mels, and the BLSTM of the fixture in chunks of 16 frames of 20 ms."""
    folder = tmp_path_factory.mktemp("streams") / "mels"
    shutil.copytree(TONES, folder)
    return with_encoder(folder, {"name": "lc_blstm", "chunk_s": [0.32, 0.16], "look_ahead_s": 0.08})


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A random Whisper whose features come in chunks, and the same network behind it."""
    folder = over_whisper(tmp_path_factory.mktemp("streams") / "whisper")
    features = json.loads((folder / "xlt.json").read_text())["features"]
    features |= {"chunk_s": [*CHUNKS_S, 0.0], "left_s": 2.0, "look_ahead_s": 0.0}
    return with_encoder(
        folder, {"name": "lc_blstm", "chunk_s": [0.64, 0.32], "frame_rate": 25.0}, features=features
    )


def speech():
    return sound("aei oae", np.random.default_rng(1))


def streamed(streams, wave, size, **how):
    """What a stream has found at its end, and its partial texts."""
    stream, seen = streams.open(**how), []
    for start in range(0, len(wave), size):
        stream.push(wave[start : start + size])
        seen.append((stream.partial, stream.stable))
    return stream.end(), seen


def test_log_mels_of_a_stream_give_the_text_of_the_whole(mels):
    bundle, wave = Transcriber(mels), speech()
    (whole,) = bundle.recogniser(bundle.encode([wave]))
    assert len(whole.text) > 3
    streams = Streams(bundle)
    # 16 frames of 20 ms and 4 behind them; a log-mel every 10 ms, two of them a frame
    assert streams.chunk_s == 0.32 and streams.latency_s == pytest.approx(0.40)
    for size in (len(wave), 1000, 16000):
        found, seen = streamed(streams, wave, size)
        assert found.text == whole.text
        assert found.score == pytest.approx(whole.score, abs=0.05)  # whole ones are stored in a byte a value
        assert [word["start_s"] for word in found.words] == [word["start_s"] for word in whole.words]
        assert all(found.text.startswith(stable) for _, stable in seen)
    assert len({text for text, _ in seen}) > 1  # something was said before the end


def test_an_encoder_in_chunks_gives_the_text_of_the_masked_whole(whisper):
    bundle, wave = Transcriber(whisper), speech()
    for chunk_s in (None, 0.32):
        streams = Streams(bundle, chunk_s)
        size = round((chunk_s or 0.64) * 50)
        assert streams.chunk_s == streams.latency_s == size / 50
        masked = bundle.encode.upstream.chunked(Chunks(size, 100))
        states, (frames,) = masked.encode([wave], bundle.encode.mix.layers)
        feats = bundle.encode.mix.apply(states)[0, :frames].numpy()
        head = bundle.recogniser.model.model.head(50.0)
        rows = head.open_outputs(chunk_s).push(feats, last=True)[0]
        assert len(rows) == -(-frames // 2)
        expected = bundle.recogniser.tokenizer.decode(best_path(rows.argmax(-1)))
        assert expected
        for step in (1600, len(wave)):
            assert streamed(streams, wave, step)[0].text == expected


def test_the_usual_chunk_is_one_of_encoder_and_head(tmp_path, whisper):
    folder = tmp_path / "other"
    shutil.copytree(whisper, folder)
    features = json.loads((folder / "xlt.json").read_text())["features"]
    altered(folder, features={**features, "chunk_s": [1.28, 0.32]})
    assert Streams(Transcriber(folder)).chunk_s == 0.32


def test_the_head_equals_the_whole_head(whisper):
    model = Transcriber(whisper).recogniser.model.model
    feats = np.random.default_rng(0).normal(0, 1, (101, 80)).astype(np.float32)
    whole, _ = model.log_probs([feats])
    stream = model.head(50.0).open_outputs()
    rows = [stream.push(feats[start : start + 7], start + 7 >= len(feats))[0] for start in range(0, 101, 7)]
    torch.testing.assert_close(torch.from_numpy(np.concatenate(rows)), whole[0], atol=1e-4, rtol=1e-4)


def test_pauses_reach_the_search(mels):
    bundle = Transcriber(mels)
    wave = np.concatenate([speech(), np.zeros(3 * RATE, np.float32), speech()])
    stream = Streams(bundle).open(pause_s=1.0)
    ended = stream.push(wave)
    last = stream.end()
    assert [one.text.strip() for one in ended] == [last.text]
    assert last.words[0]["start_s"] > 3.0 > ended[0].words[-1]["end_s"]


def test_a_head_of_several_streams_over_the_encoder_that_they_share(tmp_path, mels):
    place, wave = tmp_path / "several", speech()
    join([mels, single(tmp_path / "ron", "ron_Latn")], place)
    alone, _ = streamed(Streams(Transcriber(mels)), wave, 3000)
    several = opened(place)
    found, _ = streamed(Streams(several.head("eng")), wave, 3000)
    assert found.text == alone.text != ""
    assert streamed(Streams(several.head("ron")), wave, 3000)[0].text  # of whole clips


def test_what_cannot_stream_is_refused_with_the_reason_and_the_remedy(whisper, mels):
    other = Transcriber(TONES)
    net = other.recogniser.model.model.net
    net.normalize = torch.nn.Identity()
    with raises(DataError, "its own mean", "preset=streaming", where=str(TONES)):
        Streams(other)
    net.encoder = torch.nn.Identity()
    with raises(DataError, "Identity", "preset=streaming", where=str(TONES)):
        Streams(other)
    with raises(DataError, "0.64", "0.32", "0.5", "features.chunk_s", where=str(whisper)):
        Streams(Transcriber(whisper), 0.5)
    with raises(DataError, "0.32", "0.16", "0.64", "train.encoder_conf.chunk_s", where=str(mels)):
        Streams(Transcriber(mels), 0.64)
    frame_by_frame = Transcriber(mels)
    frame_by_frame.recogniser.model.model.net.encoder.chunk_sizes = ()
    with raises(DataError, "0.32", where=str(mels)):
        Streams(frame_by_frame, 0.32)
