"""Texts for language models in stage 2."""

import gzip

import pytest

from tests.check.faults import faults
from tests.errors import told
from xlt.check import _KEYS
from xlt.core.settings import LmConfig


@pytest.fixture(autouse=True)
def here(recipe, monkeypatch):
    monkeypatch.chdir(recipe.dir)


def test_lines_of_held_out_sets_stop_the_stage_and_are_all_listed(recipe, capsys):
    lines = ["Un cal alb.", "Un nor?", "un urs", *["o sursă!"] * 12]
    (recipe.dir / "more.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    assert recipe("lm.text=[more.txt.gz]") == 2
    told(capsys.readouterr().err, "13 lines", "ana-test0", "lm.exclude_overlap=true", "lm_overlap.tsv")
    table = (recipe.dir / "data/check/lm_overlap.tsv").read_text(encoding="utf-8").splitlines()
    assert table[:2] == ["file\tline\tset\tutterance\twords", "more.txt.gz\t2\ttest\tana-test0\tun nor"]
    assert [row.split("\t")[1] for row in table[2:]] == [str(n) for n in range(4, 16)]
    assert recipe("lm.text=[more.txt.gz]", "lm.exclude_overlap=true") == 0
    ((severity, _, where, _),) = faults(recipe, "no_held_out_sentences")
    assert (severity, where) == ("note", "more.txt.gz:2")
    page = (recipe.dir / "data/check/report.md").read_text(encoding="utf-8")
    assert "| more.txt.gz | 15 | 5 | 13 lines with sentences of held-out sets |" in page


def test_a_changed_text_is_checked_again(recipe, capsys):
    (recipe.dir / "more.txt").write_text("o sursă mare\n", encoding="utf-8")
    assert recipe("lm.text=[more.txt]") == 0
    assert recipe("lm.text=[more.txt]") == 0 and "up to date" in capsys.readouterr().out
    (recipe.dir / "more.txt").write_text("o sursă\n", encoding="utf-8")
    assert recipe("lm.text=[more.txt]") == 2


def test_files_that_are_not_there_or_too_large(recipe, capsys):
    assert recipe("lm.text=[none.txt]") == 2
    told(capsys.readouterr().err, "lm.text", "none.txt")
    with (recipe.dir / "huge.txt").open("wb") as handle:
        handle.truncate(10**13)
    assert recipe("lm.text=[huge.txt]") == 2
    told(capsys.readouterr().err, "huge.txt", "lmplz", "lm.model")


def test_the_stage_without_texts_reads_none_and_stays_up_to_date(recipe, capsys):
    assert recipe() == 0
    assert faults(recipe, "readable_texts", "no_held_out_sentences", "unknown_characters") == []
    assert recipe("decode.method=greedy") == 0 and "up to date" in capsys.readouterr().out


def test_what_decides_about_texts_makes_the_check_stale():
    assert {"lm.text", "lm.words", "lm.exclude_overlap", "lm.order", "lm.unit"} <= set(_KEYS)
    assert {"text", "words", "exclude_overlap", "order", "unit"} <= set(LmConfig.__dataclass_fields__)
