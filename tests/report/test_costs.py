"""What ways of training cost, and what to choose: sentences that follow from the figures alone."""

import statistics

import pytest

from tests.report.documents import document
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.formats.costs import write_costs
from xlt.report import benchmark
from xlt.report.costs import SHORT_H, Way, advice, best, costs, ratio
from xlt.report.transfer import sections

LANGS = ("ron", "cat", "bel")


def way(name, *rates, minutes=10.0, pretrained=True, trained=True, **known):
    return Way(name, minutes, dict(zip(LANGS, rates, strict=False)), pretrained, trained, known)


def test_ways_are_compared_on_the_languages_that_both_have():
    one, other = way("a", 5.0, 20.0), way("b", 10.0, 10.0, 1.0)
    # 0.5 times as many errors in one language, 2 times in the other; the third is not shared
    assert ratio(one, other) == pytest.approx(1)
    assert ratio(way("a", 5.0, 5.0), other) == pytest.approx(0.5)
    assert ratio(way("a", 5.0), other) is None
    no_errors = way("c", 0.0, 5.0)  # no quotient of 0: one shared language is left
    assert ratio(no_errors, other) is None


def test_the_best_is_beaten_by_none_that_it_can_be_compared_with():
    a, b, c = way("a", 5.0, 5.0, 5.0), way("b", 6.0, 6.0, 6.0), way("c", 7.0, 7.0, 7.0)
    lone = way("lone", 1.0)
    assert best([c, a, b, lone]) is a
    assert best([lone]) is None and best([lone, way("other", 2.0)]) is None and best([]) is None


def table_of(**changes):
    """Figures of four ways: tuned is best, frozen cheap, scratch needs nothing, published no training."""
    tuned = way("tuned", 4.0, 10.0, 8.0, cpu_h=0.4, bundle_mb=150.0, cpu_s_per_s=0.2)
    frozen = way("frozen", 8.0, 20.0, 16.0, cpu_h=0.05, bundle_mb=90.0, cpu_s_per_s=0.06)
    scratch = way("scratch", 16.0, 40.0, 32.0, pretrained=False, cpu_h=0.04, bundle_mb=8.0, cpu_s_per_s=0.01)
    published = way("published", 12.0, 30.0, 24.0, minutes=None, trained=False)
    return [changes.get(found.name, found) for found in (tuned, frozen, scratch, published)]


def test_the_words_follow_from_the_table():
    lines = advice(table_of()).splitlines()
    assert lines == [
        "- 10 minutes of speech: **tuned**, 50% fewer errors than frozen (mean of 3 languages).",
        "- 10 minutes of speech, no pretrained encoder to be had: **scratch**, 300% more errors than tuned"
        " (mean of 3 languages).",
        f"- 10 minutes of speech, at most {SHORT_H:g} CPU-hours of training: **frozen**, 100% more errors"
        " than tuned (mean of 3 languages).",
        "- No transcribed speech: **published** as it is, 200% more errors than tuned after 10 minutes"
        " (mean of 3 languages).",
    ]


def test_other_figures_give_other_words():
    """A sentence that the table contradicts does not stay."""
    better = way("scratch", 2.0, 5.0, 4.0, pretrained=False, cpu_h=0.04)
    said = advice(table_of(scratch=better))
    assert said.startswith("- 10 minutes of speech: **scratch**, 50% fewer errors than tuned")
    assert "no pretrained encoder" not in said and "CPU-hours" not in said  # the best of all fits already
    unmeasured = way("frozen", 8.0, 20.0, 16.0)
    lines = advice(table_of(frozen=unmeasured)).splitlines()
    assert not any("**frozen**" in line for line in lines)  # nobody knows how long it trains


@pytest.mark.parametrize("ways", [[], [way("a", 5.0, 5.0)], [way("a", 5.0), way("b", 6.0, 7.0)]])
def test_nothing_is_said_of_what_was_not_measured(ways):
    assert advice(ways) == ""


def test_columns_without_figures_are_left_out():
    rows = {("a",): way("a", 4.0, 6.0, parameters=1234567, bundle_mb=12.4), ("b",): way("b", 8.0)}
    assert costs(("network",), rows).splitlines() == [
        "| network | CER, %, ron | parameters trained | bundle, MB |",
        "| --- | --- | --- | --- |",
        "| a | 4.0 | 1,234,567 | 12 |",
        "| b | 8.0 | – | – |",
    ]
    assert costs(("network",), {("b",): way("b", 8.0)}) == ""


def test_error_rates_of_costs_are_of_the_languages_that_all_rows_have():
    """b is better in both that it has; its mean of 9 would look worse than a's 8 of three."""
    rows = {("a",): way("a", 8.0, 14.0, 2.0, cpu_h=0.1), ("b",): way("b", 6.0, 12.0)}
    head, _, *lines = costs(("way",), rows).splitlines()
    assert head == "| way | CER, %, mean of cat, ron | CPU-hours of training |"
    assert lines == ["| a | 11.0 | 0.10 |", "| b | 9.0 | – |"]
    alone = {("a",): way("a", 8.0, cpu_h=0.1), ("c",): Way("c", 10.0, {"ell": 5.0}, True, True)}
    assert costs(("way",), alone).splitlines()[0] == "| way | CPU-hours of training |"


PLAN = """
name: f
title: All
runs:
  - for: {network: [small, large, never_run], language: [ron, cat]}
    recipe: "{language}"
    tag: "{network}_s0"
    column: "{language}"
costs:
  - {title: Costs, rows: [network]}
"""


@pytest.fixture
def egs(results):
    def scored(tag, cer, lang, **training):
        found = document(tag, cer=cer, lang=lang, **{"features.upstream": "fbank"})
        found["training"] |= training
        return found

    for lang in (("ron_Latn", "Romanian"), ("cat_Latn", "Catalan")):
        small = scored("small_s0", 10.0, lang, cpu_s=720.0, parameters=1000)
        large = scored("large_s0", 5.0, lang, epoch_s=90.0, epochs=10, parameters=9000)
        folder = results(small, large, recipe=lang[0][:3])
    return folder.parent.parent


def test_the_section_of_an_experiment_file(egs, monkeypatch):
    (egs / "common/experiments").mkdir(parents=True)
    (egs / "common/experiments/f.yaml").write_text(PLAN)
    measured = {
        "bundle_mb": 7.6,
        "cpu_s_per_s": 0.0123,
        "clips": 20,
        "speech_s": 40.0,
        "processor": "Made Up 1",
    }
    write_costs(egs / "ron/results/costs/small_s0.json", measured)
    text = sections(egs)
    assert "| small | 10.0 | 1,000 | 0.20 | 8 | 0.012 |" in text
    assert "| large | 5.0 | 9,000 | 0.25 | – | – |" in text
    assert "never_run |" not in text
    assert "- 10 minutes of speech: **large**, 50% fewer errors than small (mean of 2 languages)." in text
    assert "a bundle of at most 50 MB: **small**, 100% more errors than large" in text
    (egs / "ron/results/costs/small_s0.json").write_text('{"format": 1, "bundle_mb": "7"}')
    assert main(["report", str(egs)]) == 2


def test_ways_are_columns_and_minutes_are_apart(results):
    for lang in (("ron_Latn", "Romanian"), ("cat_Latn", "Catalan")):
        for minutes, rates in ((5, (30.0, 40.0)), (60, (20.0, 10.0))):
            for column, cer in zip(("frozen", "tuned"), rates, strict=True):
                settings = {"features.upstream": "fbank", "data.train_minutes": float(minutes)}
                made = document(f"h{minutes}_{column}", cer=cer, lang=lang, **settings)
                folder = results(made, recipe=lang[0][:3])
    egs = folder.parent.parent
    (egs / "common/experiments").mkdir(parents=True)
    runs = [
        f'  - {{for: {{language: [ron, cat], minutes: [5, 60]}}, recipe: "{{language}}",'
        f' tag: "h{{minutes}}_{column}", column: {column}}}'
        for column in ("frozen", "tuned")
    ]
    plan = ["name: h", "title: Hours", "runs:", *runs, "costs: [{title: Costs, rows: [minutes, column]}]"]
    (egs / "common/experiments/h.yaml").write_text("\n".join(plan) + "\n")
    text = sections(egs)
    assert "- 5 minutes of speech: **frozen**, 25% fewer errors than tuned (mean of 2 languages)." in text
    assert "- 60 minutes of speech: **tuned**, 50% fewer errors than frozen (mean of 2 languages)." in text
    assert "| 60 | tuned | 10.0 | 1,234 |" in text


def test_half_the_errors():
    """docs/families.md: with minutes of speech a pretrained encoder makes about half the errors of networks
    without one. So the published results say.
    """
    text = (ROOT / "docs/families.md").read_text(encoding="utf-8")
    assert "a pretrained encoder makes about half their errors" in " ".join(text.split())
    egs = ROOT / "egs"
    recipes = benchmark.one_language(benchmark.read_all(egs, benchmark.published(egs)))
    quotients = []
    for found in recipes.values():
        with_it, without = (
            benchmark.best_in(found, f"{features}, 10 min") for features in ("whisper_base", "fbank")
        )
        if with_it and without:
            quotients.append(with_it.median("test", "cer") / without.median("test", "cer"))
    assert len(quotients) > 4 and 0.35 < statistics.geometric_mean(quotients) < 0.65
