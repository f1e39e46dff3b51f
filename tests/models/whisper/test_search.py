"""Search and scores with Whisper's decoder, against transformers' forward and against trying all texts."""

import itertools

import numpy as np
import pytest
import torch

from tests.lazy import Lazy
from tests.tiny import make_tiny_whisper
from xlt.models.whisper.net import Net
from xlt.models.whisper.search import AS_PUBLISHED, TUNED, Rules, beam_search, score_ids, text_scores
from xlt.models.whisper.vocabulary import Vocabulary

transformers = Lazy("transformers")

pytestmark = pytest.mark.slow

TEXTS = ["unu doi", "unu doi trei", "unu", "", "patru și", "мама", "unu doi", "x" * 600]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def vocabulary(folder):
    return Vocabulary.load(folder)


@pytest.fixture
def net(folder):
    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder).eval()
    with torch.no_grad():  # larger than they begin, so that the softmax is not flat
        model.model.decoder.embed_tokens.weight.mul_(20)
        for layer in model.model.decoder.layers:
            layer.encoder_attn.out_proj.weight.mul_(20)
    return Net(model, None, windows=(1.0, 2.0, 30.0))


@pytest.fixture
def encoded(net):
    rng = np.random.default_rng(0)
    with torch.inference_mode():
        return net.encode(*net.mels([rng.normal(size=n).astype(np.float32) for n in (16000, 3200, 9000)]))


def by_transformers(net, encoded, prompt, ids, end):
    """The log probability of ``ids`` and the end, by one forward of transformers' decoder."""
    whole = torch.tensor([[*prompt, *ids, end]])
    with torch.no_grad():
        logits = net.whisper(
            decoder_input_ids=whole[:, :-1], encoder_outputs=(encoded.hidden,), use_cache=False
        ).logits[0]
    scores = logits.log_softmax(-1)[range(whole.shape[1] - 1), whole[0, 1:]]
    return float(scores[len(prompt) - 1 :].sum())


def constant(net, scores):
    """Make the decoder give the same log probabilities whatever it has read: of the tokens in ``scores``, the
    others being next to impossible.
    """
    logits = torch.full((net.whisper.config.vocab_size,), -60.0)
    for token, score in scores.items():
        logits[token] = score
    net.logits = lambda states: logits.expand(*states.shape[:-1], -1).clone()


def after(net, table, default):
    """As :func:`constant`, but by the token before: ``{token: {next: log probability}}``."""
    seen, embed = {}, net.embed

    def remember(ids):
        seen["ids"] = ids
        return embed(ids)

    def logits(states):
        ids = seen["ids"]
        last = ids[:, -1] if len(ids) == len(states) else ids[0, -len(states) :]  # of rows, or of a tree
        found = torch.full((len(states), net.whisper.config.vocab_size), -60.0)
        for row, token in zip(found, last.tolist(), strict=True):
            for following, score in table.get(token, default).items():
                row[following] = score
        return found

    net.embed, net.logits = remember, logits


def test_text_scores_are_those_of_transformers(net, vocabulary, encoded):
    prompt = vocabulary.prompt("ro")
    for number in range(3):
        row = encoded.row(number)
        found = text_scores(net, vocabulary, row, prompt, TEXTS)
        for text, score in zip(TEXTS[:-1], found, strict=False):
            expected = by_transformers(net, row, prompt, vocabulary.encode(text), vocabulary.end)
            assert score == pytest.approx(expected, abs=1e-3)
        assert found[0] == found[6]
    # 600 letters do not fit into 448 positions: the first 444 of them are scored, without an end
    ids = vocabulary.encode(TEXTS[-1])[:444]
    assert found[-1] == pytest.approx(by_transformers(net, row, prompt, ids[:-1], ids[-1]), abs=1e-2)


def test_many_long_texts_are_scored_in_parts(net, vocabulary, encoded):
    prompt, row = vocabulary.prompt(""), encoded.row(1)
    rng = np.random.default_rng(1)
    texts = [rng.integers(0, 250, size=rng.integers(90, 110)).tolist() for _ in range(30)]
    found = score_ids(net, vocabulary, row, prompt, texts)
    for k in (0, 13, 29):
        assert found[k] == pytest.approx(
            by_transformers(net, row, prompt, texts[k], vocabulary.end), rel=1e-5
        )
    assert score_ids(net, vocabulary, row, prompt, []) == []


def test_own_language_token_is_seen(net, vocabulary, encoded):
    row, prompt = encoded.row(0), vocabulary.prompt("")
    before = text_scores(net, vocabulary, row, prompt, ["unu"])
    net.language_id = vocabulary.spare
    net.language = torch.nn.Parameter(torch.ones(net.whisper.config.d_model))
    assert text_scores(net, vocabulary, row, prompt, ["unu"]) != before
    with torch.no_grad():
        net.whisper.model.decoder.embed_tokens.weight[vocabulary.spare] = 1.0
    after_ = by_transformers(net, row, prompt, vocabulary.encode("unu"), vocabulary.end)
    assert text_scores(net, vocabulary, row, prompt, ["unu"]) == pytest.approx([after_], abs=1e-3)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_a_found_text_has_the_score_of_transformers(net, vocabulary, encoded, beam_size):
    prompt, rules = vocabulary.prompt("ro"), Rules(max_tokens=12)
    for number, found in enumerate(beam_search(net, vocabulary, encoded, prompt, beam_size, 3, rules)):
        assert 1 <= len(found) <= 3
        texts = [vocabulary.decode(one.ids) for one in found]
        assert len(set(texts)) == len(texts)
        for one in found:
            expected = by_transformers(net, encoded.row(number), prompt, one.ids, vocabulary.end)
            assert one.score == pytest.approx(expected, abs=1e-3)
            assert max(one.ids, default=0) < vocabulary.first_special
            assert one.looped or len(one.ids) < 12


def test_clips_do_not_depend_on_those_beside_them(net, vocabulary, encoded):
    prompt, rules = vocabulary.prompt("ro"), Rules(max_tokens=12)
    together = beam_search(net, vocabulary, encoded, prompt, 3, 2, rules)
    for number, found in enumerate(together):
        (alone,) = beam_search(net, vocabulary, encoded.row(number), prompt, 3, 2, rules)
        assert [one.ids for one in alone] == [one.ids for one in found]
        assert [one.score for one in alone] == pytest.approx([one.score for one in found], abs=1e-3)


def test_a_wide_beam_finds_the_best_of_all_texts(net, vocabulary, encoded):
    """Three tokens and the end: all texts of at most four tokens are tried by hand."""
    row, prompt = encoded.row(0), vocabulary.prompt("ro")
    few = [*vocabulary.encode("x"), *vocabulary.encode("y")]
    forward = type(net).logits

    def logits(states):
        found = forward(net, states)
        kept = torch.full_like(found, -60.0)
        kept[..., [*few, vocabulary.end]] = found[..., [*few, vocabulary.end]]
        return kept

    net.logits = logits
    every = [list(ids) for n in range(5) for ids in itertools.product(sorted(set(few)), repeat=n)]
    scores = dict(zip(map(tuple, every), score_ids(net, vocabulary, row, prompt, every), strict=True))
    by_text = {}
    for ids, score in scores.items():
        text = vocabulary.decode(ids)
        by_text[text] = max(score, by_text.get(text, -np.inf))
    expected = sorted(by_text.values(), reverse=True)[:4]
    (found,) = beam_search(net, vocabulary, row, prompt, 200, 4, Rules(max_tokens=5))
    assert [one.score for one in found] == pytest.approx(expected, abs=1e-3)


def test_special_tokens_are_never_text(net, vocabulary, encoded):
    a, end = vocabulary.encode("a")[-1], vocabulary.end
    constant(net, {vocabulary.start: 0.0, vocabulary.languages["ro"]: 0.0, a: -3.0, end: -2.0})
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 2, 2)
    # the softmax has all four: 1 + 1 + e^-2 + e^-3
    total = np.log(2 + np.exp(-2) + np.exp(-3))
    assert [one.ids for one in found] == [[], [a]]
    assert [one.score for one in found] == pytest.approx([-2 - total, -3 - 2 - 2 * total], abs=1e-4)


def test_rules_of_the_published_decoder(net, vocabulary, encoded):
    a, end = vocabulary.encode("a")[-1], vocabulary.end
    (blank,), (bracket,) = vocabulary.blank, vocabulary.tokenizer.encode("(").ids
    constant(net, {a: -2.0, end: -2.5, blank: -0.5, bracket: -1.0})
    row, prompt = encoded.row(0), vocabulary.prompt("ro")
    (found,) = beam_search(net, vocabulary, row, prompt, 3, 1, Rules(published=True))
    assert found[0].ids == [a]  # neither a blank nor the end first, never a bracket
    (found,) = beam_search(net, vocabulary, row, prompt, 3, 1, Rules())
    assert found[0].ids == []
    # an a and the end: -4.5; then three times as likely an a: longer texts have a better mean
    after(net, {a: {a: -0.1, end: -2.4}}, {a: -2.0, end: -30.0})
    (short,) = beam_search(net, vocabulary, row, prompt, 3, 1, Rules(published=True))
    (long,) = beam_search(net, vocabulary, row, prompt, 3, 1, AS_PUBLISHED)
    assert len(short[0].ids) == 1 < len(long[0].ids)


def test_the_second_best_is_taken_where_the_best_one_loops(net, vocabulary, encoded):
    a, b, c = (vocabulary.encode(letter)[-1] for letter in "abc")
    end = vocabulary.end
    # a goes on for ever; b c end is less likely
    after(net, {a: {a: 0.0, end: -20.0}, b: {c: 0.0}, c: {end: 0.0}}, {a: 0.0, b: -1.5})
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 2, 2)
    assert found[0].ids == [b, c] and found[0].avoided and not found[0].looped
    assert found[1].ids == [a] or not found[1].looped


def test_a_mean_that_rises_with_every_token_is_not_followed(net, vocabulary, encoded):
    letters = [vocabulary.encode(letter)[-1] for letter in "abcdefghijkl"]
    end = vocabulary.end
    table = {one: {other: -0.1, end: -2.4} for one, other in itertools.pairwise(letters)}
    after(net, table, {letters[0]: 0.0, letters[5]: -20.0})
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 2, 1, TUNED)
    assert found[0].ids == letters[:2]  # the second text that ended: (-0.1 - 2.4) / 2, the first has -2.4
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 2, 1)
    assert found[0].ids == letters[:1]  # by probability


def test_a_loop_without_anything_beside_it_is_cut(net, vocabulary, encoded):
    a, b = (vocabulary.encode(letter)[-1] for letter in "ab")
    after(net, {b: {a: 0.0}, a: {b: 0.0}}, {b: 0.0})
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 1, 1)
    assert found[0].ids == [b, a] and found[0].looped
    # what never ends without repeating itself is broken off where the clip cannot hold more
    letters = [vocabulary.encode(letter)[-1] for letter in "abcdefghijklmnopqrstuvwxyz"]
    table = {one: {other: 0.0} for one, other in itertools.pairwise(letters)}
    after(net, table, {letters[0]: 0.0})
    rules = Rules(max_tokens=7)
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 1, 1, rules)
    assert found[0].ids == letters[:7] and found[0].looped


def test_a_text_has_at_most_448_positions(net, vocabulary, encoded):
    rng = np.random.default_rng(3)
    order = rng.permutation(250)[:40].tolist()
    state = {"n": 0}

    def logits(states):  # never the same for long, never the end
        rows = torch.full((len(states), net.whisper.config.vocab_size), -60.0)
        rows[:, order[(state["n"] * state["n"] // 7) % 40]] = 0.0
        state["n"] += 1
        return rows

    net.logits = logits
    rules = Rules(max_tokens=10_000)
    (found,) = beam_search(net, vocabulary, encoded.row(0), vocabulary.prompt("ro"), 1, 1, rules)
    assert len(found[0].ids) <= 444 and found[0].looped
