"""Paces by hand, and a toy language whose trained model knows what it hears."""

import shutil

import numpy as np
import pytest

from tests.check.faults import faults, rows
from tests.toy import make_toy_recipe
from xlt.check.speech import _suspects, gap, line_through
from xlt.cli import main
from xlt.core.stage import renew
from xlt.decode.align import OTHERS, Fit, like_length
from xlt.formats.tables import read_table, spk2utt, write_table

WORDS = [
    "un urs",
    "un cal alb",
    "o casă de lemn",
    "o casă de lemn și un cal",
    "doi urși mari lângă o casă de lemn",
]


def many(
    recipe, count: int = 60, pause_s: float = 0.4, each_s: float = 0.07, **other: tuple[str, float]
) -> None:
    """Train of ``count`` texts that take a pause and ``each_s`` a character, give or take 10%; ``other``:
    text and seconds.
    """
    rng = np.random.default_rng(0)
    rows = {f"ana-{i:03d}": (WORDS[i % 5], 0.0) for i in range(count)}
    rows = {
        utt: (text, (pause_s + each_s * len(text)) * float(np.exp(0.1 * rng.normal())))
        for utt, (text, _) in rows.items()
    }
    rows |= {f"ana-{name}": row for name, row in other.items()}
    data = recipe.dir / "data/train"
    for table, value in (
        ("text", lambda row: row[0]),
        ("utt2dur", lambda row: f"{row[1]:.4f}"),
        ("utt2spk", lambda row: "ana"),
        ("utt2lang", lambda row: "ron_Latn"),
        ("utt2audio", lambda row: f"{id(row)}"),
        ("wav.scp", lambda row: "data/all/wav/ana-train0.wav"),
    ):
        write_table(data / table, {utt: value(row) for utt, row in rows.items()})
    write_table(data / "spk2utt", spk2utt(dict.fromkeys(rows, "ana")))


def odd(recipe) -> list[dict]:
    recipe()
    return [fault for fault in rows(recipe) if fault["rule"] == "odd_pace"]


def test_a_line_through_medians_is_not_moved_by_outliers():
    points = [(x, 2.0 + 3.0 * x) for x in range(100)]
    points[50] = (50, 1e6)
    points[7] = (7, -1e6)
    intercept, slope = line_through(points)
    assert (intercept, slope) == (pytest.approx(2.0), pytest.approx(3.0))


def test_usual_speech_passes_at_any_pace(recipe):
    for each_s in (0.07, 0.4):  # letters, or the characters of a script in which one is a syllable or a word
        many(recipe, each_s=each_s)
        assert [
            fault for fault in odd(recipe) if fault["where"].startswith("train/")
        ] == []  # dev and test are of the pace 0.1


def test_texts_that_are_not_said_stand_out(recipe):
    long = WORDS[4]  # 35 characters: 0.4 + 35 * 0.07 = 2.8 s
    many(recipe, short=(long, 0.7), slow=(WORDS[0], 9.0), usual=(long, 2.6))
    (fault,) = odd(recipe)
    assert fault["severity"] == "warning" and set(fault["ids"]) == {"ana-short", "ana-slow"}
    assert fault["where"] == "train/text:62"
    expected_s = fault["values"].pop("expected_s")
    worst = {"worst": "ana-slow", "dur_s": 9.0, "chars": 6, "pace": pytest.approx(6 / 9)}
    assert fault["values"] == {"count": 2, **worst}
    assert abs(expected_s - (0.4 + 6 * 0.07)) < 0.15
    page = (recipe.dir / "data/check/report.md").read_text(encoding="utf-8")
    section = page.split("## Speech and its text")[1]
    assert section.index("| ana-slow |") < section.index("| ana-short |") < section.index("| ana-0")


def test_short_clips_may_be_slow(recipe):
    many(
        recipe, pause_s=1.0, each_s=0.05, word=("un", 1.2)
    )  # 1.7 characters a second, where the others have 8
    assert odd(recipe) == []


def test_few_utterances_say_nothing(recipe):
    many(recipe, count=15, slow=(WORDS[0], 9.0))
    assert odd(recipe) == []


def test_no_model_yet_is_a_note(recipe, capsys):
    assert recipe("check.align=true") == 0
    assert faults(recipe, "has_a_model") == [
        ("note", "has_a_model", "exp/main", "check.align has no model yet")
    ]
    assert recipe("check.align=true", "check.align_model=nowhere") == 2
    assert "check.align_model: " in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The toy language with two models: one has heard the first half of train, one all of it."""
    recipe = make_toy_recipe(tmp_path_factory.mktemp("toy"))
    for name in ("train", "dev", "test"):
        data = recipe / "data" / name
        utts = read_table(data / "text")
        write_table(data / "utt2spk", dict.fromkeys(utts, "spk"))
        write_table(data / "spk2utt", spk2utt(dict.fromkeys(utts, "spk")))
        write_table(data / "wav.scp", {utt: f"wav/{utt}.wav" for utt in utts})
        shutil.copy(data / "utt2audio", recipe / "dump/whisper_base" / name / "utt2audio")
    base = [
        "--recipe",
        str(recipe),
        "train.max_epochs=30",
        "train.lr=0.01",
        "train.batch_s=6",
        "train.num_masks=0",
    ]
    assert main(["tokens", *base]) == 0 and main(["train", *base]) == 0
    shutil.copytree(recipe / "exp/main", recipe / "exp/half")
    heard = read_table(recipe / "exp/main/heard")
    write_table(recipe / "exp/half/heard", dict(list(heard.items())[:30]))
    renew(recipe / "exp/half", "heard")
    return recipe


def scores(recipe) -> dict[str, dict[str, str]]:
    head, *rows = [
        line.split("\t")
        for line in (recipe / "data/check/alignment.tsv").read_text(encoding="utf-8").splitlines()
    ]
    return {row[1]: dict(zip(head, row, strict=True)) for row in rows}


@pytest.mark.trains
def test_a_wrong_text_is_the_worst(trained, monkeypatch):
    """The rule "misfits", and what it proposes to leave out."""
    monkeypatch.chdir(trained)
    from xlt.check.datadir import Sets
    from xlt.check.speech import droppable, misfits, section
    from xlt.core.config import load

    texts = read_table(trained / "data/train/text")
    wrong = "spk-train040"
    write_table(trained / "data/train/text", texts | {wrong: "și pere și casa și"})
    write_table(trained / "data/train/utt2row", {wrong: "t.tsv:41"})
    cfg = load(trained, ["check.align=true", "check.align_model=[exp/half, exp/main]", "check.drop=0.05"])
    folders = {name: trained / "data" / name for name in ("train", "dev", "test")}

    def sets():
        return Sets(trained / "data", folders)

    (trained / "data/check").mkdir(exist_ok=True)
    found = sets()
    page = section(found, cfg, trained / "data/check")
    table = scores(trained)
    held_out = {utt for name in ("dev", "test") for utt in read_table(trained / f"data/{name}/text")}
    assert set(table) == set(texts) | held_out
    assert next(iter(table)) == wrong and float(table[wrong]["score"]) > 1
    assert table[wrong]["text"] == "și pere și casa și" and table[wrong]["hypothesis"] != table[wrong]["text"]
    fine = [float(row["others"]) for utt, row in table.items() if utt != wrong]
    assert np.median(fine) == 0 and max(fine) <= 1
    assert (table[wrong]["path"], table[wrong]["row"]) == (f"wav/{wrong}.wav", "t.tsv:41")
    assert [table[f"spk-train0{n}"]["heard"] for n in ("05", "45")] == ["yes", "no"]
    assert (
        table["spk-train005"]["model"].endswith("half")
        and "30 of 60 utterances were in the model's training data" in page
    )
    fault = next(misfits(found, cfg))
    assert fault.severity == "warning" and fault.ids[0] == fault.values["worst"] == wrong
    # five percent of 60 are three; each half of train gives its share, rounded to even: 1.5 of each; what
    # fits stays
    proposed = droppable(found, cfg)
    assert wrong in proposed and all(float(table[utt]["score"]) > 1 for utt in proposed)
    assert (
        sum(utt < "spk-train030" for utt in proposed) <= 2
        and sum(utt >= "spk-train030" for utt in proposed) <= 2
    )
    write_table(trained / "data/train/dropped", dict.fromkeys(("a", "b", "c"), "x"))
    assert droppable(sets(), cfg) == {}  # what is gone already counts
    (trained / "data/train/dropped").unlink()
    write_table(trained / "data/train/text", texts)
    (trained / "data/train/utt2row").unlink()


@pytest.mark.parametrize("wrong", [8, 30, 80])
def test_two_kinds_of_scores_are_told_apart_whatever_their_shares(wrong):
    rng = np.random.default_rng(0)
    fits, others = rng.gamma(2, 0.45, 100 - wrong), rng.normal(7, 1.5, wrong)
    assert (
        fits.max() < gap([*fits, *others]) < np.sort(others)[wrong // 10]
    )  # of the others, a tenth at most is below


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.gamma(2, 0.45, 100),
        lambda rng: rng.lognormal(0, 0.7, 100),
        lambda rng: abs(rng.normal(0, 1, 100)),
        lambda rng: [*rng.gamma(2, 0.45, 98), 50.0, float("inf")],  # two: distance tells them
        lambda rng: [0.1] * 9 + [5.0] * 9,  # few
        lambda rng: [0.0] * 50,
        lambda rng: [],
    ],
)
def test_one_kind_of_scores_is_not_cut_in_two(draw):
    assert gap(list(draw(np.random.default_rng(0)))) is None


def of(scores, others):
    """Unheard utterances."""
    return [
        Fit(f"u{n:02d}", score, 9.0, "text", "heard", 0, False, "exp/half", share)
        for n, (score, share) in enumerate(zip(scores, others, strict=True))
    ]


def test_of_two_kinds_the_worse_one_is_suspect():
    """Whatever other texts do: 8 of 40 clips are far off, and of the rest one is no worse for being hard."""
    found = _suspects(of([0.5] * 31 + [1.6] + [7.0] * 7 + [8.0], [0.0] * 31 + [0.5] + [0.0] * 8))
    assert [one.utt for one in found] == ["u39", *(f"u{n}" for n in range(32, 39))]


def test_of_one_kind_those_are_suspect_whose_clip_other_texts_fit_better():
    """Scores of a model that learned many wrong texts, 1.1 to 2.27: they tell little. One is far from the
    middle.
    """
    found = of([1.1 + 0.03 * n for n in range(39)] + [9.0], [0.0, 0.1, 0.15, 0.9] + [0.05] * 36)
    assert [one.utt for one in _suspects(found)] == ["u39", "u03", "u02"]


def test_texts_of_like_length_stand_about_a_text():
    ranked = sorted({(1,) * n for n in range(50)}, key=lambda one: (len(one), one))
    found = like_length(ranked, (1,) * 30)
    assert sorted(map(len, found)) == [*range(20, 30), *range(31, 41)] and len(found) == OTHERS
    assert sorted(map(len, like_length(ranked, (1,) * 49))) == [*range(29, 49)]
    assert sorted(map(len, like_length(ranked, (1,)))) == [*range(2, 21)]  # without the empty one
    assert like_length([(1, 2)], (1, 2)) == []


def test_a_gap_by_hand():
    """0, 0, 1 and 5, 7: the means are 1/3 and 6, most of the variance lies between them."""
    assert gap([0.0, 0.0, 1.0, 5.0, 7.0] * 4) == 3.0


@pytest.mark.trains
def test_the_score_is_the_loss_against_the_best_path():
    """Two frames, tokens blank, a, b: worked out by hand."""
    import torch

    from xlt.decode.forward import ctc_loss

    probs = torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
    # "a": a-, aa, -a = 0.35 + 0.21 + 0.06; "ab": 0.14; nothing: 0.1; "aa" needs three frames
    assert ctc_loss(probs.log(), [1]) == pytest.approx(-np.log(0.62), abs=1e-4)
    assert ctc_loss(probs.log(), [1, 2]) == pytest.approx(-np.log(0.14), abs=1e-4)
    assert ctc_loss(probs.log(), []) == pytest.approx(-np.log(0.1), abs=1e-4)
    assert ctc_loss(probs.log(), [1, 1]) == float("inf")
