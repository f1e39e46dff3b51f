import pytest

from tests.errors import raises
from tests.lazy import Lazy
from xlt.core.errors import DataError
from xlt.formats.int8 import is_packed, packed, unpacked
from xlt.formats.weights import read_weights

torch = Lazy("torch")


def test_rows_have_scales():
    """Worked out by hand: 2.54 / 127 = 0.02, so that -1 is -50 steps; a row of zeros is zeros."""
    state = {
        "w": torch.tensor([[2.54, -1.0], [0.0, 0.0], [-1.27, 0.004]]),
        "bias": torch.tensor([0.1, 0.2, 0.3]),
        "count": torch.tensor([[1, 2], [3, 4]]),
    }
    found = packed(state, least=4)
    assert found["w"].dtype == torch.int8 and found["w"].tolist() == [[127, -50], [0, 0], [-127, 0]]
    assert found["bias"] is state["bias"] and found["count"] is state["count"]
    assert is_packed(found) and not is_packed(state) and not is_packed(None)
    again = unpacked(found)
    assert again.keys() == state.keys()
    assert torch.allclose(again["w"], torch.tensor([[2.54, -1.0], [0.0, 0.0], [-1.27, 0.0]]))


def test_small_ones_stay(tmp_path):
    assert not is_packed(packed({"w": torch.ones(64, 63)})) and is_packed(packed({"w": torch.ones(64, 64)}))


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 1), ()])
def test_a_scale_that_fits_nothing_is_damage(tmp_path, shape):
    state = {"w": torch.ones(3, 2, dtype=torch.int8), "w.int8_scale": torch.ones(shape)}
    torch.save(state, tmp_path / "a.pth")
    with raises(DataError, where="a.pth"):
        read_weights(tmp_path / "a.pth", "copy it again")
    torch.save({"w.int8_scale": torch.ones(3, 1)}, tmp_path / "a.pth")
    with raises(DataError, where="a.pth"):
        read_weights(tmp_path / "a.pth", "copy it again")
