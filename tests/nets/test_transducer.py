"""The transducer's networks and searches, against torchaudio's loss and search."""

import itertools
import math

import numpy as np
import pytest

from tests.lazy import Lazy, torch
from xlt.decode.beam import PrefixSearch
from xlt.decode.transducer import OpenTransducer, TransducerSearch

nets = Lazy("xlt.nets.transducer")
model = Lazy("xlt.models.espnet.transducer")

V, H, J = 5, 6, 8  # tokens: blank, three that are said, and ESPnet's <sos/eos>
SAID = (1, 2, 3)


def made(kind="lstm", layers=1, sharp=3.0, seed=0):
    from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
    from espnet2.asr_transducer.joint_network import JointNetwork

    torch.manual_seed(seed)
    predictor = TransducerDecoder(V, kind, layers, hidden_size=7).eval()
    joint = JointNetwork(V, H, 7, J).eval()
    with torch.no_grad():  # far from uniform; <sos/eos> is never said, as after training
        joint.lin_out.weight *= sharp
        joint.lin_out.bias[-1] = -1e3
    return nets.Transducer(predictor.requires_grad_(False), joint.requires_grad_(False))


def loss(net, hidden, ids):
    """torchaudio's: minus the log probability of all paths of ``ids``."""
    from torchaudio.functional import rnnt_loss

    with torch.no_grad():
        before = net.predictor(torch.tensor([[0, *ids]]))
        logits = net.joint(hidden[None, :, None], before[:, None])
        counts = torch.tensor([len(hidden)], dtype=torch.int32), torch.tensor([len(ids)], dtype=torch.int32)
        return float(
            rnnt_loss(logits, torch.tensor([ids], dtype=torch.int32).reshape(1, -1), *counts, blank=0)
        )


def search(net, lms=(), weights=(), bonus=0.0, size=10_000, **more):
    more = {"most": 3, "least": 0.0, "widest": math.inf, **more}
    return TransducerSearch(net, PrefixSearch(lms, weights, bonus, size, n_best=10_000), **more)


@pytest.mark.parametrize(("kind", "layers"), [("lstm", 1), ("lstm", 2), ("gru", 1)])
def test_steps_of_the_networks_are_the_whole_ones(kind, layers):
    net, hidden, ids = made(kind, layers), torch.randn(3, H), [2, 1, 1, 3]
    states = [net.first()]
    for token in ids:
        states += net.follow(states[-1:], [token])
    rows = net.join(
        net.project(hidden)[:, None], torch.stack([s.output for s in states])[None]
    )  # (T, U + 1, V)
    whole = net.joint(hidden[:, None], net.predictor(torch.tensor([[0, *ids]]))[0][None]).log_softmax(-1)
    torch.testing.assert_close(rows, whole, atol=1e-5, rtol=1e-5)
    pair = net.follow([states[0], states[2]], [3, 2])
    torch.testing.assert_close(pair[1].output, net.follow([states[2]], [2])[0].output, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_keeps_all_sums_all_paths_as_torchaudios_loss_does(seed):
    net, hidden = made(seed=seed), torch.randn(2, H)
    found = search(net)(hidden)
    every = [ids for n in range(4) for ids in itertools.product(SAID, repeat=n)]  # no bound is met by these
    scores = {one.ids: one.acoustic for one in found.nbest}
    for ids in every:
        assert scores[ids] == pytest.approx(-loss(net, hidden, list(ids)), abs=1e-4)
    best = max(every, key=lambda ids: -loss(net, hidden, list(ids)))
    assert tuple(found.ids) == best and found.score == pytest.approx(scores[best])


class Unigrams:
    """log p of a token: only how often it is said counts."""

    def __init__(self, *ps):
        self.logs = np.log(ps).tolist()

    def start(self):
        return 0

    def score(self, state, token):
        return self.logs[token], state + 1

    def end(self, state):
        return self.logs[0] * state


def test_language_models_and_the_bonus_are_added_by_their_weights():
    net, hidden, lm = made(), torch.randn(2, H), Unigrams(0.4, 0.1, 0.2, 0.2, 0.1)
    plain = {one.ids: one for one in search(net)(hidden).nbest}
    for one in search(net, [lm], [0.7], 0.5)(hidden).nbest:
        extra = 0.7 * (sum(lm.logs[token] for token in one.ids) + lm.end(len(one.ids))) + 0.5 * len(one.ids)
        assert (one.acoustic, one.lm) == pytest.approx((plain[one.ids].acoustic, extra))
        assert one.score == pytest.approx(one.acoustic + one.lm)


class AsTorchaudios:
    """What torchaudio's search asks of a model; its blank is the last token."""

    order = (*range(1, V), 0)

    def __init__(self, net):
        self.net = net

    def transcribe(self, hidden, lengths):
        return hidden, lengths

    def predict(self, tokens, lengths, state):
        ids = [self.order[token] for token in tokens[:, 0].tolist()]
        if state is None:
            found = [self.net.first()]
        else:
            before = [nets.State(None, tuple(part[n] for part in state[0])) for n in range(len(ids))]
            found = self.net.follow(before, ids)
        memory = [torch.stack([one.memory[part] for one in found]) for part in (0, 1)]
        return torch.stack([one.output for one in found])[:, None], lengths, [memory]

    def join(self, frames, lengths, outputs, more):
        rows = self.net.join(self.net.project(frames)[:, :, None], outputs[:, None])
        return rows[..., list(self.order)], lengths, more


@pytest.mark.parametrize("seed", range(4))
def test_the_beam_finds_what_torchaudios_finds(seed):
    from torchaudio.models import RNNTBeamSearch

    net, hidden = made(seed=seed, sharp=6.0), torch.randn(12, H)
    other = RNNTBeamSearch(AsTorchaudios(net), V - 1, hypo_sort_key=lambda one: one[3], step_max_tokens=3)
    theirs = [
        ([AsTorchaudios.order[token] for token in one[0][1:]], one[3])
        for one in other(hidden, torch.tensor([12]), V - 1)
    ]
    found = search(net, size=V - 1)(hidden)
    assert (found.ids, found.score) == (theirs[0][0], pytest.approx(theirs[0][1], abs=0.02))


def test_greedy_takes_the_best_token_of_each_step_and_says_where():
    net, hidden = made(sharp=8.0, seed=1), torch.randn(40, H)
    ids, frames, score, state = [], [], 0.0, net.first()
    for t, row in enumerate(net.project(hidden)):  # frame by frame, as Graves has it
        for count in range(6):
            rows = net.join(row, state.output)
            token = int(rows.argmax()) if count < 5 else 0
            score += float(rows[token])
            if not token:
                break
            ids, frames = [*ids, token], [*frames, t]
            (state,) = net.follow([state], [token])
    assert len(ids) > 5
    found = nets.greedy(net, hidden)
    assert (found.ids, found.frames) == (ids, frames)
    assert found.score == pytest.approx(score, abs=1e-3)
    assert nets.greedy(net, hidden[:0]) == nets.Emitted([], [], 0.0)


def test_greedy_leaves_a_frame_at_the_bound():
    net = made()
    with torch.no_grad():
        net.joint.lin_out.bias[1] = 50.0  # never a blank
    found = nets.greedy(net, torch.randn(3, H), most=2)
    assert (found.ids, found.frames) == ([1] * 6, [0, 0, 1, 1, 2, 2])


@pytest.mark.parametrize("step", [1, 3, 50])
def test_a_stream_finds_what_the_whole_gives_and_what_is_fixed_stays(step):
    net, hidden = made(sharp=8.0, seed=1), torch.randn(50, H)
    by = search(net, [Unigrams(0.4, 0.1, 0.2, 0.2, 0.1)], [0.5], size=4, least=1e-3, widest=14.0)
    whole, stream, fixed = by(hidden), OpenTransducer(by), ()
    for start in range(0, 50, step):
        stream.push(hidden[start : start + step])
        stream.settle()
        assert stream.fixed[: len(fixed)] == fixed == stream.best()[: len(fixed)]
        fixed = stream.fixed
    found = stream.end()
    assert len(found.ids) > 3 and len(fixed) > 1 and tuple(found.ids[: len(fixed)]) == fixed
    assert found.ids == whole.ids and found.frames == whole.frames
    assert [one.ids for one in found.nbest] == [one.ids for one in whole.nbest]
    assert found.score == pytest.approx(whole.score, abs=1e-4)


class Scripted:
    """Says 1, 2, 3, each with probability 0.9 in its frame, and blanks with 0.9 in all others."""

    frames = (2, 2, 5)
    device = "cpu"

    def first(self):
        return nets.State(torch.tensor([0]), None)

    def follow(self, states, tokens):
        return [nets.State(state.output + 1, None) for state in states]

    def project(self, hidden):
        return hidden

    def join(self, frames, outputs):
        frames, outputs = torch.broadcast_tensors(frames[..., 0], outputs[..., 0])
        rows = torch.full((len(frames), V), 0.025)
        for row, frame, count in zip(rows, frames.tolist(), outputs.tolist(), strict=True):
            row[count + 1 if count < 3 and frame == self.frames[count] else 0] = 0.9
        return rows.log()


def test_frames_of_tokens_are_those_in_which_they_are_most_likely():
    net, hidden = Scripted(), torch.arange(8)[:, None]
    found = TransducerSearch(net, PrefixSearch((), (), 0.0, 4))(hidden)
    assert (found.ids, found.frames) == ([1, 2, 3], (2, 2, 5))
    path = nets.greedy(net, hidden)
    assert (path.ids, tuple(path.frames)) == ([1, 2, 3], (2, 2, 5))
    assert path.score == pytest.approx(11 * math.log(0.9), abs=1e-5)  # three tokens, eight blanks
    assert path.score < found.score < 0
