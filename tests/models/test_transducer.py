"""ESPnet's model with a transducer: its loss, and how it is decoded where nothing is said."""

import dataclasses
import json

import numpy as np
import pytest

from tests.errors import raises
from tests.export.transducers import transducer_bundle
from tests.lazy import Lazy, torch
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import ConfigError
from xlt.decode import fusion
from xlt.formats.model_folder import Trained
from xlt.models.espnet.family import ESPNET

task = Lazy("xlt.models.espnet.task")
CTC_WEIGHT = 0.3


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = transducer_bundle(tmp_path_factory.mktemp("transducer") / "bundle")
    return task.load_model(folder, "cpu")


def all_paths(log_probs, ids):
    """log p(ids) by the forward variables of Graves 2012, equations 16 and 18: (T, U + 1, V)."""
    alpha = np.full((len(log_probs), len(ids) + 1), -np.inf)
    alpha[0, 0] = 0.0
    for t in range(len(log_probs)):
        for u in range(len(ids) + 1):
            if t:
                alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t - 1, u] + log_probs[t - 1, u, 0])
            if u:
                alpha[t, u] = np.logaddexp(alpha[t, u], alpha[t, u - 1] + log_probs[t, u - 1, ids[u - 1]])
    return alpha[-1, -1] + log_probs[-1, -1, 0]


@pytest.mark.parametrize("texts", [[[3, 4, 4], [5]], [[3], []], [[], []]])
def test_the_loss_is_the_mean_over_utterances_of_all_paths_and_ctc(net, texts):
    speech, lengths = torch.randn(2, 40, 80), torch.tensor([40, 31])
    text = torch.full((2, max(1, *map(len, texts))), -1)
    for row, ids in zip(text, texts, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=torch.long)
    with torch.inference_mode():
        found, stats, _ = net(speech.clone(), lengths, text, torch.tensor([len(ids) for ids in texts]))
        hidden, frames = net.encode(speech.clone(), lengths)
        expected = 0.0
        for heard, count, ids in zip(hidden, frames.tolist(), texts, strict=True):
            before = net.decoder(torch.tensor([[0, *ids]]))[0]  # (U + 1, D)
            rows = net.joint_network(heard[:count, None], before[None]).log_softmax(-1).double().numpy()
            expected -= (1 - CTC_WEIGHT) * all_paths(rows, ids) / 2
        ctc = torch.nn.functional.ctc_loss(
            net.ctc.log_softmax(hidden).transpose(0, 1),
            torch.tensor([i for ids in texts for i in ids], dtype=torch.long),
            frames,
            torch.tensor([len(ids) for ids in texts]),
            reduction="sum",
        )
    assert float(found) == pytest.approx(expected + CTC_WEIGHT * float(ctc) / 2, rel=1e-4)
    assert stats["cer_transducer"] >= 0.0


def test_gradients_reach_all_parameters_but_the_blanks_embedding(net):
    net.train()
    try:
        speech, lengths = torch.randn(1, 40, 80), torch.tensor([40])
        loss, _, _ = net(speech, lengths, torch.tensor([[3, 4]]), torch.tensor([2]))
        loss.backward()
        there = {name: p.grad for name, p in net.named_parameters()}
        assert [name for name, grad in there.items() if grad is None or not grad.any()] == []
        assert not there["decoder.embed.weight"][0].any()
    finally:
        net.zero_grad()
        net.eval()


@pytest.fixture
def trained(tmp_path):
    """A function: the context of an experiment with a transducer, by settings."""
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    (tmp_path / "exp/main").mkdir(parents=True)
    features = {
        "upstream": {"upstream": "fbank"},
        "settings": {"features.upstream": "fbank"},
        "frame_rate": 100.0,
    }
    info = {"family": "espnet", "lang": "ron_Latn", "normaliser": "ron-v1", "features": features, "format": 2}
    info |= {"tokens": {"type": "char"}, "frame_rate": 25.0, "parts": ["ctc", "transducer"]}
    (tmp_path / "exp/main/xlt.json").write_text(json.dumps(info))
    return lambda *settings: Context(tmp_path, load(tmp_path, list(settings)))


def test_auto_is_the_transducer_alone_where_there_is_no_language_model(trained):
    found = fusion.chosen(trained("lm.type=none"))
    assert (found.method, found.lm_weight, found.length_bonus) == ("transducer", 0.0, 0.0)
    assert fusion.chosen(trained()) is None  # weights are to be tuned
    assert fusion.chosen(trained("decode.method=greedy")).method == "greedy"


def test_sets_of_other_languages_are_decoded_by_the_transducer_alone(trained):
    ctx = trained("decode.lm_weight=0.5", "decode.length_bonus=1.0")
    model = Trained(ctx.exp, json.loads((ctx.exp / "xlt.json").read_text()))
    found = fusion.plain(ctx, model)
    assert (found.method, found.lm_weight, found.length_bonus) == ("transducer", 0.0, 0.0)
    assert fusion.chosen(ctx) == dataclasses.replace(ctx.cfg.decode, method="transducer")


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_ctc_is_trained_beside_a_transducer(trained, weight):
    ctx = trained("preset=emformer", f"train.ctc_weight={weight}")
    with raises(ConfigError, "train.decoder=transducer"):
        ESPNET.check(ctx)
    ESPNET.check(trained("preset=emformer"))
