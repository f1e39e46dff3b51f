"""What the methods hide and ask, against transformers, and worked out by hand."""

import numpy as np
import pytest

from tests.data.corpus import melody
from tests.errors import raises
from tests.lazy import Lazy, torch
from xlt.core.errors import ConfigError

masks = Lazy("xlt.models.ssl.masks")
bestrq = Lazy("xlt.models.ssl.bestrq")
wav2vec2 = Lazy("xlt.models.ssl.wav2vec2")
methods = Lazy("xlt.models.ssl.method")
W2V = {
    "layers": 2,
    "dim": 32,
    "heads": 2,
    "ffn": 64,
    "conv_dim": 32,
    "conv_pos": 16,
    "codes": 16,
    "code_dim": 32,
    "negatives": 10,
}
RQ = {"layers": 2, "dim": 32, "heads": 2, "ffn": 64, "codes": 32}


def waves(*seconds):
    return [torch.from_numpy(melody(n, dur_s)) for n, dur_s in enumerate(seconds)]


def test_masks_are_spans_and_leave_something():
    rng = np.random.default_rng(0)
    found = [masks.spans(200, 0.65, 10, rng) for _ in range(200)]
    # 13 spans of 10 of 200 frames at places drawn without replacement cover 1 - (1 - 1/20)^13 of them, about
    assert np.mean(found) == pytest.approx(1 - 0.95**13, abs=0.02)
    for mask in found:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
        assert (edges[1::2] - edges[::2]).min() >= 10
    for count in range(1, 30):
        short = masks.spans(count, 0.9, 40, rng)
        assert len(short) == count and (~short).sum() >= min(2, count) and (count < 3 or short.any())


def test_negatives_are_others_of_the_clip():
    found = masks.negatives(7, 1000, np.random.default_rng(0))
    assert found.shape == (7, 1000)
    for own, row in enumerate(found):
        counts = np.bincount(row, minlength=7)
        assert counts[own] == 0 and counts[np.arange(7) != own].min() > 100
    assert masks.negatives(1, 3, np.random.default_rng(0)).tolist() == [[0, 0, 0]]


def test_contrastive_loss_is_that_of_transformers():
    method = wav2vec2.Wav2Vec2Method(W2V, 0, "cpu")
    model = method.module.eval()
    batch, rng = torch.stack(waves(1.0, 1.0)), np.random.default_rng(1)
    frames = int(model._get_feat_extract_output_lengths(batch.shape[1]))
    chosen = np.stack([masks.spans(frames, 0.4, 5, rng) for _ in range(2)])
    others = [masks.negatives(int(mask.sum()), 10, rng) for mask in chosen]
    indices = np.zeros((2, frames, 10), int)  # transformers counts the frames of all clips
    for row, (mask, own) in enumerate(zip(chosen, others, strict=True)):
        indices[row][mask] = np.flatnonzero(mask)[own] + row * frames
    with torch.no_grad():
        theirs = model(
            batch,
            mask_time_indices=torch.from_numpy(chosen),
            sampled_negative_indices=torch.from_numpy(indices),
        )
        total = 0.0
        for row, (mask, own) in enumerate(zip(chosen, others, strict=True)):
            logits = wav2vec2.contrastive_logits(
                theirs.projected_states[row][mask],
                theirs.projected_quantized_states[row][mask],
                torch.from_numpy(own),
                0.1,
            )
            wanted = torch.zeros(len(logits), dtype=torch.long)
            total += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    assert total.item() == pytest.approx(theirs.contrastive_loss.item(), rel=1e-4)


def test_a_negative_that_is_the_target_itself_does_not_count():
    targets = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])  # the first two have one direction
    logits = wav2vec2.contrastive_logits(targets, targets, torch.tensor([[1, 2], [0, 2], [0, 1]]), 0.1)
    inf = float("-inf")
    assert logits.tolist() == [[10.0, inf, 0.0], [10.0, inf, 0.0], [10.0, 0.0, 0.0]]


def test_perplexity_and_totals():
    # even use of all codes of two groups: as many as there are; one code alone: 1
    assert methods.perplexity(np.full((2, 8), 3)) == pytest.approx(16)
    assert methods.perplexity(np.array([[0, 5, 0], [0, 0, 0]])) == pytest.approx(2)
    totals = methods.Totals()
    for loss, masked, right, codes in ((2.0, 10, 5, [[4, 0]]), (5.0, 20, 1, [[0, 4]])):
        totals.add(methods.Step(torch.tensor(loss), masked, right, np.array(codes)))
    assert totals.row() == {"loss": 4.0, "accuracy": 20.0, "perplexity": 2.0, "used": 1.0}


def test_the_quantiser_finds_the_nearest_direction_and_never_learns():
    rng = torch.Generator().manual_seed(0)
    quantiser = bestrq.Quantiser(50, 16, rng)
    rows = torch.randn(40, 320, generator=rng)
    projected = (rows @ quantiser.projection).numpy()
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    distances = np.linalg.norm(projected[:, None] - quantiser.book.numpy()[None], axis=2)
    assert quantiser(rows).tolist() == distances.argmin(axis=1).tolist()
    assert quantiser(5 * rows).tolist() == quantiser(rows).tolist()
    assert list(quantiser.parameters()) == []


def test_mels_have_mean_0_and_deviation_1_over_what_was_looked_at():
    method = bestrq.BestRqMethod(RQ, 0, "cpu")
    clips = waves(1.0, 2.0, 1.5)
    method.prepare(clips)
    mels = torch.cat([method.module.net.front.mels(wave) for wave in clips])
    assert mels.mean(dim=0).abs().max() < 1e-4 and (mels.std(dim=0) - 1).abs().max() < 1e-3


@pytest.mark.parametrize("name", ["bestrq", "wav2vec2"])
def test_a_few_steps_on_one_clip_lower_the_loss(name):
    method = {"bestrq": bestrq, "wav2vec2": wav2vec2}[name]
    kind, sizes = (method.BestRqMethod, RQ) if name == "bestrq" else (method.Wav2Vec2Method, W2V)
    method = kind(sizes, 0, "cpu")
    clips = waves(1.0, 1.2)
    method.prepare(clips)
    optimiser = torch.optim.Adam(method.module.parameters(), lr=3e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(25):
        step = method.step(clips, np.random.default_rng(0), 0.5)
        assert step.masked > 0 and 0 <= step.right <= step.masked
        optimiser.zero_grad()
        step.loss.backward()
        optimiser.step()
        losses.append(step.loss.item())
    assert np.mean(losses[-3:]) < 0.9 * losses[0]


@pytest.mark.parametrize(
    ("name", "sizes", "said"),
    [
        ("bestrq", {"layer": 3}, "did you mean layers?"),
        ("bestrq", {"nosuch": 3}, "there are layers"),
        ("bestrq", {"dim": 30}, "no multiple of heads"),
        ("bestrq", {"dim": 0}, "above 0"),
        ("bestrq", {"layers": 2.5}, "a whole number"),
        ("wav2vec2", {"dim": 40}, "no multiple of 16"),
        ("wav2vec2", {"groups": 3}, "no multiple of 3"),
        ("wav2vec2", {"chunk_frames": 3}, "unknown key"),
    ],
)
def test_sizes_that_cannot_be(name, sizes, said):
    kind = bestrq.BestRqMethod if name == "bestrq" else wav2vec2.Wav2Vec2Method
    with raises(ConfigError, where="pretrain.model") as err:
        kind(sizes, 0, "cpu")
    assert said in str(err.value)
