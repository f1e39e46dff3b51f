"""Names that other readers run or fetch, such as commands in scp files: here they are names of files."""

import re
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from tests.data.corpus import tone
from tests.errors import raises
from xlt.audio.files import read_wav
from xlt.core.config import ROOT
from xlt.core.errors import DataError
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_scp, read_table

COMMANDS = ["touch {0}; cat {1} |", "touch {0}; cat {1} |\t", "| touch {0}", "|touch {0}"]


def archive(folder: Path) -> Path:
    """The scp of a Kaldi archive of another program: no utt2crc beside it."""
    scp = folder / "feats.scp"
    kaldiio.save_ark(str(folder / "feats.ark"), {"u": np.ones((2, 3))}, scp=str(scp))
    return scp


@pytest.mark.parametrize("line", COMMANDS)
def test_features_run_nothing(tmp_path, line):
    scp, ran = archive(tmp_path), tmp_path / "ran"
    scp.write_text(f"u {line.format(ran, tmp_path / 'feats.ark')}\n")
    with raises(DataError, "u", "data.allow_pipes", where="feats.scp"):
        FeatureReader(scp)["u"]
    assert not ran.exists()


@pytest.mark.parametrize("name", ["wav.scp", "feats.scp", "mixture/scp"])
@pytest.mark.parametrize("line", COMMANDS)
def test_every_scp_is_read_by_one_function_that_refuses(tmp_path, name, line):
    scp = tmp_path / name
    scp.parent.mkdir(exist_ok=True)
    scp.write_text(f"a data/a.wav\nu {line.format('ran', 'a.wav')}\n")
    for read in (lambda: read_table(scp), lambda: read_scp(scp, tmp_path)):
        with raises(DataError, "u", where=f"{name}:2"):
            read()


def test_standard_input_and_zipped_names_are_plain_files(tmp_path):
    """The library would read ``-`` from the terminal and hang."""
    scp = archive(tmp_path)
    scp.write_text("u -\n")
    with raises(DataError, "-", where="feats.scp"):
        FeatureReader(scp, tmp_path)["u"]


def test_a_bar_within_a_name_is_no_command(tmp_path):
    tone(tmp_path / "a|b.wav")
    (tmp_path / "wav.scp").write_text("u a|b.wav\n")
    (tmp_path / "text").write_text("u a |\n")
    assert read_scp(tmp_path / "wav.scp", tmp_path) == {"u": f"{tmp_path}/a|b.wav"}
    assert read_table(tmp_path / "text") == {"u": "a |"}


def test_names_that_ffmpeg_takes_for_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("secret.g722").write_bytes(bytes(4000))
    name = "concat:secret.g722|secret.g722"
    Path(name).write_bytes(bytes(100))
    assert len(read_wav(name)) == 200  # two samples a byte


def users(pattern: str) -> list[str]:
    """Modules of xlt in which ``pattern`` occurs."""
    files = sorted((ROOT / "xlt").rglob("*.py"))
    return [f.relative_to(ROOT).as_posix() for f in files if re.search(pattern, f.read_text("utf-8"))]


def test_only_stage_1_asks_for_commands_and_only_one_module_runs_them():
    """Besides, Dask's workers run the task that the cluster's driver has written."""
    assert users(r"commands=True") == ["xlt/data/corpora/kaldi.py"]
    assert users(r"""shell=|os\.(system|popen)\(|["'/](ba)?sh["'], *["']-""") == [
        "xlt/core/cluster/dask.py",
        "xlt/data/clips.py",
    ]
    assert users(r"\b(load_mat|load_scp|load_ark|open_like_kaldi|ReadHelper)\b") == []
