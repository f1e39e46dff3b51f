"""What tests/tools/test_new_recipe.py cannot bring about through the script."""

import argparse
import shutil

import pytest

from tests.data.corpus import tone
from xlt import check
from xlt.commands import new_recipe
from xlt.core.config import ROOT, load
from xlt.core.errors import ConfigError, DataError
from xlt.formats.tables import write_table


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A Kaldi directory of Chinese with more characters than are shown, and a checkout that has the template
    alone.
    """
    (tmp_path / "checkout" / "egs").mkdir(parents=True)
    shutil.copytree(ROOT / "egs" / "TEMPLATE", tmp_path / "checkout" / "egs" / "TEMPLATE")
    with (tmp_path / "checkout/egs/TEMPLATE/recipe.yaml").open("a", encoding="utf-8") as settings:
        settings.write("check: {min_held_out: 1}\n")
    monkeypatch.setattr(new_recipe, "ROOT", tmp_path / "checkout")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "corpus"
    utts = [f"ana-{k:02}" for k in range(24)]
    for k, utt in enumerate(utts):
        tone(folder / f"{utt}.wav", hz=200.0 + 20 * k)
    write_table(folder / "wav.scp", {utt: f"{utt}.wav" for utt in utts})
    write_table(
        folder / "text",
        {utt: "的" + "".join(chr(0x4E00 + 4 * k + i) for i in range(4)) for k, utt in enumerate(utts)},
    )
    write_table(folder / "utt2spk", dict.fromkeys(utts, "ana"))
    return folder


def make(corpus, probe=False):
    new_recipe.main(argparse.Namespace(code="cmn_Hans", corpus=str(corpus), probe=probe))


def test_encoders_are_tried_if_that_is_asked_for(corpus, capsys, monkeypatch):
    tried = []
    monkeypatch.setattr("xlt.commands.probe.probe", lambda cfg: tried.append((cfg.lang, cfg.recipe.name)))
    make(corpus, probe=True)
    assert tried == [("cmn_Hans", "cmn")]
    shutil.rmtree(corpus.parent / "checkout/egs/cmn")
    capsys.readouterr()
    make(corpus)
    assert len(tried) == 1 and "tools/xlt probe egs/cmn" in capsys.readouterr().out


def test_a_long_alphabet_is_cut_and_counted(corpus, capsys):
    make(corpus)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "alphabet: " in line)
    assert line.startswith("  alphabet: 97 characters: 的 24  ") and line.endswith("  and 17 more")
    assert line.count("  ") == 1 + 80  # what stands before, between 80 characters, and before the rest


def test_errors_of_stage_2_are_told_beside_what_is_there(corpus, capsys, monkeypatch):
    def faulty(ctx):
        raise DataError("3 errors in the data; all are in data/check/report.md")

    monkeypatch.setattr(check, "run", faulty)
    with pytest.raises(
        DataError, match="egs/cmn is made, but its data have errors.*continue with: egs/cmn/run.sh"
    ):
        make(corpus)
    said = capsys.readouterr()
    assert "xlt check: 3 errors in the data" in said.err
    assert "egs/cmn has:" in said.out and "utterances, 1 speakers" in said.out


def test_the_same_command_again_says_how_to_go_on(corpus):
    make(corpus)
    with pytest.raises(
        ConfigError, match="egs/cmn already exists, with this corpus; continue with: egs/cmn/run.sh$"
    ):
        make(corpus)
    shutil.copytree(corpus, corpus.parent / "an other")
    with pytest.raises(
        ConfigError, match="egs/cmn/run.sh data.reader=kaldi data.dir='.*/an other' tag=mine; or edit"
    ):
        make(corpus.parent / "an other")


def test_ctrl_c_in_a_stage_keeps_the_recipe(corpus, capsys, monkeypatch):
    def stopped(ctx):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", stopped)
    with pytest.raises(SystemExit) as end:
        make(corpus)
    assert end.value.code == 130
    assert "continue with: egs/cmn/run.sh --stop_stage check" in capsys.readouterr().out


def test_a_set_of_new_voices_is_scored_as_well(tmp_path, monkeypatch):
    folder = tmp_path / "lug"
    (folder / "data/test_new_voices").mkdir(parents=True)
    (folder / "recipe.yaml").write_text("lang: lug_Latn\n")
    new_recipe._score_new_voices(folder)
    new_recipe._score_new_voices(folder)
    assert load(folder).decode.sets == ["dev", "test", "test_new_voices"]
    assert (folder / "recipe.yaml").read_text().count("decode") == 1


def test_without_new_voices_the_recipe_stays(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: lug_Latn\n")
    new_recipe._score_new_voices(tmp_path)
    assert (tmp_path / "recipe.yaml").read_text() == "lang: lug_Latn\n"
