"""A second family, which no file of xlt knows, from training to a bundle that transcribes."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from tests.errors import told
from tests.tones import RATE, make_corpus, sound
from xlt.cli import main
from xlt.core.config import load
from xlt.core.errors import ConfigError, DataError
from xlt.core.registry import FAMILIES
from xlt.formats.model_folder import Trained, family_of
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains

PLACE = "tests.models.template_family:TEMPLATES"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES.entries, "templates", PLACE)
        root = tmp_path_factory.mktemp("tones")
        make_corpus(root / "corpus", train=30)
        recipe = root / "recipe"
        recipe.mkdir()
        (recipe / "recipe.yaml").write_text(
            f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {root / 'corpus'}}}\nnj: 1\n"
            "features: {upstream: fbank}\ntrain: {family: templates}\nscore: {bootstrap: 100}\n"
            "lm: {type: none}\n"
        )
        for stage in ("data", "check", "features", "tokens", "train", "decode", "score", "report", "bundle"):
            assert main([stage, "--recipe", str(recipe)]) == 0
        yield recipe


def test_it_decodes_and_is_scored(recipe):
    refs, hyps = read_table(recipe / "data/test/text"), read_table(recipe / "exp/main/decode_test/text")
    right = [hyps[utt] == ref.replace(" ", "") for utt, ref in refs.items()]
    assert sum(right) >= len(right) / 2
    score = json.loads((recipe / "exp/main/score.json").read_text())
    assert 0 <= score["sets"]["test"]["cer"]["value"] < 50 and score["config"]["train.family"] == "templates"
    assert json.loads((recipe / "exp/main/xlt.json").read_text())["family"] == "templates"


def test_its_bundle_holds_its_files_and_transcribes(recipe, tmp_path, capsys):
    bundle, wav = recipe / "exp/main/bundle", tmp_path / "a.wav"
    assert {path.name for path in bundle.iterdir() if not path.name.startswith(".")} == {
        "bundle.json",
        "card.json",
        "stage.json",
        "heard",
        "means.npy",
        "tokens.txt",
        "xlt.json",
    }
    soundfile.write(wav, sound("aei oae", np.random.default_rng(5)), RATE)
    assert main(["transcribe", str(bundle), str(wav)]) == 0
    assert capsys.readouterr().out == f"{wav}\taeioae\n"


def test_it_stays_up_to_date_and_its_weights_make_old_hypotheses_stale(recipe, capsys):
    for stage in ("train", "decode", "bundle"):
        assert main([stage, "--recipe", str(recipe)]) == 0
    assert "making" not in capsys.readouterr().out
    means = recipe / "exp/main/means.npy"
    before = means.read_bytes()
    np.save(means, np.load(means) + 1)
    try:
        assert main(["decode", "--recipe", str(recipe), "--dry_run"]) == 0
        assert "would make exp/main/decode_dev again (exp/main/means.npy changed)" in capsys.readouterr().out
    finally:
        means.write_bytes(before)


def test_stage_2_asks_it_how_well_texts_fit_their_speech(recipe):
    assert main(["check", "--recipe", str(recipe), "check.align=true"]) == 0
    rows = [line.split("\t") for line in (recipe / "data/check/alignment.tsv").read_text().splitlines()]
    hypotheses = [dict(zip(rows[0], row, strict=True))["hypothesis"] for row in rows[1:]]
    assert len(hypotheses) == 42 and all(text.strip("aeio") == "" for text in hypotheses)


@pytest.mark.parametrize("stage", ["features", "train"])
def test_settings_that_it_cannot_train_with_are_refused_before_anything_is_encoded(recipe, capsys, stage):
    words = ["--recipe", str(recipe), "train.decoder=transformer", "train.ctc_weight=0.5", "tag=other"]
    assert main([stage, *words]) == 2
    assert "train.decoder=transformer: train.family=templates has none" in capsys.readouterr().err


def test_a_search_of_its_own_is_missed_and_ours_is_enough(recipe, tmp_path, capsys):
    copy = tmp_path / "recipe"
    shutil.copytree(recipe, copy)  # the hypotheses of the other tests stay
    assert main(["decode", "--recipe", str(copy), "decode.method=joint"]) == 2
    told(capsys.readouterr().err, "decode.method=beam", where="decode.method=joint")
    assert main(["decode", "--recipe", str(copy), "decode.method=beam"]) == 0


def test_an_unknown_family_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\ntrain: {family: espnett}\n")
    with pytest.raises(ConfigError, match="found 'espnett', expected one of .*did you mean espnet?"):
        load(tmp_path)


def test_a_model_of_another_family_is_no_beginning(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\nfeatures: {upstream: fbank}\n")
    with pytest.raises(ConfigError, match="x is a model of the family templates.*set train.family"):
        Trained("x", {"family": "templates"}).check(load(tmp_path))


def test_a_family_that_is_not_installed_is_named(tmp_path):
    with pytest.raises(DataError, match="xlt.json: a model of the family 'whisper', which is not installed"):
        family_of(tmp_path, {"family": "whisper"})
