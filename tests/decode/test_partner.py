"""CTC of one experiment and the attention decoder of another, or a second CTC, from stage 7 to a bundle."""

import json

import pytest

from tests.errors import told
from tests.toy import make_toy_recipe
from xlt.bundle import PARTNER
from xlt.cli import main
from xlt.core.registry import FAMILIES
from xlt.core.settings import DecodeConfig
from xlt.core.stage import renew
from xlt.core.stored import from_json
from xlt.decode.partner import Both
from xlt.decode.recognise import Recogniser
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

TAGS = {"writers": "main", "deaf": "deaf", "hearers": "ctc", "muffled": "muffled"}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
        patch.chdir(recipe)
        assert main(["tokens", "--recipe", str(recipe)]) == 0
        for name, tag in TAGS.items():
            patch.setitem(FAMILIES.entries, name, f"tests.decode.toy_writer:{name.upper()}")
            assert main(["train", "--recipe", str(recipe), f"train.family={name}", f"tag={tag}"]) == 0
        assert main(["decode", "--recipe", str(recipe), "train.family=writers"]) == 0
        yield recipe


def run(stage, recipe, family, *settings):
    return main([stage, "--recipe", str(recipe), f"train.family={family}", f"tag={TAGS[family]}", *settings])


def text(recipe, tag, file="text"):
    return read_table(recipe / f"exp/{tag}/decode_test/{file}")


@pytest.mark.parametrize(("family", "other"), [("hearers", "deaf"), ("deaf", "ctc"), ("hearers", "main")])
def test_two_models_write_what_one_with_both_parts_writes(recipe, family, other, capsys):
    assert run("decode", recipe, family, f"decode.partner={other}") == 0
    for file in ("text", "beam", "attention", "greedy"):
        assert text(recipe, TAGS[family], file) == text(recipe, "main", file)
    capsys.readouterr()
    assert run("decode", recipe, family, f"decode.partner={other}") == 0
    assert "making" not in capsys.readouterr().out
    assert run("decode", recipe, family) == 0
    assert "no longer used" in capsys.readouterr().out


def test_what_the_partner_has_makes_old_hypotheses_stale(recipe, capsys):
    assert run("decode", recipe, "hearers", "decode.partner=deaf") == 0
    means = recipe / "exp/deaf/means.npy"
    before = means.read_bytes()
    means.write_bytes(before + b"0")
    renew(recipe / "exp/deaf", "means.npy")  # as a new training does
    capsys.readouterr()
    try:
        assert run("decode", recipe, "hearers", "decode.partner=deaf", "--dry_run") == 0
        assert "exp/deaf/means.npy changed" in capsys.readouterr().out
    finally:
        means.write_bytes(before)
        renew(recipe / "exp/deaf", "means.npy")


def test_a_bundle_holds_both(recipe):
    given = ["decode.partner=deaf", "bundle.with_upstream=false"]
    assert run("decode", recipe, "hearers", *given) == 0 and run("bundle", recipe, "hearers", *given) == 0
    bundle = recipe / "exp/ctc/bundle"
    stored = json.loads((bundle / "bundle.json").read_text())
    assert f"{PARTNER}/means.npy" in stored["files"]
    settings = from_json(DecodeConfig, "decode", stored["decode"], "bundle.json")
    recogniser = Recogniser(bundle, settings, partner=bundle / PARTNER)
    feats = FeatureReader(recipe / "dump/whisper_base/test/feats.scp")
    for utt, right in text(recipe, "main").items():
        assert recogniser([Both(feats[utt], feats[utt])])[0].text == right


def facts(recipe, tag, file):
    return json.loads((recipe / f"exp/{tag}/{file}").read_text())


def test_a_second_ctc_hears_what_neither_decoder_of_the_model_does(recipe, capsys):
    """The model writes m for p; the partner cannot tell s from ș, which the attention decoder mends."""
    refs = read_table(recipe / "data/test/text")
    assert run("decode", recipe, "hearers", "decode.partner=deaf") == 0  # leaves its best paths in greedy
    assert run("decode", recipe, "muffled") == 0
    assert text(recipe, "muffled") == {utt: ref.replace("pere", "mere") for utt, ref in refs.items()} != refs
    capsys.readouterr()
    assert run("decode", recipe, "muffled", "decode.partner=ctc", "decode.lattices=true") == 0
    assert text(recipe, "muffled") == refs
    assert text(recipe, "muffled", "partner") == text(recipe, "ctc", "greedy")
    found = facts(recipe, "muffled", "fusion/fusion.json")
    rates = {name: rate["word"] for name, rate in found["rates"].items()}
    assert rates["combined"] == 0.0 < rates["without_partner"] and found["method"] == "combined"
    out = capsys.readouterr().out
    assert f"without the partner the combination has {rates['without_partner']:.1f}%" in out
    weights = found["combination"]["weights"]
    for line in (recipe / "exp/muffled/decode_test/nbest.jsonl").read_text(encoding="utf-8").splitlines():
        for one in json.loads(line)["nbest"]:
            parts = sum(weights[name] * one[name] for name in ("ctc", "partner", "attention"))
            assert one["acoustic"] == pytest.approx(parts, abs=1e-3)
    assert {"ctc", "partner", "attention"} <= set(
        facts(recipe, "muffled", "decode_test/decode.json")["cpu_s_per_s"]
    )


def test_a_bundle_with_a_second_ctc(recipe):
    given = ["decode.partner=ctc", "bundle.with_upstream=false"]
    assert run("decode", recipe, "muffled", *given) == 0 and run("bundle", recipe, "muffled", *given) == 0
    bundle = recipe / "exp/muffled/bundle"
    stored = json.loads((bundle / "bundle.json").read_text())
    settings = from_json(DecodeConfig, "decode", stored["decode"], "bundle.json")
    recogniser = Recogniser(bundle, settings, partner=bundle / PARTNER)
    feats = FeatureReader(recipe / "dump/whisper_base/test/feats.scp")
    for utt, right in read_table(recipe / "data/test/text").items():
        assert recogniser([Both(feats[utt], feats[utt])])[0].text == right


def test_a_second_ctc_that_changes_nothing_is_left_out(recipe, capsys):
    given = ["decode.partner=ctc", "bundle.with_upstream=false"]
    assert run("decode", recipe, "writers", *given) == 0
    out = capsys.readouterr().out
    assert "the combination is no better with the partner, and does without it" in out
    assert "partner" not in facts(recipe, "main", "fusion/fusion.json")["combination"]["weights"]
    assert not (recipe / "exp/main/decode_test/partner").exists()
    assert "partner" not in facts(recipe, "main", "decode_test/decode.json")["cpu_s_per_s"]
    assert run("bundle", recipe, "writers", *given) == 0
    assert not (recipe / "exp/main/bundle" / PARTNER).exists()
    assert run("decode", recipe, "writers") == 0


def test_a_weight_of_a_partner_that_is_not_there(recipe, capsys):
    given = "decode.combination={weights: {ctc: 0.2, partner: 0.2, attention: 0.6}}"
    assert run("decode", recipe, "writers", "decode.method=combined", given) == 2
    error = told(capsys.readouterr().err, "decode.partner")
    assert error.where.startswith("decode.combination=")


def test_experiments_that_cannot_be_partners(recipe, capsys, monkeypatch):
    monkeypatch.setattr("xlt.core.digests.altered", lambda *given: [])  # as if trained so

    def refused(family, other, *facts):
        assert run("decode", recipe, family, f"decode.partner={other}") == 2
        told(capsys.readouterr().err, *facts, where=f"decode.partner={other}")

    refused("hearers", "ctc", "itself")
    refused("deaf", "deaf", "itself")
    refused("hearers", "none", "exp/none")
    info = recipe / "exp/deaf/xlt.json"
    before = info.read_text()
    normaliser = json.loads(before)["normaliser"]
    try:
        info.write_text(before.replace(f'"{normaliser}"', '"generic-v1"'))
        refused("hearers", "deaf", "generic-v1", normaliser)
        info.write_text(before.replace('"attention"', '"ctc"'))
        refused("hearers", "deaf", "attention")
    finally:
        info.write_text(before)
    tokens = recipe / "exp/ctc/tokens.txt"
    before = tokens.read_text(encoding="utf-8")
    try:
        tokens.write_text(before + "ß\n", encoding="utf-8")
        refused("muffled", "ctc", before.count("\n"), "tokens")
    finally:
        tokens.write_text(before, encoding="utf-8")
