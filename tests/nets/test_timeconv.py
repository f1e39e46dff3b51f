"""QuartzNet and Jasper: sizes from the papers' tables, the rest against torch's own layers."""

import pytest

from tests.errors import raises
from tests.lazy import Lazy, torch
from xlt.core.errors import ConfigError

jaspers = Lazy("xlt.nets.encoders.jasper")
quartznets = Lazy("xlt.nets.encoders.quartznet")

pytestmark = pytest.mark.trains


def millions(encoder, letters):
    """Parameters with a layer of ``letters`` outputs on top, as the papers count."""
    own = sum(p.numel() for p in encoder.parameters())
    return round((own + (encoder.output_size() + 1) * letters) / 1e6, 1)


@pytest.mark.parametrize(("blocks", "size"), [(5, 6.7), (10, 12.8), (15, 18.9)])
def test_quartznet_has_the_papers_size(blocks, size):
    with torch.device("meta"):
        assert millions(quartznets.QuartzNetEncoder(80, blocks=blocks), 29) == size


def test_jasper_has_the_papers_size():
    with torch.device("meta"):
        assert round(millions(jaspers.JasperEncoder(64), 29)) == 333  # 10x5 with dense residuals
        # by hand: without them, 10 blocks x 1x1 convolutions of their own input alone
        inputs, outputs = [256, 256, 256, 384, 384, 512, 512, 640, 640, 768], [256, 384, 512, 640, 768]
        outputs = [c for c in outputs for _ in range(2)]
        dense = sum((sum(inputs[:n]) + 2 * n) * out for n, out in enumerate(outputs))
        plain = jaspers.JasperEncoder(64, dense=False)
        sizes = [sum(p.numel() for p in net.parameters()) for net in (jaspers.JasperEncoder(64), plain)]
    assert sizes[0] - sizes[1] == dense


def small(kind):
    torch.manual_seed(0)
    if kind == "quartznet":
        encoder = quartznets.QuartzNetEncoder(6, repeats=2, width=0.03)
    else:
        encoder = jaspers.JasperEncoder(6, blocks=5, repeats=2, width=0.03, dropout=0.0)
    for norm in encoder.modules():
        if hasattr(norm, "running_var"):  # as after some training: not the identity
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 2.0)
    return encoder


@pytest.mark.parametrize("kind", ["quartznet", "jasper"])
def test_an_utterance_has_the_same_result_in_every_batch(kind):
    encoder, lengths = small(kind).eval(), torch.tensor([41, 16, 1])
    x = torch.randn(3, 50, 6)  # noise behind each end, and frames behind the longest
    got, got_lengths, _ = encoder(x, lengths)
    assert got_lengths.tolist() == [21, 8, 1] and got.shape == (3, 21, encoder.output_size())
    for row, length in enumerate(lengths.tolist()):
        alone, _, _ = encoder(x[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(got[row, : got_lengths[row]], alone[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["quartznet", "jasper"])
def test_all_parts_learn_and_none_from_padding(kind):
    encoder = small(kind).train()
    x = torch.randn(2, 30, 6, requires_grad=True)
    out, lengths, _ = encoder(x, torch.tensor([30, 11]))
    weights = torch.randn(out.shape)
    sum((out * weights)[row, :n].sum() for row, n in enumerate(lengths.tolist())).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    assert (x.grad[1, :11] != 0).any() and (x.grad[1, 11:] == 0).all()


def test_a_block_of_jasper_adds_the_inputs_of_all_blocks_before():
    encoder = small("jasper").eval()
    lengths, x = torch.tensor([20]), torch.randn(1, 20, 6)
    inside = torch.ones(1, 1, 10, dtype=torch.bool)
    inputs = [encoder.first(x.transpose(1, 2), inside)]
    for number, block in enumerate(encoder.blocks):
        assert len(block.sides) == number + 1
        y = inputs[-1]
        for layer in block.layers:
            y = normed(layer, y)
            y = torch.relu(y) if layer is not block.layers[-1] else y
        inputs.append(torch.relu(y + sum(normed(s, z) for s, z in zip(block.sides, inputs, strict=True))))
    y = inputs[-1]
    for layer in encoder.last:
        y = torch.relu(normed(layer, y))
    torch.testing.assert_close(encoder(x, lengths)[0], y.transpose(1, 2), atol=1e-5, rtol=1e-4)


def normed(layer, x):
    """Convolutions and torch's own batch norm with the layer's statistics."""
    norm = layer.norm
    return torch.nn.functional.batch_norm(
        layer.conv(x), norm.running_mean, norm.running_var, norm.weight, norm.bias
    )


@pytest.mark.parametrize(
    ("kind", "conf", "where", "told"),
    [
        ("quartznet", {"blocks": 7}, "train.encoder_conf.blocks=7:", "give a multiple of 5"),
        ("jasper", {"repeats": 0}, "train.encoder_conf.repeats=0:", "raise it"),
        ("quartznet", {"width": -1.0}, "train.encoder_conf.width=-1.0:", "raise it"),
    ],
)
def test_sizes_that_cannot_be_are_refused(kind, conf, where, told):
    made = {"quartznet": quartznets.QuartzNetEncoder, "jasper": jaspers.JasperEncoder}[kind]
    with raises(ConfigError, told, where=where.removesuffix(":")):
        made(80, **conf)
