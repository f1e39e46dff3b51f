"""A recipe with preset=streaming, up to a bundle that writes a stream as it writes the masked clip."""

import json

import numpy as np
import pytest

from tests.tiny import make_tiny_whisper
from tests.tones import make_corpus, sound
from xlt.bundle.streaming import Streams
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.nets.chunks import Chunks
from xlt.nets.paths import best_path

pytestmark = pytest.mark.trains


def test_a_streaming_recipe_ends_in_a_bundle_that_streams(tmp_path, monkeypatch):
    monkeypatch.setenv("XLT_CACHE", str(tmp_path / "cache"))
    make_corpus(tmp_path / "corpus", train=6, held_out=2)
    whisper = make_tiny_whisper(tmp_path / "whisper", layers=2, dim=32)
    place = tmp_path / "eng"
    place.mkdir()
    (place / "recipe.yaml").write_text(
        "lang: eng_Latn\npreset: streaming\ndata: {reader: kaldi, dir: ../corpus}\nnj: 1\nlm: {type: none}\n"
        f"features: {{upstream: whisper_base, path: {whisper}, mix_updates: 2, storage: f32}}\n"
        "train: {max_epochs: 1, min_updates: 0}\ncheck: {min_held_out: 1}\n"
    )
    for stage in "data features tokens train decode bundle".split():
        assert main([stage, "--recipe", str(place)]) == 0
    folder = place / "exp/main/bundle"
    features = json.loads((folder / "xlt.json").read_text())["features"]
    assert (features["chunk_s"], features["left_s"], features["look_ahead_s"]) == ([0.0, 0.64], 5.0, 0.0)
    assert len(json.loads((place / "exp/main/history.json").read_text())) == 1

    bundle, wave = Transcriber(folder), sound("aei oae aei oae", np.random.default_rng(1))
    streams = Streams(bundle)
    assert streams.chunk_s == streams.latency_s == 0.64
    head = bundle.recogniser.model.model.head(50.0)
    with_all = head.open_outputs().push(bundle.encode([wave])[0], last=True)[0]
    whole, _ = bundle.recogniser.model.log_probs(bundle.encode([wave]))
    np.testing.assert_allclose(with_all, whole[0].numpy(), atol=1e-4)  # for final texts

    masked = bundle.encode.upstream.chunked(Chunks(32, 250))
    states, (frames,) = masked.encode([wave], bundle.encode.mix.layers)
    rows = head.open_outputs().push(bundle.encode.mix.apply(states)[0, :frames].numpy(), last=True)[0]
    stream = streams.open()
    for start in range(0, len(wave), 4000):
        stream.push(wave[start : start + 4000])
    found = stream.end()
    assert found.text == bundle.recogniser.tokenizer.decode(best_path(rows.argmax(-1)))
    assert found.score == pytest.approx(float(rows.max(axis=-1).sum()), abs=1e-3)
