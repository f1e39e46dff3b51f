"""The mean of the best epochs, in the files in which ESPnet leaves it."""

import pytest

from tests.lazy import Lazy, torch

average = Lazy("xlt.models.espnet.average")

pytestmark = pytest.mark.trains


class Reporter:
    """Epoch 2 was the best, then 3, then 1."""

    def has(self, phase, key):
        return key == "loss"

    def sort_epochs(self, phase, key, mode):
        return [2, 3, 1]


@pytest.fixture
def folder(tmp_path):
    for epoch in (1, 2, 3):
        torch.manual_seed(epoch)
        torch.save({"w": torch.randn(3, 4), "n": torch.tensor(epoch)}, tmp_path / f"{epoch}epoch.pth")
    return tmp_path


CRITERIA = [("valid", "loss", "min"), ("valid", "acc", "max")]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_mean_of_the_best(folder, count):
    average.average_nbest_models(folder, Reporter(), CRITERIA, count)
    ours = torch.load(folder / "valid.loss.ave.pth", weights_only=True)
    assert (folder / "valid.loss.ave.pth").resolve().name == (
        f"valid.loss.ave_{count}best.pth" if count > 1 else "2epoch.pth"
    )
    assert not list(folder.glob("valid.acc*"))
    assert ours["n"] == 2  # a count is no mean
    states = [torch.load(folder / f"{e}epoch.pth", weights_only=True)["w"] for e in (2, 3, 1)[:count]]
    torch.testing.assert_close(ours["w"], torch.stack(states).mean(0))


def test_fewer_epochs_than_asked_for_are_all_averaged(folder):
    average.average_nbest_models(folder, Reporter(), CRITERIA, 5)
    assert (folder / "valid.loss.ave.pth").resolve().name == "valid.loss.ave_3best.pth"


def test_espnets_trainer_calls_it():
    from espnet2.train import trainer

    import xlt.models.espnet.task  # noqa: F401

    assert trainer.average_nbest_models is average.average_nbest_models
