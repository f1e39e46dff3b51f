"""A language model that is made to fit a domain."""

import dataclasses
import json
import math

import pytest

from tests.errors import raises
from xlt.bundle.adapt import with_lm
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.combination import LM_MORE
from xlt.lm import FACTS, FORMAT
from xlt.lm.adapt import LEAST_OLD, adapt
from xlt.lm.build import ORDERS, rows
from xlt.lm.estimate import estimate
from xlt.lm.kind import read_mixture
from xlt.lm.mixture import Mixture, Part
from xlt.lm.ngram import NGram

GENERAL = ["o casă mare", "un măr roșu", "o masă verde", "un cal alb"]
DIGITS = "unu doi trei patru cinci șase șapte opt".split()
DOMAIN = [f"{what} {digit}" for what in ("apăsați tasta", "linia", "camera") for digit in DIGITS]


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    parts = [
        Part("texts", estimate(GENERAL, 4)),
        Part("words", estimate(["casă", "măr", "roșu"], 4), restart=True),
    ]
    made = Mixture(parts, [0.75, 0.25], sorted(set("".join(GENERAL))))
    for part in parts:
        part.model.save(folder / f"{part.name}.npz")
    facts = {
        "unit": "char",
        "symbols": made.symbols,
        "end_share": 0.3,
        "parts": rows(made),
        "sources": [{"what": "training texts", "lines": 4}],
        "frequencies": {"a": -1.0},
    }
    (folder / FACTS).write_text(json.dumps(FORMAT.stamped(facts)))
    return folder


@pytest.fixture
def adapted(old, tmp_path):
    def make(lines, old=old, lang="ron_Latn", name="new"):
        out = tmp_path / name
        out.mkdir()
        return adapt(old, lines, [], set("".join(GENERAL)), lang, out), out

    return make


def weights(folder):
    return {row["name"]: row["weight"] for row in FORMAT.read(folder / FACTS, "")["parts"]}


def test_the_old_parts_keep_their_proportion_and_a_fifth(adapted):
    found, out = adapted(DOMAIN)
    made = weights(out)
    assert list(made) == ["texts", "words", "domain1", "domain1_words"]
    assert sum(made.values()) == pytest.approx(1, abs=1e-5)
    # the general texts say nothing of telephones, so that only the floor is left to them
    assert made["texts"] == pytest.approx(0.75 * LEAST_OLD, abs=1e-5)
    assert made["words"] == pytest.approx(0.25 * LEAST_OLD, abs=1e-5)
    assert found.after < found.before


def test_what_is_held_out_is_read_in_the_end(adapted):
    lines = [*DOMAIN[:9], "zgomot", *DOMAIN[10:]]
    found, out = adapted(lines)
    assert found.held_out == 2  # lines 10 and 20 of 24
    model = NGram.load(out / "domain1.npz")
    assert model.counts == estimate(lines, ORDERS["char"]).counts
    assert model.knows("z")


def test_a_second_adaptation_adds_to_the_first(adapted):
    _, once = adapted(DOMAIN)
    _, twice = adapted(["bună dimineața tuturor", *DOMAIN, *GENERAL], old=once, name="twice")
    assert list(weights(twice))[2:] == ["domain1", "domain1_words", "domain2", "domain2_words"]
    facts, mixture = read_mixture(twice)
    assert facts["frequencies"] == {"a": -1.0} and facts["end_share"] == 0.3
    total = math.exp(mixture.end(mixture.start()))
    for symbol in range(len(mixture.symbols)):
        total += math.exp(mixture.step(mixture.start(), symbol)[0])
    assert total == pytest.approx(1, abs=1e-5)


def test_with_few_lines_the_new_parts_get_half(adapted):
    found, out = adapted(DOMAIN[:5])
    assert (found.before, found.after, found.held_out) == (None, None, 0)
    assert weights(out) == {"texts": 0.375, "words": 0.125, "domain1": 0.25, "domain1_words": 0.25}


def test_without_an_old_model_there_is_only_the_domain(adapted):
    found, out = adapted(DOMAIN, old=None)
    assert found.before is None and found.after > 1
    assert list(weights(out)) == ["domain1", "domain1_words"]
    assert sum(weights(out).values()) == pytest.approx(1, abs=1e-5)


def test_a_script_without_spaces_has_no_words_of_their_own(adapted):
    _, out = adapted(
        [f"我要喝{thing}水" for thing in "一二三四五六七八九十百千万上下左右前后里外"],
        old=None,
        lang="cmn_Hans",
    )
    assert list(weights(out)) == ["domain1"]


def test_a_model_of_words_is_refused(old, adapted):
    facts = json.loads((old / FACTS).read_text())
    (old / FACTS).write_text(json.dumps({**facts, "unit": "word"}))
    with raises(ConfigError, "words", "lm.text", where=str(old)):
        adapted(DOMAIN)


def test_names_of_parts_cannot_leave_the_folder(old, adapted):
    facts = json.loads((old / FACTS).read_text())
    facts["parts"][0]["name"] = "../elsewhere"
    (old / FACTS).write_text(json.dumps(facts))
    with pytest.raises(Exception, match="damaged"):
        adapted(DOMAIN)


def test_a_bundle_without_a_language_model_decodes_with_the_new_one():
    decode = from_json(DecodeConfig, "decode", {"method": "greedy"}, "bundle.json")
    found = with_lm(decode, ("ctc",))
    assert (found.method, found.lm_weight, found.length_bonus) == ("beam", 1.5, 3.0)
    given = {"rule": "mbr", "weights": {"ctc": 0.4, "lm": [], "attention": 0.5}}
    combined = dataclasses.replace(decode, method="attention", combination=given)
    found = with_lm(combined, ("ctc", "attention"))
    assert (found.method, found.combination["rule"], found.lm_weight) == ("combined", "mbr", 1.5)
    weights = found.combination["weights"]
    assert weights.pop("lm") == pytest.approx([0.4 * 1.5 * LM_MORE])
    assert weights == pytest.approx({"ctc": 0.4, "attention": 0.5, "chars": 0.4 * 3.0 * LM_MORE})
    with raises(ConfigError, "CTC", where="BUNDLE"):
        with_lm(decode, ("attention",))
    found = with_lm(decode, ("ctc", "transducer"))
    assert (found.method, found.lm_weight, found.length_bonus) == ("transducer", 0.3, 0.5)
