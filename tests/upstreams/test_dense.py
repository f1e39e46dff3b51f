"""The layers that a processor computes, against torch's own."""

import pytest

from tests.lazy import Lazy, functional, nn, torch
from tests.tiny import skip_without
from xlt.core.errors import ConfigError

fast = Lazy("xlt.upstreams.fast.dense")

pytestmark = pytest.mark.trains


@pytest.fixture(autouse=True)
def no_gradients():
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("dtype, most", [("float32", 1e-5), ("bfloat16", 0.02), ("int8", 0.02)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_a_linear_layer(dtype, most, bias):
    skip_without(dtype)
    linear, x, other = nn.Linear(48, 80, bias=bias), torch.randn(31, 48), torch.randn(31, 80)
    dense = fast.Dense(linear.weight, linear.bias, dtype)
    for ours, theirs in (
        (dense(x), linear(x)),
        (dense(x, gelu=True), functional.gelu(linear(x))),
        (dense(x, add=other), linear(x) + other),
    ):
        assert (ours.float() - theirs).norm() / theirs.norm() < most
    assert (dense.out_features, dense.in_features) == (80, 48)


def test_int8_by_hand():
    """Weights 1 and -127 of scale 1, inputs 2 and 254 of scale 2: 2 · 1 (1 · 1 - 127 · 127) + 0.5 =
    -32255.5.
    """
    skip_without("int8")
    dense = fast.Dense(torch.tensor([[1.0, -127.0]]), torch.tensor([0.5]), "int8")
    assert dense(torch.tensor([[2.0, 254.0], [0.0, 0.0]])).tolist() == [[-32255.5], [0.5]]


def test_a_processor_that_cannot_says_so(monkeypatch):
    """Without VNNI, 64 products of ones in int8 gave 0.5, and nothing was said."""
    monkeypatch.setattr(fast.Dense, "_int8", lambda self, x: torch.tensor([[0.5]]))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    fast.supports.cache_clear()
    for dtype in ("int8", "bfloat16"):
        with pytest.raises(
            ConfigError, match=f"features.dtype={dtype}: this processor lacks .*; use float32"
        ):
            fast.check(dtype)
    fast.check("float32")
    fast.supports.cache_clear()


def test_a_row_of_int8_does_not_depend_on_the_others():
    dense, x = fast.Dense(torch.randn(80, 48), None, "int8"), torch.randn(31, 48)
    loud = torch.cat([x, torch.full((1, 48), 1e6)])
    assert torch.equal(dense(loud)[:31], dense(x))


def test_rows_of_other_clips_are_not_attended_to():
    qkv = torch.randn(9, 3 * 8)
    both = fast.attention(qkv, 2, [(0, 4), (4, 9)])
    q, k, v = (t.view(4, 2, 4).transpose(0, 1) for t in qkv[:4].split(8, dim=1))
    by_hand = ((q @ k.transpose(1, 2) / 2).softmax(-1) @ v).transpose(0, 1).reshape(4, 8)  # sqrt(4) = 2
    assert torch.allclose(both[:4], by_hand, atol=1e-6)
    assert torch.allclose(both[4:], fast.attention(qkv[4:], 2, [(0, 5)]), atol=1e-6)


@pytest.mark.parametrize(
    "channels, kernel, stride, frames",
    [(1, 10, 5, 83), (6, 3, 2, 40), (6, 2, 2, 41), (6, 3, 1, 12), (6, 3, 2, 5)],
)
@pytest.mark.parametrize(
    "make_norm",
    [lambda: None, lambda: nn.LayerNorm(12), lambda: nn.GroupNorm(12, 12)],
    ids=["none", "layer", "group"],
)
def test_convolution_as_matrix_products(channels, kernel, stride, frames, make_norm):
    norm = make_norm()
    conv, x = nn.Conv1d(channels, 12, kernel, stride), torch.randn(frames, channels)
    theirs = conv(x.T[None])
    if isinstance(norm, nn.LayerNorm):
        theirs = norm(theirs.transpose(1, 2)).transpose(1, 2)
    elif norm is not None:
        theirs = norm(theirs)
    assert torch.allclose(fast.Conv(conv, norm)(x), functional.gelu(theirs[0].T), atol=1e-5)


@pytest.mark.parametrize("kernel", [16, 128])
@pytest.mark.parametrize("frames", [[1], [5, 300, 257], [33], [32]])
def test_long_convolution(kernel, frames):
    conv = nn.Conv1d(24, 24, kernel, padding=kernel // 2, groups=4)
    clips = [torch.randn(n, 24) for n in frames]
    for x, y in zip(clips, fast.LongConv(conv)(clips), strict=True):
        assert torch.allclose(y, conv(x.T[None])[0, :, : len(x)].T, atol=1e-5)
