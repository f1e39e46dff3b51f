"""Ctrl-C, a full disk or a kill at any moment: one message, its status, and the same command goes on without
loss.
"""

import errno
import os
import re
import resource
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import OUTPUTS, STAGES, left_over
from xlt.core.files import partial_of

pytestmark = pytest.mark.slow


def one_message(said: str, stage: str, part: str) -> None:
    lines = said.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"xlt {stage}: ") and part in lines[0], said


@pytest.mark.parametrize("stage", STAGES)
def test_ctrl_c_in_every_stage(finished, recipe, stage):
    if stage == "train":  # its old output is needed by no later check, and stage 6 removes what stands in it
        recipe.without("decode")
    recipe.without(stage)
    child = recipe.start(stage, hold=1 if stage == "lm" else 4)
    os.killpg(child.pid, signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130
    one_message(said, stage, "interrupted; the same command continues from here")
    assert not left_over(child)
    assert recipe(stage) == 0
    if stage != "train":  # which test_train.py follows epoch by epoch
        assert recipe.made(stage) == finished.made(stage)


@pytest.mark.parametrize(
    ("stage", "nj"), [("data", 1), ("data", 2), ("features", 1), ("features", 2), ("train", 1)]
)
def test_kill_loses_nothing_that_was_done(finished, recipe, capsys, stage, nj):
    recipe.without(stage)
    settings = ["train.batch_s=1"] if stage == "train" else [f"nj={nj}"]
    # at that moment stage 1 has written clips, stage 3 encodes the second set, and stage 6 has trained
    at = {"data": 12 if nj == 1 else 6, "features": 22, "train": 17}[stage]
    child = recipe.start(stage, *settings, hold=at)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert not left_over(child)  # workers end with their stage
    capsys.readouterr()
    assert recipe(stage, *settings) == 0
    out = capsys.readouterr().out
    assert "continuing where an earlier run stopped" in out or "is up to date" in out
    if stage == "train":
        assert not re.search(r"epoch \d+/\d", out)
    else:
        assert recipe.made(stage) == finished.made(stage)


@pytest.mark.parametrize("stage", ["data", "features", "train", "decode"])
def test_full_disk_when_all_the_work_is_done(finished, recipe, hook, monkeypatch, capsys, stage):
    """The stamp is the last that a stage writes: that it cannot be written must not cost the work."""
    recipe.without(stage)
    stamp = partial_of(Path("stage.json")).name
    assert hook.run(1, OSError(errno.ENOSPC, "x"), lambda: recipe(stage), stamp) == (2, True)
    for work in (
        "xlt.data.clips.write_wav",
        "xlt.decode.recognise.Recogniser.__call__",
        "xlt.models.espnet.task.XltTask.main",
        "xlt.features.store.Store._encode",
    ):
        monkeypatch.setattr(work, None)
    if stage in ("features", "decode"):  # of the first set the work is done, of the others not
        done = finished.dir / OUTPUTS[stage][0] / ("train" if stage == "features" else "")
        capsys.readouterr()
        assert recipe(stage) == 1  # as a defect of xlt: None is called
        assert "'NoneType' object is not callable" in capsys.readouterr().err
        assert (recipe.dir / done.relative_to(finished.dir) / "stage.json").exists()
    else:
        assert recipe(stage) == 0


CAUSES = {
    "Ctrl-C": (KeyboardInterrupt, 130, "interrupted"),
    "full disk": (lambda: OSError(errno.ENOSPC, "x"), 2, "No space left on device"),
}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("stage", [s for s in STAGES if s not in ("train", "lm")])
def test_at_its_writes(finished, recipe, hook, capsys, stage, cause):
    """At the first write of each place in the code that writes; what each set repeats is one place."""
    error, expected, part = CAUSES[cause]
    expect = finished.made(stage)
    status, writes = hook.kinds(lambda: recipe.without(stage)(stage))
    assert status == 0 and recipe.made(stage) == expect
    assert len(writes) > len(OUTPUTS[stage]) and writes[0] == 1
    for at in writes:
        recipe.without(stage)
        capsys.readouterr()
        assert hook.run(at, error(), lambda: recipe(stage)) == (expected, True), at
        one_message(capsys.readouterr().err, stage, part)
        assert recipe(stage) == 0, at
        assert recipe.made(stage) == expect, at


@pytest.mark.parametrize(
    ("stage", "nj", "limit"),
    [
        ("data", 1, 20_000),
        ("data", 2, 20_000),
        ("features", 1, 40_000),
        ("features", 2, 40_000),
        ("train", 1, 60_000),
        ("bundle", 1, 60_000),
    ],
)
def test_file_that_cannot_grow_further(finished, recipe, stage, nj, limit):
    """A real failure of the system to write, in workers and in torch's own writer too."""
    recipe.without(stage)
    child = recipe.start(
        stage, f"nj={nj}", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    )
    _, said = child.communicate()
    assert child.returncode == 2, said
    one_message(said, stage, "free some space")
    assert not left_over(child)
    assert recipe(stage, f"nj={nj}") == 0
    if stage != "train":
        assert recipe.made(stage) == finished.made(stage)


def test_kill_between_checkpoint_and_model_of_an_epoch(recipe, monkeypatch, capsys):
    """ESPnet writes two files an epoch; the average needs both."""
    import torch

    recipe.without("train")
    save = torch.save

    def stop(value, path, *args, **kwargs):
        if str(path).endswith("/2epoch.pth"):
            save(value, path, *args, **kwargs)
            os.truncate(path, 1000)
            raise KeyboardInterrupt
        save(value, path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", stop)
        assert recipe("train") == 130
    capsys.readouterr()
    assert recipe("train") == 0
    out = capsys.readouterr().out
    assert "epoch 2/" not in out and "epoch 3/" in out and "mean of the 3 best" in out
