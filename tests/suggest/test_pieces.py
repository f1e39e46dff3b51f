"""Pieces by a real bundle, of the first version, which knows four tones."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.suggest.conftest import CALIBRATED
from tests.tones import RATE, Loud, make_corpus, sound
from xlt.bundle.transcribe import Transcriber
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.fetch.files import sha256
from xlt.formats.tables import read_table, write_table
from xlt.suggest.pieces import Sound, drafts, find
from xlt.suggest.recipe import corpus, origin

pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path):
    """It lies in a recipe of its language, and searches with a beam."""
    recipe = tmp_path / "eng"
    make_corpus(tmp_path / "corpus", train=12)
    recipe.mkdir()
    settings = f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {tmp_path / 'corpus'}}}\nnj: 1\n"
    (recipe / "recipe.yaml").write_text(settings, encoding="utf-8")
    assert main(["data", "--recipe", str(recipe)]) == 0
    bundle = recipe / "exp/main/bundle"
    shutil.copytree(ROOT / "tests/fixtures/bundle_v1", bundle)
    audio = read_table(recipe / "data/train/utt2audio")
    write_table(bundle / "heard", {utt: f"{value} {utt}" for utt, value in audio.items()})
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest |= {"confidence": CALIBRATED, "decode": {"method": "beam", "beam_size": 8}, "format": 2}
    manifest["decode"] |= {"lm_weight": 0.0, "length_bonus": 0.0}
    manifest["files"]["heard"] = sha256(bundle / "heard")
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    return bundle


def test_a_long_recording_is_cut_and_its_pieces_are_drafted(bundle, tmp_path, monkeypatch):
    """Of 40 s with four texts, one is said twice in the same way: the second falls out."""
    monkeypatch.setattr("xlt.audio.voice.Voice", Loud)
    samples = np.random.default_rng(0).normal(size=40 * RATE).astype(np.float32) * 1e-4
    said = {4: "aei oae", 14: "iao eoa", 24: "oie eao", 34: "aei oae"}
    for second, text in said.items():
        tones = sound(text, np.random.default_rng(1))
        samples[second * RATE : second * RATE + len(tones)] += tones
    soundfile.write(tmp_path / "long.wav", samples, RATE)
    here = origin(bundle)
    long = [Sound("long.wav", tmp_path / "long.wav", 40.0)]
    transcriber = Transcriber(here.bundle)
    found = find(long, transcriber, corpus(here), here.cfg)
    made = drafts(long, transcriber, found, here.cfg, here.log, here.key)
    assert [round(draft.start_s) for draft in made] == [4, 14, 24] and found.count == 3
    assert [draft.text.replace(" ", "") for draft in made] == ["aeioae", "iaoeoa", "oieeao"]
    assert all(0 < draft.confidence <= 1 and 1 < draft.seconds < 2 for draft in made)
    assert all(0 <= sure <= 1 for draft in made for _, sure in draft.words)
    (place,) = found.left_out["alike"]
    assert place.startswith("long.wav, 34") or place.startswith("long.wav, 33")
