"""What each decoder alone would have scored, worked out by hand; and the ladder that a run ends with."""

import pytest

from tests.score.test_score import document, score
from xlt.core.stage import write_json
from xlt.formats.results import from_json
from xlt.formats.tables import write_table
from xlt.score.rungs import label, ladder, method, rungs

PARTS = {  # of test, whose references have 9, 12 and 9 characters and 2, 3 and 1 words
    "greedy": ("", "", ""),
    "beam": ("o broasca", "unu doi trei", "Mulțumesc"),
    "attention": ("o broască", "unu doi", "multumesc"),
}


@pytest.fixture
def combined(recipe):
    """Stage 7 has combined two decoders on test, and only one was there for dev."""
    folder = recipe / "exp/main/decode_test"
    for name, texts in PARTS.items():
        write_table(folder / name, dict(zip(("s-1", "s-2", "s-3"), texts, strict=True)))
    costs = {"ctc": 0.05, "beam": 0.01, "attention": 0.2, "scoring": 0.04}
    facts = {"method": "combined", "utterances": 3, "real_time_factor": 0.3, "cpu_s_per_s": costs}
    write_json(folder / "decode.json", facts)
    return recipe


def test_what_each_part_would_have_scored_alone(combined):
    assert score(combined) == 0
    found = document(combined)
    assert set(found["parts"]) == {"test"} and set(found["parts"]["test"]) == {"beam", "attention"}
    beam, attention = (found["parts"]["test"][part] for part in ("beam", "attention"))
    # the final texts: 5 of 30 characters and 2 of 6 words are wrong; beam: 1 and 1; attention: 6 and 2
    values = [beam["cer"][side]["value"] for side in ("before", "after", "difference")]
    assert values == [3.333, 16.667, 13.333] and beam["cer"]["relative"] == 400.0
    assert beam["wer"]["before"]["value"] == 16.667 and beam["wer"]["relative"] == 100.0
    values = [attention["cer"][side]["value"] for side in ("before", "after", "difference")]
    assert values == [20.0, 16.667, -3.333] and attention["cer"]["relative"] == -16.67
    assert attention["wer"]["difference"]["value"] == 0.0
    low, high = attention["cer"]["difference"]["ci95"]
    assert low <= -3.333 <= high
    assert found["greedy"]["test"]["cer"]["before"]["value"] == 100.0
    assert from_json(found, "score.json")[0]["parts"] == found["parts"]


def test_costs_and_method_stand_beside_the_scores(combined):
    score(combined)
    found = document(combined)["decoding"]
    assert found == {
        "test": {
            "method": "combined",
            "real_time_factor": 0.3,
            "cpu_s_per_s": {"ctc": 0.05, "beam": 0.01, "attention": 0.2, "scoring": 0.04},
        }
    }


def test_the_chosen_weights_are_kept(combined):
    weights = {"ctc": 0.4, "lm": [0.6], "attention": 0.5, "words": 0.0, "chars": 0.5}
    chosen = {"rule": "mbr", "scale": 1.0, "weights": weights}
    facts = {"method": "combined", "lm_weight": [1.0], "length_bonus": 0.5, "utterances": 2}
    (combined / "exp/main/fusion").mkdir()
    write_json(combined / "exp/main/fusion/fusion.json", {"format": 1, **facts, "combination": chosen})
    score(combined)
    assert document(combined)["combination"] == chosen


def test_a_changed_part_is_scored_again(combined, capsys):
    score(combined)
    assert score(combined) == 0 and "up to date" in capsys.readouterr().out
    write_table(combined / "exp/main/decode_test/attention", {"s-1": "", "s-2": "", "s-3": ""})
    score(combined)
    assert document(combined)["parts"]["test"]["attention"]["cer"]["before"]["value"] == 100.0


def test_a_part_without_an_utterance_is_named(combined, capsys):
    write_table(combined / "exp/main/decode_test/attention", {"s-1": "", "s-2": ""})
    assert score(combined) == 2
    assert "decode_test/attention: no hypothesis for s-3 of 3" in capsys.readouterr().err


def test_stage_8_says_what_each_decoder_alone_has(combined, capsys):
    score(combined)
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.startswith("  test: 16.7% of characters wrong"))
    assert line.endswith(
        "3 utterances; greedy CTC 100.0%, CTC beam search 3.3%, attention decoder alone 20.0%"
    )


def scores(value, others=(), **more):
    """Of test, whose WER is thrice its CER, with ``(part, CER)`` of other decoders."""

    def rate(value):
        return {"value": value, "ci95": [value - 1, value + 1]}

    def changes(before):
        return {
            key: {"before": rate(times * before), "after": rate(times * value), "relative": None}
            for key, times in (("cer", 1), ("wer", 3))
        }

    parts = {part: changes(before) for part, before in others}
    return {
        "sets": {"test": {"cer": rate(value), "wer": rate(3 * value), "chrf": rate(50.0)}},
        "config": {"train.family": "whisper_ed", "decode.method": "auto"},
        **({"greedy": {"test": parts.pop("greedy")}} if "greedy" in parts else {}),
        **({"parts": {"test": parts}} if parts else {}),
        **more,
    }


LM = {"fusion": {"method": "beam"}}


def test_the_ladder_of_combined_decoders():
    others = [("greedy", 10.0), ("beam", 6.75), ("attention", 6.4)]
    found = scores(4.9, others, lm=LM, decoding={"test": {"method": "combined"}})
    assert ladder(found, "test") == [
        "wrong on test              characters   words",
        "  greedy CTC                    10.0%   30.0%",
        "  with the language model        6.8%   20.2%",
        "  Whisper alone                  6.4%   19.2%",
        "  combined                       4.9%   14.7%",
    ]


def test_the_rung_of_a_partner():
    others = [("beam", 6.75), ("partner", 7.0), ("attention", 6.4)]
    config = {"train.family": "whisper_ed", "decode.partner": "fast"}
    found = scores(4.9, others, config=config, lm=LM, decoding={"test": {"method": "combined"}})
    assert ladder(found, "test")[1:] == [
        "  with the language model              6.8%   20.2%",
        "  fast, with the language model        7.0%   21.0%",
        "  Whisper alone                        6.4%   19.2%",
        "  combined                             4.9%   14.7%",
    ]


def test_only_the_rungs_that_exist():
    assert ladder(scores(6.8, [("greedy", 10.0)], lm=LM), "test") == [
        "wrong on test              characters   words",
        "  greedy CTC                    10.0%   30.0%",
        "  with the language model        6.8%   20.4%",
    ]
    config = {"train.family": "whisper_ed", "decode.method": "attention", "train.zero_shot": True}
    assert ladder(scores(12.0, config=config), "test") == [
        "wrong on test         characters   words",
        "  Whisper, zero-shot       12.0%   36.0%",
    ]


def test_one_figure_is_no_ladder():
    phones = {"sets": {"test": {"per": {"value": 30.0, "ci95": [29, 31]}}}, "config": {}}
    assert ladder(phones, "test") == [] and len(rungs(phones, "test")) == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "greedy"),  # auto without a language model
        ({"lm": LM}, "beam"),  # results from before the method stood in them
        ({"lm": {"fusion": {"method": "greedy"}}}, "greedy"),
        ({"config": {"decode.method": "joint"}}, "joint"),
        ({"lm": LM, "decoding": {"test": {"method": "attention"}}}, "attention"),
    ],
)
def test_what_wrote_the_final_texts(more, expected):
    assert method(scores(9.0, **more), "test") == expected


@pytest.mark.parametrize(
    ("fusion", "words"),
    [
        ({}, "transducer"),
        ({"lm": {"fusion": {"lm_weight": [0.0]}}}, "transducer"),
        ({"lm": {"fusion": {"lm_weight": [0.3]}}}, "transducer and language model"),
    ],
)
def test_a_transducer_alone_is_told_from_one_with_a_language_model(fusion, words):
    assert label({"config": {}, **fusion}, "transducer") == words
