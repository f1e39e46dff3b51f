"""Tables of the decoders of a model, alone and combined; values and changes are worked out by hand."""

import pytest

from tests.report.documents import document
from xlt.report import benchmark
from xlt.report.markdown import main_of, render
from xlt.report.results import describe, experiments, load

LM = {
    "unit": "char",
    "parts": [{"name": "texts"}, {"name": "words"}],
    "sources": [{"what": "training texts", "lines": 333}],
    "dev": {"perplexity": 5.2, "words": 100, "not_in_texts_or_list": 7},
    "fusion": {"method": "combined", "lm_weight": [1.2, 0.5], "length_bonus": 2.0},
}
STARTED = {"config": {"train.init": "../multi/exp/m", "train.zero_shot": False, "train.mix": {}}}
COSTS = {"ctc": 0.05, "beam": 0.0104, "attention": 0.2, "scoring": 0.0404}
CHOSEN = {
    "rule": "mbr",
    "scale": 1.0,
    "weights": {"ctc": 0.4, "lm": [0.3, 0.1], "attention": 0.5, "words": 0.0, "chars": 0.25},
}


def rate(value):
    return {"value": value, "ci95": [value - 1, value + 1]}


def change(before, after):
    """Of CER, and of WER, which is thrice as high."""
    return {
        key: {
            "before": rate(times * before),
            "after": rate(times * after),
            "difference": rate(times * (after - before)),
            "relative": None,
        }
        for key, times in (("cer", 1), ("wer", 3))
    }


def counts(errors):
    """Of two utterances of ten words or characters."""
    own = {"errors": [errors, errors], "n_ref": [10, 10]}
    return {"test": {"ids": "x", **own, "wer": own}}


def combined(tag, seed=0, cer=5.0, others=(10.0, 7.0, 6.0), errors=None, final="combined", **more):
    """A result of both decoders: ``others``: CER of greedy CTC, the search and the attention decoder."""
    config = {"train.family": "whisper_ed", "decode.method": "auto", "train.init": None}
    found = document(tag, seed, cer, **(config | more.pop("config", {})), **more)
    greedy, beam, attention = others
    found |= {
        "greedy": {"test": change(greedy, cer)},
        "decoding": {"test": {"method": final, "real_time_factor": 0.3, "cpu_s_per_s": COSTS}},
        "whisper": {"tuned": "all", "languages": {found["experiment"]["lang"]: "ro"}},
        "lm": LM,
    }
    if final == "combined":
        found |= {"combination": CHOSEN, "parts": {"test": {"beam": change(beam, cer)}}}
        found["parts"]["test"]["attention"] = change(attention, cer)
    return found if errors is None else found | {"counts": counts(errors)}


def before(tag="words_s0", cer=8.0, greedy=12.0, errors=4, **more):
    """A result of the small network, with its language model."""
    found = document(tag, 0, cer, **{"decode.method": "auto", "train.init": None}, **more)
    lm = LM | {"fusion": LM["fusion"] | {"method": "beam"}}
    return found | {"greedy": {"test": change(greedy, cer)}, "lm": lm, "counts": counts(errors)}


def usual(cer=6.5, errors=2, **more):
    """A Whisper tuned as others do."""
    config = {
        "train.family": "whisper_ed",
        "train.windows_s": [30],
        "train.upstream_lr": 0.00001,
        "train.ctc_weight": 0.0,
        "decode.method": "attention",
    }
    found = document("peer_usual_s0", 0, cer, **config, **more)
    return found | {"counts": counts(errors), "decoding": {"test": {"method": "attention"}}}


def rows(page, start):
    lines = [line for line in page.splitlines() if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def section(page, heading):
    return page.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_each_decoder_has_its_column_and_its_difference(results):
    page = render(load(results(combined("ed_s0"))))
    found = section(page, "Decoders and their combination")
    assert rows(found, "experiment") == [
        [
            "experiment",
            "set",
            "metric",
            "greedy CTC",
            "CTC with the language model",
            "Whisper alone",
            "combined",
        ]
        + ["against greedy CTC", "against CTC with the language model", "against Whisper alone"],
        ["experiment", "rule", "weights", "encoder and CTC", "search", "attention decoder", "scoring"]
        + ["together", "wall time"],
    ]
    cer, wer, made = rows(found, "ed_s0 | test") + rows(found, "ed_s0 | mbr")
    assert cer == ["ed_s0", "test", "CER %", "10.0", "7.0", "6.0", "5.0"] + [
        "−5.0 [−6.0, −4.0]",
        "−2.0 [−3.0, −1.0]",
        "−1.0 [−2.0, +0.0]",
    ]
    assert wer[2:8] == ["WER %", "30.0", "21.0", "18.0", "15.0", "−15.0 [−16.0, −14.0]"]
    assert made == ["ed_s0", "mbr", "ctc 0.4, lm 0.3 0.1, attention 0.5, chars 0.25"] + [
        "0.050",
        "0.010",
        "0.200",
        "0.040",
        "0.301",  # 0.05 + 0.0104 + 0.2 + 0.0404 = 0.3008
        "0.300",
    ]


def test_a_partner_has_its_columns(results):
    found = combined("ed_s0", config={"decode.partner": "fast"})
    found["parts"]["test"]["partner"] = change(8.0, 5.0)
    found["decoding"]["test"]["cpu_s_per_s"] = COSTS | {"partner": 0.03}
    page = section(render(load(results(found, combined("other_s0")))), "Decoders and their combination")
    first, second = rows(page, "experiment | set")[0], rows(page, "experiment | rule")[0]
    assert first[4:8] == [
        "CTC with the language model",
        "fast, with the language model",
        "Whisper alone",
        "combined",
    ]
    assert second[6:9] == ["scoring", "partner without its encoder", "together"]
    assert rows(page, "ed_s0 | test")[0][3:8] == ["10.0", "7.0", "8.0", "6.0", "5.0"]
    assert rows(page, "ed_s0 | mbr")[0][6:9] == ["0.040", "0.030", "0.331"]
    assert rows(page, "other_s0 | test")[0][5] == rows(page, "other_s0 | mbr")[0][7] == "–"


def test_a_model_without_a_second_decoder_has_no_such_section(results):
    folder = results(document("base"), before(), usual())
    assert "Decoders and their combination" not in render(load(folder))


def test_what_a_language_model_brought_is_not_what_a_combination_brought(results):
    found = section(render(load(results(combined("ed_s0"), before()))), "Language models")
    gains, sources = found.split("What they were made of.")
    assert [row[:5] for row in rows(gains, "words_s0")] == [
        ["words_s0", "test", "CER %", "12.0", "8.0"],
        ["words_s0", "test", "WER %", "36.0", "24.0"],
    ]
    assert rows(gains, "ed_s0") == [] and rows(sources, "ed_s0")[0][-1] == "1.2, 0.5; 2"


def test_one_decoder_alone_may_have_been_better(results):
    found = combined("ed_s0", final="attention")
    found["lm"] = LM | {"fusion": {"method": "attention", "lm_weight": None, "length_bonus": None}}
    page = render(load(results(found)))
    assert rows(section(page, "Decoders and their combination"), "ed_s0 | test")[0][2:] == [
        "CER %",
        "10.0",
        "5.0",
        "−5.0 [−6.0, −4.0]",
    ]
    assert "| the attention decoder alone was better on dev |" in page


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "whisper_base, whisper_ed tuned, char, combined + char LM (texts, words)"),
        (
            {"whisper": {"tuned": "lora", "languages": {"ron_Latn": "es"}}},
            "whisper_base, whisper_ed lora adapters with the token of es, char,"
            " combined + char LM (texts, words)",
        ),
        (
            {
                "features": {"on_the_fly": True},
                "whisper": {"tuned": "decoder", "languages": {"ron_Latn": ""}},
            },
            "whisper_base, whisper_ed decoder tuned with a token of its own, char,"
            " combined + char LM (texts, words)",
        ),
    ],
)
def test_families_are_told_apart(results, more, expected):
    (result,) = load(results(combined("ed_s0") | more))
    assert describe(result) == expected


def test_two_models_that_decode_together(results):
    config = {"train.family": "espnet", "decode.partner": "whisper"}
    (result,) = load(results(combined("ed_s0", config=config)))
    assert describe(result).endswith("combined with whisper + char LM (texts, words)")
    assert "| Whisper alone |" in render([result])


@pytest.mark.parametrize(("weights", "shown"), [({}, ""), ({"partner": 0.2}, " with fast")])
def test_a_second_ctc_is_named_where_it_took_part(results, weights, shown):
    found = combined("ed_s0", config={"decode.partner": "fast", "train.ctc_weight": 0.3})
    found["combination"] = CHOSEN | {"weights": CHOSEN["weights"] | weights}
    (result,) = load(results(found))
    assert describe(result).endswith(f", combined{shown} + char LM (texts, words)")


def test_speeds_that_a_family_draws_are_shown(results):
    found = combined("ed_s0", config={"features.speed": [0.9, 1.0, 1.1]}) | {"features": {"on_the_fly": True}}
    (result,) = load(results(found))
    assert describe(result).startswith("whisper_base, speeds 0.9 1.0 1.1, whisper_ed tuned, char,")


@pytest.fixture
def egs(results):
    """Romanian and Catalan: both decoders in two seeds and in one, the small network, others' Whisper."""
    cat = {"lang": ("cat_Latn", "Catalan")}
    zero = document("whisper_zero", cer=12.0, **{"train.family": "whisper_ed", "train.zero_shot": True})
    zero |= {"counts": counts(5), "decoding": {"test": {"method": "attention"}}}
    zero["whisper"] = {"tuned": "nothing", "languages": {"ron_Latn": "ro"}}
    folder = results(
        combined("ed_s0", 0, 5.0, errors=1),
        combined("ed_s1", 1, 4.0, (10.0, 8.0, 7.0), errors=1),
        combined(
            "lora_s0", 0, 3.0, dev=1.0, config={"train.adapter": "lora"}
        ),  # only here: no row of its own
        before(),
        usual(),
        zero,
        document("old_zero", cer=13.0, peer="Whisper, by another program"),
    )
    results(combined("ed_s0", 0, 20.0, (40.0, 30.0, 16.0), errors=4, **cat), recipe="cat")
    results(before(cer=40.0, greedy=50.0, errors=8, **cat), recipe="cat")
    return folder.parent.parent


def test_all_languages_side_by_side(egs):
    page = benchmark.files(egs)[egs / "README.md"]
    found = section(page, "Two decoders, one answer")
    assert "### 10 minutes of training speech" in found
    head, wer_head = rows(found, "CER, %") + rows(found, "WER, %")
    assert (
        head[3:]
        == wer_head[3:]
        == [
            "before: greedy CTC",
            "before: CTC with the language model",
            "others: Whisper, zero-shot",
            "others: Whisper tuned",
            "greedy CTC",
            "CTC with the language model",
            "Whisper alone",
            "combined",
        ]
    )
    romanian, catalan, mean = (rows(found, start) for start in ("Romanian", "Catalan", "mean of 2"))
    assert romanian[0] == [
        "Romanian",
        "9.9 min",
        "2",
        "12.0",
        "8.0",
        "12.0",
        "6.5",
        "10.0",
        "7.5",
        "6.5",
        "4.5",
    ]
    assert catalan[0] == ["Catalan", "9.9 min", "1", "50.0", "40.0", "–", "–", "40.0", "30.0", "16.0", "20.0"]
    assert mean[0][3:] == ["31.0", "24.0", "–", "–", "25.0", "18.8", "11.2", "12.2"]
    assert romanian[1][3:5] == ["36.0", "24.0"]  # words
    assert "The tuned models are the experiment ed of each recipe." in found
    assert "peer_usual, windows of 30 s, learning rate 1e-05, no CTC, no language model" in found


def test_changes_are_paired_where_the_errors_of_utterances_are_known(egs):
    page = benchmark.files(egs)[egs / "README.md"]
    found = section(page, "Two decoders, one answer")
    # errors of 4 and 1 an utterance in Romanian, of 8 and 4 in Catalan: −75% and −50%, in every resample
    assert rows(found, "before: CTC with") == [
        ["before: CTC with the language model", "2", "−62% [−62, −62]", "2 of 2", "−62% [−62, −62]", "2 of 2"]
    ]
    # greedy CTC has no counts: 4.5 of 12 and 20 of 50, −62.5% and −60%
    assert rows(found, "before: greedy") == [["before: greedy CTC", "2", "−61%", "2 of 2", "−61%", "2 of 2"]]
    assert rows(found, "others: Whisper, zero")[0][1:3] == ["1", "−80% [−80, −80]"]  # 5 and 1
    # alone, Whisper is better than combined in Catalan: 4.5 of 6.5, 20 of 16
    assert rows(found, "Whisper alone")[0] == ["Whisper alone", "2", "−3%", "1 of 2", "−3%", "1 of 2"]


def test_what_tuning_on_other_languages_first_is_worth(results):
    cat = {"lang": ("cat_Latn", "Catalan")}
    folder = results(combined("ed_s0", cer=5.0, errors=3), combined("x_s0", cer=4.0, errors=2, **STARTED))
    results(combined("ed_s0", cer=8.0, errors=4, **cat), recipe="cat")
    results(combined("x_s0", cer=8.0, errors=5, **cat, **STARTED), recipe="cat")
    results(combined("ed_s0", cer=9.0, lang=("bel_Cyrl", "Belarusian")), recipe="bel")
    egs = folder.parent.parent
    found = benchmark.files(egs)[egs / "README.md"].partition("#### Tuned on other languages first\n")[2]
    assert "the experiment x (from ../multi/exp/m)" in found
    # each of the utterances has 5 errors instead of 4, and 2 instead of 3
    assert rows(found, "Catalan")[0][1:4] == ["8.0", "8.0", "+25% [+25, +25]"]
    assert rows(found, "Romanian")[0][1:4] == ["5.0", "4.0", "−33% [−33, −33]"]
    assert rows(found, "mean change")[0][1:4] == ["", "", "−4% [−4, −4]"]
    assert not rows(found, "Belarusian")


def test_columns_of_the_table_of_languages(egs):
    page = benchmark.files(egs)[egs / "README.md"]
    assert rows(page, "language")[0][3:] == [
        "whisper_base, 10 min",
        "whisper_ed, 10 min",
        "Whisper, by another program",
        "whisper_base, zero-shot",
    ]
    assert rows(page, "[Romanian]")[0][3:] == [
        "8.0 [7.0, 9.0]",
        "3.0 [2.0, 4.0]",  # the best on dev
        "13.0 [12.0, 14.0]",
        "12.0 [11.0, 13.0]",
    ]
    assert "Encoders of" not in page


def test_where_a_single_decoder_was_better_the_page_says_so(results):
    root = results(combined("ed_s0", final="beam")).parent.parent
    found = section(benchmark.files(root)[root / "README.md"], "Two decoders, one answer")
    assert "stands under *combined*: Romanian (seed 0: beam)." in found
    assert rows(found, "Romanian")[0][3:] == ["10.0", "5.0", "5.0"]  # greedy, search, and what is used


def test_what_others_do_is_not_the_recipes_own(results):
    cer = {"cer": 2.0, "dev": 1.0}
    found = experiments(load(results(combined("ed_s0"), usual() | {}, document("x", peer="other", **cer))))
    assert main_of(found, "test").name == "ed_s0"
