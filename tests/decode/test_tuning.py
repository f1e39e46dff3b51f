"""Weights are tuned on made surfaces: how many of 100 words are wrong is known for each point."""

import types

import pytest
import torch

from tests.decode.test_times import tokenizer_of
from xlt.core.registry import DECODERS
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.decoder import Decoded, weights_of
from xlt.decode.tuning import tune

WORDS = 100
REF = " ".join(["a"] * WORDS)


def said(wrong, split=0):
    """``wrong`` words are another letter; ``split`` words are two, of which the one is right."""
    return " ".join(["b"] * wrong + ["a a"] * split + ["a"] * (WORDS - wrong - split))


class Model:
    """Its best path has 20 wrong words."""

    def __init__(self, tokenizer, text=None):
        self.tokenizer = tokenizer
        ids = tokenizer.encode(text or said(20))
        path = [frame for i in ids for frame in (i, 0)]
        self.probs = torch.full((1, len(path), len(tokenizer.tokens)), -10.0)
        self.probs[0, range(len(path)), path] = 0.0

    def log_probs(self, inputs):
        return self.probs, torch.tensor([self.probs.shape[1]])


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """Tunes a decoder that says ``surface(weights, bonus)``."""

    def run(surface, models=1, phones=False, greedy=None, **decode):
        class Made:
            def __init__(self, model, settings, lms):
                self.model, self.point = model, weights_of(settings, len(lms))

            def __call__(self, inputs):
                return [Decoded(self.model.tokenizer.encode(surface(*self.point)), 0.0)]

        monkeypatch.setattr(DECODERS, "get", lambda name: Made)
        tokenizer = tokenizer_of(tmp_path, ["a b"])
        recogniser = types.SimpleNamespace(
            model=Model(tokenizer, greedy), tokenizer=tokenizer, lms=[object()] * models, frame_rate=50.0
        )
        settings = from_json(DecodeConfig, "decode", {"method": "beam", **decode}, "test")
        return tune(recogniser, settings, [[object()]], [REF], phones)

    return run


def bowl(*center, least=5):
    """Fewest errors at ``center``, more by 4 a step away from it."""

    def surface(weights, bonus):
        away = [(x - c) / step for x, c, step in zip((*weights, bonus), center, STEPS, strict=True)]
        return said(round(least + 4 * sum(d * d for d in away)))

    return surface


STEPS = (0.5, 1.0)


def test_the_best_point_is_found_and_what_was_tried_is_told(tuned):
    found = tuned(bowl(1.5, 3.0))
    assert (found["best"]["lm_weight"], found["best"]["length_bonus"]) == ([1.5], 3.0)
    # 5 of 100 words; of 199 characters as many, as a word is a letter
    assert (found["best"]["word"], found["best"]["char"]) == (5.0, pytest.approx(100 * 5 / 199, abs=1e-3))
    assert (found["greedy"]["word"], found["greedy"]["char"]) == (20.0, pytest.approx(10.05, abs=1e-2))
    assert found["best"] in found["tried"] and len(found["tried"]) < 40
    points = [(*row["lm_weight"], row["length_bonus"]) for row in found["tried"]]
    assert len(points) == len(set(points))
    assert found["widened"] == []


def test_half_steps_refine(tuned):
    found = tuned(lambda weights, bonus: said(round(4 + 80 * abs(weights[0] - 1.25) + 8 * abs(bonus - 2.5))))
    assert (found["best"]["lm_weight"], found["best"]["length_bonus"]) == ([1.25], 2.5)


def test_weights_far_from_the_usual_are_found_and_told(tuned):
    found = tuned(lambda weights, bonus: said(round(5 + 4 * abs(weights[0] - 3) + 2 * abs(bonus - 6))))
    assert (found["best"]["lm_weight"], found["best"]["length_bonus"]) == ([3.0], 6.0)
    assert found["widened"] == ["weight 3", "bonus 6"]


def test_weights_end_where_they_make_no_sense_any_more(tuned):
    found = tuned(lambda weights, bonus: said(round(60 - 5 * weights[0] - 4 * bonus)), greedy=said(60))
    assert (found["best"]["lm_weight"], found["best"]["length_bonus"]) == ([4.0], 8.0)
    down = tuned(lambda weights, bonus: said(round(20 + 4 * weights[0] + 4 * bonus)), greedy=said(60))
    assert (down["best"]["lm_weight"], down["best"]["length_bonus"]) == ([0.0], -2.0)


def test_a_ridge_is_followed_along_both(tuned):
    """No step along one axis is better, one along both is."""
    found = tuned(
        lambda weights, bonus: said(
            round(8 + 12 * abs((weights[0] - 1) / 0.5 - (bonus - 2)) - min(3, (weights[0] - 1) / 0.5))
        )
    )
    assert found["best"]["lm_weight"] == [2.5] and found["best"]["length_bonus"] == 5.0


def test_of_points_that_are_alike_the_nearest_to_the_start_is_taken(tuned):
    """From 41 to 40 errors is within 3%: what so little speech cannot tell apart."""
    greedy = said(80)
    found = tuned(lambda weights, bonus: said(40 if weights[0] >= 2.0 else 41), greedy=greedy)
    assert (found["best"]["lm_weight"], found["best"]["length_bonus"]) == ([1.5], 3.0)


def test_nothing_is_chosen_where_greedy_is_better(tuned):
    found = tuned(bowl(1.0, 2.0, least=21))
    assert found["best"] is None
    assert (found["least_bad"]["lm_weight"], found["least_bad"]["word"]) == ([1.0], 21.0)


def test_a_transducer_is_compared_with_itself_alone(tuned):
    found = tuned(bowl(0.5, 1.0), method="transducer")
    assert found["best"]["word"] == 5.0
    assert found["greedy"]["word"] == 13.0  # 5 + 4 (1 + 1), a step away in both; the best path has 20
    found = tuned(lambda weights, bonus: said(30 if weights[0] else 3), method="transducer")
    assert found["best"] is None  # and stage 7 then leaves the language model out


def test_fewer_wrong_letters_do_not_pay_for_more_wrong_words(tuned):
    """Greedy has 20 wrong letters; the search puts 10 spaces and letters in, and has 15 wrong words more."""
    found = tuned(lambda weights, bonus: said(0, split=25), greedy=said(20))
    row = found["least_bad"]
    assert row["char"] > found["greedy"]["char"] and row["word"] > found["greedy"]["word"]
    assert found["best"] is None
    joined = REF.replace(" ", "", 5)  # five spaces are lost: 5 of 199 characters, but 6 words become one
    greedy = said(5)
    found = tuned(lambda weights, bonus: joined, greedy=greedy)
    assert found["least_bad"]["char"] == found["greedy"]["char"]
    assert found["least_bad"]["word"] == 6.0 > found["greedy"]["word"] == 5.0
    assert found["best"] is None


def test_as_good_as_greedy_is_good_enough(tuned):
    assert tuned(lambda weights, bonus: said(20))["best"]["lm_weight"] == [1.5]


def test_what_is_fixed_stays(tuned):
    found = tuned(bowl(1.5, 3.0), lm_weight=0.75)
    assert {tuple(row["lm_weight"]) for row in found["tried"]} == {(0.75,)}
    assert found["best"]["length_bonus"] == 3.0
    found = tuned(bowl(1.5, 3.0), length_bonus=1.25)
    assert {row["length_bonus"] for row in found["tried"]} == {1.25}
    assert found["best"]["lm_weight"] == [1.5]


def test_two_models_have_a_weight_each(tuned):
    def surface(weights, bonus):
        return said(round(3 + 10 * abs(weights[0] - 1.5) + 20 * abs(weights[1] - 0.6) + abs(bonus - 2)))

    found = tuned(surface, models=2)
    assert found["best"]["lm_weight"] == [1.5, 0.6]
    found = tuned(surface, models=2, lm_weight=[1.0, 0.4])
    assert {tuple(row["lm_weight"]) for row in found["tried"]} == {(1.0, 0.4)}


def test_no_errors_at_all_are_no_fault(tuned):
    found = tuned(lambda weights, bonus: REF, greedy=REF)
    assert found["best"]["word"] == 0.0 and found["best"]["lm_weight"] == [1.5]


def test_phones_are_counted_as_phones(tuned):
    found = tuned(bowl(1.0, 2.0), phones=True)
    assert found["best"]["phone"] == 5.0 and "word" not in found["best"]
