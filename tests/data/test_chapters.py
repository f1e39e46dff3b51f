"""Whole recordings with their whole text: what is said, since they cannot be used as they are."""

import pytest

from tests.data.corpus import tone
from tests.errors import told
from xlt.core.stage import read_json
from xlt.formats import elan

CHAPTER = "A fost odată ca niciodată un urs mare. " * 8


@pytest.mark.parametrize("reader", ["table", "labels"])
def test_chapters_must_be_aligned_and_cut(recipe, tmp_path, capsys, reader):
    folder = tmp_path / "f"
    for name in ("one", "two"):
        tone(folder / f"{name}.wav", dur_s=2.5)
        if reader == "labels":
            (folder / f"{name}.txt").write_text(f"{CHAPTER}\n{name}", encoding="utf-8")
    if reader == "table":
        rows = "".join(f"{name}.wav\t{CHAPTER} {name}\n" for name in ("one", "two"))
        (folder / "corpus.tsv").write_text(f"path\ttext\n{rows}", encoding="utf-8")
    assert recipe(f"data.reader={reader}", f"data.dir={folder}", "data.max_dur_s=2") == 2
    error = told(capsys.readouterr().err, 2, "aligned", "xlt align", "data.reader=labels", "docs/align.md")
    assert error.where == reader


def test_a_sentence_that_is_too_long_is_no_chapter(recipe, tmp_path, capsys):
    folder = tmp_path / "f"
    rows = "path\ttext\n"
    for number in range(7):
        tone(folder / f"{number}.wav", dur_s=1.0 if number else 2.5, hz=200 + 20 * number)
        rows += f"{number}.wav\tun urs {'abcdefg'[number]}\n"
    (folder / "corpus.tsv").write_text(rows, encoding="utf-8")
    assert recipe("data.reader=table", f"data.dir={folder}", "data.max_dur_s=2") == 0
    report = read_json(recipe.dir / "data/all/report.json", "data")
    assert "aligned" not in report["remedies"]["too long"] and "cut" in report["remedies"]["too long"]


def test_annotations_of_minutes_in_elan_must_be_aligned_too(recipe, tmp_path, capsys):
    folder = tmp_path / "f"
    tone(folder / "one.wav", dur_s=6)
    root = elan.new(folder / "one.wav")
    said = [elan.Annotation(0, 3, f"{CHAPTER} unu"), elan.Annotation(3, 6, f"{CHAPTER} doi")]
    elan.add_tiers(root, [elan.Tier("tx", "Ana", said)], "one.wav", "")
    (folder / "one.eaf").write_text(elan.written(root), encoding="utf-8")
    assert recipe("data.reader=elan", f"data.dir={folder}", "data.max_dur_s=2") == 2
    told(capsys.readouterr().err, 2, "xlt align", "docs/align.md")
