"""CTC of one experiment and the attention decoder of another, from stage 7 to a bundle."""

import json

import pytest

from tests.errors import told
from tests.toy import make_toy_recipe
from xlt.bundle import PARTNER
from xlt.cli import main
from xlt.core.registry import FAMILIES
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.partner import Both
from xlt.decode.recognise import Recogniser
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table

TAGS = {"writers": "main", "deaf": "deaf", "hearers": "ctc"}


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
    capsys.readouterr()
    try:
        assert run("decode", recipe, "hearers", "decode.partner=deaf", "--dry_run") == 0
        assert "exp/deaf/means.npy changed" in capsys.readouterr().out
    finally:
        means.write_bytes(before)


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


def test_experiments_that_cannot_be_partners(recipe, capsys):
    def refused(family, other, *facts):
        assert run("decode", recipe, family, f"decode.partner={other}") == 2
        told(capsys.readouterr().err, *facts, where=f"decode.partner={other}")

    refused("hearers", "ctc", "itself")
    refused("deaf", "deaf", "itself")
    refused("hearers", "none", "exp/none")
    info = recipe / "exp/deaf/xlt.json"
    before = info.read_text()
    try:
        info.write_text(before.replace('"ron-v1"', '"generic-v1"'))
        refused("hearers", "deaf", "generic-v1", "ron-v1")
        info.write_text(before.replace('"attention"', '"ctc"'))
        refused("hearers", "deaf", "attention")
    finally:
        info.write_text(before)
