import dataclasses
import json

import numpy as np
import pytest

from tests.chance import hears
from tests.errors import told
from tests.toy import make_toy_recipe
from xlt import decode
from xlt.cli import main
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.executor import Workers, run
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.work import Model, Utterances
from xlt.features.speech import speech
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
    base = [
        "--recipe",
        str(recipe),
        "train.max_epochs=30",
        "train.lr=0.01",
        "train.batch_s=6",
        "train.num_masks=0",
    ]
    assert main(["tokens", *base]) == 0
    assert main(["train", *base]) == 0
    assert (
        main(
            [
                "train",
                *base,
                "tag=hybrid",
                "train.decoder=transformer",
                "train.ctc_weight=0.5",
                "train.decoder_conf={attention_heads: 2, linear_units: 32, num_blocks: 1}",
                "train.max_epochs=2",
            ]
        )
        == 0
    )
    return recipe


def test_greedy_text_and_scores_are_kaldi_tables_and_of_what_was_said(recipe):
    assert main(["decode", "--recipe", str(recipe)]) == 0
    folder = recipe / "exp" / "main" / "decode_test"
    hyps, refs = read_table(folder / "text"), read_table(recipe / "data" / "test" / "text")
    scores = read_table(folder / "score")
    assert hyps.keys() == refs.keys() == scores.keys()
    assert all(float(s) <= 0 for s in scores.values())
    assert hears(refs, hyps)
    assert json.loads((folder / "decode.json").read_text())["utterances"] == len(refs)


def test_greedy_result_does_not_depend_on_the_batch(recipe, monkeypatch):
    monkeypatch.chdir(recipe)
    from xlt.decode.recognise import Recogniser

    recogniser = Recogniser(
        recipe / "exp" / "main", from_json(DecodeConfig, "decode", {"method": "greedy"}, "test")
    )
    reader = FeatureReader(recipe / "dump/whisper_base/test/feats.scp")
    feats = [reader[u] for u in reader]
    together = recogniser(feats)
    for matrix, hypothesis in zip(feats, together, strict=True):
        alone = recogniser([matrix])[0]
        assert alone.text == hypothesis.text and alone.lang is None
        assert alone.score == pytest.approx(hypothesis.score, abs=1e-3)


def test_processes_give_what_this_one_gives(recipe):
    ctx = Context(recipe, load(recipe))
    files = speech(ctx, "test")
    ids = list(read_table(files.scp))
    greedy = dataclasses.replace(ctx.cfg.decode, method="greedy")
    messages = [Utterances(files, part, greedy) for part in (ids[:5], ids[5:], [])]
    alone, together = (
        list(run("recognise", Model(ctx, ctx.exp), messages, Workers(jobs))) for jobs in (1, 2)
    )
    for one, two in zip(alone, together, strict=True):
        assert [h.text for h in one.hypotheses] == [h.text for h in two.hypotheses]
        scores = [h.score for h in two.hypotheses]
        assert [h.score for h in one.hypotheses] == pytest.approx(scores, abs=1e-3)
    assert alone[2].hypotheses == [] and not alone[2].tells_languages


def test_prefix_beam_is_at_least_as_likely_as_greedy_and_agrees_on_clear_speech(recipe):
    assert main(["decode", "--recipe", str(recipe), "decode.sets=[dev]"]) == 0
    greedy = read_table(recipe / "exp/main/decode_dev/text")
    assert (
        main(
            [
                "decode",
                "--recipe",
                str(recipe),
                "decode.sets=[dev]",
                "decode.method=beam",
                "decode.beam_size=5",
            ]
        )
        == 0
    )
    beam = read_table(recipe / "exp/main/decode_dev/text")
    assert json.loads((recipe / "exp/main/decode_dev/decode.json").read_text())["method"] == "beam"
    assert np.mean([greedy[u] == beam[u] for u in greedy]) >= 0.5


def test_joint_decoding_of_a_hybrid_model(recipe):
    assert (
        main(
            [
                "decode",
                "--recipe",
                str(recipe),
                "tag=hybrid",
                "decode.method=joint",
                "decode.beam_size=2",
                "decode.sets=[dev]",
            ]
        )
        == 0
    )
    assert len(read_table(recipe / "exp/hybrid/decode_dev/text")) == 12


def test_joint_decoding_without_a_decoder_is_refused(recipe, capsys):
    assert main(["decode", "--recipe", str(recipe), "decode.method=joint", "decode.sets=[test]"]) == 2
    assert "has no attention decoder" in capsys.readouterr().err


def test_decoding_goes_on_after_the_utterances_that_are_done(recipe, monkeypatch, capsys):
    from xlt.decode.recognise import Recogniser

    original, calls = Recogniser.__call__, []

    def stop_later(self, feats, *args, **more):
        calls.append(len(feats))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, feats, *args, **more)

    monkeypatch.setattr(decode, "batches", lambda utts, frames, method: ([u] for u in utts))
    settings = ["decode", "--recipe", str(recipe), "--force", "decode.sets=[test]"]
    with monkeypatch.context() as patch:
        patch.setattr(Recogniser, "__call__", stop_later)
        assert main(settings) == 130
    partial = recipe / "exp/main/.decode_test.partial/hypotheses.jsonl"
    assert len(partial.read_text().splitlines()) == 2
    partial.write_text(partial.read_text() + '["torn')
    counted = []

    def count(self, feats, *args, **more):
        counted.append(len(feats))
        return original(self, feats, *args, **more)

    monkeypatch.setattr(Recogniser, "__call__", count)
    assert main(settings) == 0
    assert sum(counted) == 10
    assert len(read_table(recipe / "exp/main/decode_test/text")) == 12


def test_features_of_another_upstream_are_refused(recipe, capsys):
    path = recipe / "dump/whisper_base/test/feats.json"
    before = path.read_text()
    path.write_text(before.replace('"toy"', '"other"'))
    try:
        assert main(["decode", "--recipe", str(recipe), "decode.sets=[test]"]) == 2
        assert "was trained on" in capsys.readouterr().err
    finally:
        path.write_text(before)


def test_decode_before_training_names_the_stage(tmp_path, capsys):
    make_toy_recipe(tmp_path)
    assert main(["decode", "--recipe", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "stage 6 (train)")
