"""``xlt align`` on other machines: the same files, byte by byte."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.align.hearing import Hearing, record, sentences
from tests.cluster.fake import FakeSlurm
from tests.errors import told
from xlt.cli import main
from xlt.core.cluster import driver
from xlt.core.registry import WORK

pytestmark = pytest.mark.slow


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A folder of two chapters and one whose text is another's; a recipe with a section ``cluster``."""
    monkeypatch.chdir(tmp_path)
    hearing = Hearing(tmp_path / "tokens")
    monkeypatch.setattr("xlt.bundle.open_bundle", lambda folder: SimpleNamespace(head=lambda lang: hearing))
    monkeypatch.setitem(WORK.entries, "align", "tests.align.hearing:Remote")
    monkeypatch.setattr(driver, "ASK_S", 0.2)
    said = sentences(9, seed=5)
    for number, name in enumerate(("one", "two", "wrong")):
        record(f"book/{name}.wav", said[3 * number : 3 * number + 3])
        own = said[3 * number : 3 * number + 3] if name != "wrong" else sentences(3, seed=7)
        Path(f"book/{name}.txt").write_text("\n".join(own))
    Path("lug").mkdir()
    Path("lug/recipe.yaml").write_text("lang: lug_Latn\ncluster: {tasks: 1}\n")
    Path("bundle").mkdir()
    Path("bundle/bundle.json").write_text("{}")
    return tmp_path


def align(out, *words, status=2):
    assert main(["align", "book", "-o", out, "--model", "bundle", *words]) == status


def files(out):
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def test_what_other_machines_hear_is_the_same(book, monkeypatch, capsys):
    align("alone")
    assert "book/wrong.txt:1: does not fit" in capsys.readouterr().err and "segments" in files("alone")
    slurm = FakeSlurm(book / "slurm")
    monkeypatch.setenv("PATH", f"{slurm.folder}/bin:{os.environ['PATH']}")
    align("many", "--executor", "slurm", "--recipe", "lug")
    assert files("many") == files("alone")
    assert "wrong.txt:1: does not fit" in capsys.readouterr().err
    assert "--array=0-0%1" in slurm.options() and slurm.jobs == [101]
    assert not list(book.glob(".*"))


@pytest.mark.parametrize(
    ("words", "where", "fact"),
    [
        (["--nj", "0"], "--nj 0", "1"),
        (["--executor", "slurm"], "--executor slurm", "--recipe"),
        (["--executor", "slurmm", "--recipe", "lug"], "command line 'executor=slurmm'", "slurm"),
    ],
)
def test_what_no_machine_can_do_is_refused_at_once(book, capsys, words, where, fact):
    align("out", *words)
    told(capsys.readouterr().err, fact, where=where)
    assert not Path("out").exists()
