"""Training in two processes with gloo: equal weights in both, the model of one process, and a lost rank."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch

from tests.errors import told
from tests.lazy import Lazy
from tests.toy import make_toy_recipe
from xlt.cli import main
from xlt.core.config import load
from xlt.formats.weights import read_weights

ranks = Lazy("xlt.models.espnet.ranks")

pytestmark = pytest.mark.trains
SETTINGS = [
    "train.max_epochs=2",
    "train.num_masks=0",  # what is drawn at random differs between ranks
    "train.encoder=linear",
    "train.encoder_conf={dropout: 0.0}",
    "train.optim=sgd",  # Adam makes steps of rounding where gradients are zero
    "train.lr=0.01",
    "train.batch_s=6",
    "train.average_best=1",
]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    made = make_toy_recipe(tmp_path_factory.mktemp("toy"), train=12, held_out=4)
    assert main(["tokens", "--recipe", str(made), *SETTINGS]) == 0
    return made


def rank_of_two(rank: int, port: int, config: Path, loses: str) -> None:
    """What torchrun starts, in a fork of this process, which has imported ESPnet already; what it has learned
    is kept beside the model. With ``loses``, the second rank dies in the second epoch.
    """
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    models = []
    build, learn = ranks.XltTask.build_model, ranks.XltTask.trainer.train_one_epoch

    def keep(args):
        models.append(build(args))
        return models[-1]

    def learn_or_die(*, reporter, **kwargs):
        if loses and rank == 1 and reporter.get_epoch() == 2:
            os._exit(9)
        return learn(reporter=reporter, **kwargs)

    ranks.XltTask.build_model = keep
    ranks.XltTask.trainer.train_one_epoch = learn_or_die
    try:
        ranks.main(config)
        torch.save(models[0].state_dict(), config.parent.parent.parent / f"rank{rank}.pth")
        os._exit(0)
    except BaseException:
        os._exit(1)


def forked(loses: list[str]):
    """In place of torchrun: two processes; ``loses`` has a word for each try."""

    def here(words, module, config):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        fork = multiprocessing.get_context("fork")
        word = loses.pop(0)
        made = [fork.Process(target=rank_of_two, args=(rank, port, config, word)) for rank in (0, 1)]
        for process in made:
            process.start()
        for process in made:
            process.join()
        (config.parent / "ranks.txt").write_text("what they said\n")
        if all(process.exitcode == 0 for process in made):
            (config.parent / "ended").touch()
        yield "  epoch 1/2"

    return here


def weights(recipe: Path, tag: str) -> dict[str, torch.Tensor]:
    return read_weights(recipe / "exp" / tag / "model.pth", "")


def test_two_ranks_learn_what_one_process_learns(recipe, monkeypatch):
    words = ["train", "--recipe", str(recipe), *SETTINGS]
    assert main([*words, "tag=one"]) == 0
    monkeypatch.setattr("xlt.models.espnet.ranks._here", forked([""]))
    assert main([*words, "tag=two", "train.processes=2"]) == 0
    first, second = (read_weights(recipe / f"exp/rank{rank}.pth", "") for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first) and len(first) > 3
    one, two = weights(recipe, "one"), weights(recipe, "two")
    far = {name: float((one[name] - two[name]).abs().max()) for name in one}
    assert {name: by for name, by in far.items() if by > 1e-4} == {}


def test_a_lost_rank_ends_the_training_which_goes_on_from_the_last_epoch(recipe, monkeypatch, capsys):
    words = ["train", "--recipe", str(recipe), *SETTINGS, "train.processes=2"]
    monkeypatch.setattr("xlt.models.espnet.ranks._here", forked(["", "second", ""]))
    assert main([*words, "tag=whole"]) == 0
    assert main([*words, "tag=lost"]) == 2
    told(capsys.readouterr().err, "what they said", where="train")
    assert main([*words, "tag=lost"]) == 0
    whole, lost = weights(recipe, "whole"), weights(recipe, "lost")
    assert all(torch.allclose(whole[name], lost[name], atol=1e-5) for name in whole)


def test_nodes_need_slurm(recipe, capsys):
    words = ["train", "--recipe", str(recipe), *SETTINGS, "train.nodes=2", "tag=nodes"]
    assert main(words) == 2
    told(capsys.readouterr().err, "--executor", where="train.nodes=2")


def test_the_job_of_several_nodes_meets_at_the_first_one(recipe, tmp_path, monkeypatch):
    scripts = []
    submit = "xlt.models.espnet.ranks.submit"
    monkeypatch.setattr(submit, lambda words, script, _: scripts.append((words, script)) or "7")
    monkeypatch.setattr("xlt.models.espnet.ranks.in_queue", lambda jobs: set())
    monkeypatch.setattr("xlt.models.espnet.ranks.POLL_S", 0.0)
    cfg = load(
        recipe, ["executor=slurm", "train.nodes=2", "cluster.gpus=4", "cluster.setup=[module load cuda]"]
    )
    list(ranks._on_nodes(cfg, ["torchrun", "--nproc-per-node=4"], ["-m", "x"], tmp_path / "train.yaml"))
    ((words, script),) = scripts
    assert {"--nodes=2", "--ntasks-per-node=1"} <= set(words) and "module load cuda" in script
    assert "srun torchrun --nproc-per-node=4 --nnodes=2 --rdzv-backend=c10d" in script and '"$head:' in script


def test_a_rank_is_told_which_it_is():
    words = ranks.arguments(Path("t.yaml"), 4, 5, 8, 1)
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    assert pairs["--dist_rank"] == "5" and pairs["--dist_world_size"] == "8" and pairs["--ngpu"] == "1"
    assert (pairs["--dist_backend"], pairs["--local_rank"]) == ("nccl", "1")
    assert "--local_rank" not in ranks.arguments(Path("t.yaml"), 0, 1, 2, 1)
