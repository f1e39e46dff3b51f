"""A new decoder is one file and one line; a changed language model makes its hypotheses again."""

import shutil

import pytest

from tests.errors import told
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.registry import DECODERS, LMS
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"), train=20, held_out=4)
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    words = ["train.max_epochs=25", "train.lr=0.01", "train.batch_s=4", "train.num_masks=0"]
    assert main(["train", "--recipe", str(recipe), *words]) == 0
    return recipe


@pytest.fixture
def decode(recipe, monkeypatch):
    monkeypatch.setitem(DECODERS.entries, "picky", "tests.decode.toy_decoder:Picky")
    monkeypatch.setitem(LMS.entries, "repeats", "tests.decode.toy_decoder:REPEATS")

    def run(stage, *words):
        return main([stage, "--recipe", str(recipe), "decode.sets=[dev]", *words])

    return run


def test_a_decoder_and_a_language_model_of_one_s_own(recipe, decode, capsys):
    picky = ["decode.method=picky", "lm.type=repeats"]
    shutil.rmtree(recipe / "exp/lm/main", ignore_errors=True)  # other tests make it too
    assert decode("decode", *picky) == 2
    told(capsys.readouterr().err, "stage 5 (lm)", where="exp/lm/main")
    (recipe / "disliked.txt").write_text("e\n")
    assert decode("lm", *picky) == 0
    assert decode("decode", *picky) == 0
    without = "".join(read_table(recipe / "exp/main/decode_dev/text").values())
    assert "e" not in without and without
    capsys.readouterr()
    assert decode("lm", *picky) == 0 and decode("decode", *picky) == 0
    said = capsys.readouterr().out
    assert "lm: exp/lm/main is up to date" in said and "decode_dev is up to date" in said
    (recipe / "disliked.txt").write_text("a\n")
    assert decode("lm", *picky) == 0
    capsys.readouterr()
    assert decode("decode", *picky) == 0
    assert "making exp/main/decode_dev again (exp/lm/main changed)" in capsys.readouterr().out
    assert "a" not in "".join(read_table(recipe / "exp/main/decode_dev/text").values())


def test_a_bundle_holds_the_language_model_but_no_other_file_of_a_decoder(recipe, decode, capsys):
    picky = ["decode.method=picky", "lm.type=repeats", "bundle.with_upstream=false"]
    (recipe / "disliked.txt").write_text("e\n")
    assert decode("lm", *picky) == 0
    assert decode("bundle", *picky) == 0
    assert (recipe / "exp/main/bundle/lm/disliked.txt").read_text() == "e\n"
    (recipe / "picky.txt").write_text("of the decoder\n")
    assert decode("bundle", *picky) == 2
    (recipe / "picky.txt").unlink()
    assert "reads picky.txt, which a bundle cannot hold" in capsys.readouterr().err


def test_a_language_model_says_nothing_to_a_decoder_that_reads_none(recipe, decode, capsys):
    assert decode("decode") == 0
    capsys.readouterr()
    assert decode("decode", "lm.type=repeats", "decode.method=greedy") == 0
    assert "decode_dev is up to date" in capsys.readouterr().out


def test_unknown_names_are_refused_with_the_nearest(decode, capsys):
    assert decode("decode", "decode.method=gredy") == 2
    said = capsys.readouterr().err
    expected = "auto, attention, beam, combined, greedy, joint, lexicon, picky"
    assert f"decode.method: found 'gredy', expected one of {expected}" in said
    assert "did you mean greedy?" in said
    assert decode("lm", "lm.type=ngramm") == 2
    assert "lm.type: found 'ngramm', expected one of none, ngram, repeats" in capsys.readouterr().err
