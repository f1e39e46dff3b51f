"""Files of weights that would run code when they are loaded: none does, and no message says how to."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from tests.errors import raises
from tests.faults.test_commands import users
from xlt.core.errors import DataError, UpstreamError
from xlt.formats.weights import read_weights
from xlt.models import checkpoint


class Touch:
    """Makes the file ``ran`` when a pickle of it is loaded."""

    def __init__(self, ran: Path):
        self.ran = ran

    def __reduce__(self):
        return os.mkdir, (str(self.ran),)


class Evaluated(Touch):
    def __reduce__(self):
        return eval, (f"__import__('os').mkdir({str(self.ran)!r})",)


HOSTILE = {
    "zip": lambda path, ran: torch.save({"w": torch.ones(2), "x": Touch(ran)}, path),
    "eval": lambda path, ran: torch.save({"w": torch.ones(2), "x": Evaluated(ran)}, path),
    "legacy": lambda path, ran: torch.save({"x": Touch(ran)}, path, _use_new_zipfile_serialization=False),
    "pickle": lambda path, ran: path.write_bytes(pickle.dumps(Touch(ran), protocol=2)),
}


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Where a hostile file leaves its mark; the switch by which torch would take any file again is on."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setenv("ESPNET_ALLOW_UNSAFE_TORCH_LOAD", "1")
    return tmp_path / "ran"


def refused(caught: pytest.ExceptionInfo, ran: Path) -> None:
    said = str(caught.value)
    assert not ran.exists()
    assert "weights_only" not in said and "torn" not in said and "\n" not in said


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_weights_are_called_so(tmp_path, ran, kind):
    path = tmp_path / "model.pth"
    HOSTILE[kind](path, ran)
    name = "eval" if kind == "eval" else "os.mkdir"
    with raises(UpstreamError, "code", name, where="model.pth") as caught:
        read_weights(path, "fetch it again", UpstreamError)
    refused(caught, ran)
    assert "fetch it again" not in str(caught.value)  # the same would come again


@pytest.mark.parametrize("content", [b"", b"no weights", bytes(range(256)) * 9, b"PK\3\4" + bytes(99)])
def test_damaged_weights_are_not_called_hostile(tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with raises(DataError, where="train.init") as caught:
        read_weights(path, "train it again", where="train.init")
    assert caught.value.remedy == "train it again" and caught.value.file == str(path)
    assert "code" not in str(caught.value) and "weights_only" not in str(caught.value)


def test_a_program_is_no_file_of_weights(tmp_path, ran):
    path = tmp_path / "model.pth"
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.warns(UserWarning), raises(DataError, "TorchScript", where="model.pth") as caught:
        read_weights(path, "again")
    refused(caught, ran)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_of_whisper_stops_the_training(tmp_path, ran, kind):
    checkpoint.write(tmp_path, {"epoch": 1})
    checkpoint.write(tmp_path, {"epoch": 2})
    HOSTILE[kind](tmp_path / checkpoint.NEWEST, ran)
    with raises(DataError, "code", where=checkpoint.NEWEST) as caught:
        checkpoint.read(tmp_path)
    refused(caught, ran)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_checkpoint_of_espnet_stops_the_training(tmp_path, ran, kind):
    from xlt.models.espnet import fit, task

    HOSTILE[kind](tmp_path / task.NEWEST, ran)
    for read in (
        lambda: task.restore_checkpoint(tmp_path),
        lambda: fit._history(tmp_path / task.NEWEST),
    ):
        with raises(DataError, "code", where=task.NEWEST) as caught:
            read()
        refused(caught, ran)


def test_a_damaged_checkpoint_is_left_for_the_one_before(tmp_path, capsys):
    from xlt.models.espnet import task

    whole = {"reporter": {"epoch": 3, "stats": {}}, "model": {"w": torch.ones(2)}}
    torch.save(whole, tmp_path / task.BEFORE)
    torch.save([1], tmp_path / task.NEWEST)  # loads, and is no checkpoint
    task.restore_checkpoint(tmp_path)
    assert "checkpoint.pth is damaged" in capsys.readouterr().out
    assert read_weights(tmp_path / task.NEWEST, "")["reporter"]["epoch"] == 3
    assert read_weights(tmp_path / "3epoch.pth", "")["w"].tolist() == [1, 1]


def test_no_module_loads_what_it_does_not_check():
    loaders = r"torch\.load\((?!path, map_location=\"cpu\", weights_only=True|[^)]*weights_only=True)"
    assert users(loaders) == []
    assert users(r"weights_only=False|torch\.jit|allow_pickle=True|trust_remote_code=True") == []
    assert users(r"yaml\.(load|unsafe_load|full_load)\(|joblib|shelve|\bmarshal\b") == []
    # between our own processes, over their pipes, or in a folder that only this user can write
    own = ["xlt/core/cluster/shards.py", "xlt/core/executor.py", "xlt/core/worker.py"]
    assert users(r"\bpickle\.loads?\(") == own
    assert users(r"(?<![\w.])(eval|exec)\(") == []
