"""Bundles of transducers write from a stream what they write from the whole."""

import dataclasses

import numpy as np
import pytest

from tests.errors import raises
from tests.export.transducers import transducer_bundle
from tests.tones import sound
from xlt.bundle.streaming import Streams
from xlt.bundle.transcribe import Transcriber
from xlt.core.errors import ConfigError, DataError


@pytest.fixture(scope="module", params=["emformer", "contextual_block_conformer"])
def bundle(request, tmp_path_factory):
    return Transcriber(transducer_bundle(tmp_path_factory.mktemp("transducer") / "bundle", request.param))


@pytest.fixture(params=[None, 1], ids=["beam", "greedy"])
def decoding(request, bundle):
    before = bundle.recogniser.decode
    bundle.recogniser.decode = dataclasses.replace(before, beam_size=request.param)
    yield bundle
    bundle.recogniser.decode = before


@pytest.mark.parametrize("size", [1000, 16000])
def test_a_stream_gives_the_text_of_the_whole(decoding, size):
    wave = sound("aei oae oia aaa eee iii o e a", np.random.default_rng(1))
    (whole,) = decoding.recogniser(decoding.encode([wave]))
    assert len(whole.text) > 2
    stream, seen = Streams(decoding).open(), []
    for start in range(0, len(wave), size):
        stream.push(wave[start : start + size])
        seen.append((stream.partial, stream.stable))
    found = stream.end()
    assert found.text == whole.text and found.greedy == whole.greedy
    assert found.score == pytest.approx(whole.score, abs=1e-3)
    assert [one.text for one in found.nbest[:3]] == [one.text for one in whole.nbest[:3]]
    assert found.words and [w["start_s"] for w in found.words] == [w["start_s"] for w in whole.words]
    assert all(found.text.startswith(stable) for _, stable in seen)
    assert len({text for text, _ in seen}) > 1  # something was said before the end


def test_words_end_where_they_are_written(bundle):
    wave = sound("aei oae", np.random.default_rng(1))
    (whole,) = bundle.recogniser(bundle.encode([wave]))
    times = [(word["start_s"], word["end_s"]) for word in whole.words]
    assert times and all(0 <= start < end <= len(wave) / 16000 + 0.04 for start, end in times)
    assert times == sorted(times)


def test_chunks_that_were_not_trained_are_refused(bundle):
    with raises(DataError, "segment_s"):
        Streams(bundle, 1.0)


def test_other_searches_say_what_the_model_has(bundle):
    recogniser = bundle.recogniser
    joint = dataclasses.replace(recogniser.decode, method="joint")
    with raises(ConfigError, "transducer", where="decode.method=joint"):
        recogniser.decoder(joint)
    beam = dataclasses.replace(recogniser.decode, method="beam")
    assert recogniser.decoder(beam)  # by CTC, which is there, too
