"""The probe on made-up hidden states of which one layer alone carries the text."""

import numpy as np
import pytest

from tests.lazy import torch
from xlt.core.errors import DataError, UpstreamError
from xlt.features.probe import Settings, _network, learn, one_thread
from xlt.nets.moments import Moments

pytestmark = pytest.mark.trains

LAYERS, DIM, INFORMATIVE = 4, 12, 2


def made_up(utterances: int = 24, frames_a_char: int = 4) -> tuple[list[np.ndarray], list[str]]:
    """Noise in every layer; in one, each character has a vector of its own. Layer 3 is loud, layer 1 has an
    offset.
    """
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, DIM))
    hidden, texts = [], []
    for _ in range(utterances):
        letters = rng.integers(0, 5, rng.integers(4, 9))
        h = rng.normal(size=(frames_a_char * len(letters), LAYERS, DIM))
        h[:, INFORMATIVE] = 0.3 * h[:, INFORMATIVE] + np.repeat(vectors[letters], frames_a_char, axis=0)
        h[:, 1] += 7
        h[:, 3] *= 5
        hidden.append(h.astype(np.float16))
        texts.append("".join("abcde"[n] for n in letters))
    return hidden, texts


def moments_of(hidden: list[np.ndarray]) -> Moments:
    moments = Moments()
    for h in hidden:
        moments.add(Moments.of_layers(h))
    return moments


def test_moments_are_those_of_all_frames_together():
    hidden, _ = made_up(3)
    moments, whole = moments_of(hidden), np.concatenate(hidden).astype(np.float64)
    np.testing.assert_allclose(moments.mean, whole.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(moments.std, whole.std(axis=0), atol=1e-9)
    for d in (0, DIM - 1):
        wanted = np.cov(whole[:, :, d].T, bias=True)
        np.testing.assert_allclose(moments.covariance[:, :, d], wanted, atol=1e-9)


def test_a_dead_dimension_gets_no_zero_deviation():
    hidden, _ = made_up(3)
    for h in hidden:
        h[:, 0, 5] = 1.5
    std = moments_of(hidden).std
    alive = np.concatenate(hidden).astype(np.float64)[:, 0].std(axis=0)
    assert std[0, 5] == pytest.approx(alive.mean() / 1000)


@pytest.mark.parametrize("norm", ["corpus", "none"])
def test_the_head_sees_the_standardised_sum_of_the_standardised_layers(norm):
    hidden, _ = made_up(3)
    net = _network(moments_of(hidden), Settings(norm, "linear", 1, 0), 6).eval()
    net.out = torch.nn.Identity()
    net.weights.data = torch.tensor([0.5, -1.0, 0.0, 1.0])
    whole = np.concatenate(hidden).astype(np.float64)
    if norm == "corpus":
        whole = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    mixed = np.einsum("tld,l->td", whole, torch.softmax(net.weights.data, 0).numpy())
    expected = (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)
    sound = torch.from_numpy(np.concatenate(hidden).astype(np.float32))[None]
    found = net(sound, torch.tensor([sound.shape[1] - 2]))[0].detach().numpy()
    np.testing.assert_allclose(found[:-2], expected[:-2], atol=1e-4)
    assert not found[-2:].any()  # behind the end


@pytest.mark.parametrize("norm", ["corpus", "frame"])
@pytest.mark.parametrize("head", ["linear", "blstm"])
def test_finds_the_layer_that_carries_the_text(head, norm):
    hidden, texts = made_up()
    if norm == "frame":
        hidden = [
            ((h - h.mean(-1, keepdims=True)) / h.std(-1, keepdims=True)).astype(np.float16) for h in hidden
        ]
    found = learn(hidden, texts, moments_of(hidden), Settings(norm, head, 150, 0))
    assert found.weights.sum() == pytest.approx(1, abs=1e-6)
    others = np.delete(found.weights, INFORMATIVE)
    assert found.weights[INFORMATIVE] > 2.5 * others.max()
    assert found.left_out == []
    assert found.loss < learn(hidden, texts, moments_of(hidden), Settings(norm, head, 10, 0)).loss * 0.75


def test_starts_from_equal_weights():
    hidden, texts = made_up(4)
    found = learn(hidden, texts, moments_of(hidden), Settings("corpus", "linear", 1, 0))
    np.testing.assert_allclose(found.weights, 1 / LAYERS, atol=0.02)  # one step away at most


@pytest.mark.parametrize("head", ["linear", "blstm"])
def test_the_seed_determines_the_weights_whatever_torch_did_before(head):
    hidden, texts = made_up(8)
    moments = moments_of(hidden)
    runs = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        runs.append(learn(hidden, texts, moments, Settings("corpus", head, 10, seed)).weights)
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_utterances_too_short_for_their_text_are_left_out():
    hidden, texts = made_up(6)
    texts[1], hidden[1] = "aab", hidden[1][:3]  # needs 4 frames: a blank between the two a
    texts[4], hidden[4] = "aba", hidden[4][:3]
    assert learn(hidden, texts, moments_of(hidden), Settings("corpus", "linear", 2, 0)).left_out == [1]
    with pytest.raises(DataError, match="each of the 2 utterances has fewer frames than its text needs"):
        learn(
            [h[:2] for h in hidden[:2]],
            ["abc", "abcd"],
            moments_of(hidden),
            Settings("corpus", "linear", 2, 0),
        )


def test_a_loss_that_is_no_number_is_said():
    hidden, texts = made_up(4)
    moments = moments_of(hidden)
    hidden[2] = np.full_like(hidden[2], np.nan)
    with pytest.raises(UpstreamError, match="loss is nan at update [1-4]; features.mix_norm=corpus"):
        learn(hidden, texts, moments, Settings("corpus", "linear", 4, 0))


def test_progress_counts_updates_and_threads_come_back():
    hidden, texts = made_up(4)
    before, steps = torch.get_num_threads(), []
    learn(hidden, texts, moments_of(hidden), Settings("none", "linear", 7, 0), steps.append)
    assert steps == [1] * 7
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
