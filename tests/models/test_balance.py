"""Sampling by shares of categories."""

from collections import Counter
from types import SimpleNamespace

import pytest

from tests.errors import told
from tests.lazy import Lazy
from tests.toy import make_toy_recipe
from xlt.audio.augment import Copy
from xlt.cli import main
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.features.copies import write_sources
from xlt.formats.archives import FeatureReader
from xlt.formats.tables import read_table, write_table

balance = Lazy("xlt.models.espnet.balance")
mixing = Lazy("xlt.models.espnet.mixing")
timing = Lazy("xlt.models.espnet.timing")
length_batch_sampler = Lazy("espnet2.samplers.length_batch_sampler")

pytestmark = pytest.mark.trains


@pytest.fixture
def speech():
    """90 utterances of a, 40 of b, 10 of c, ten frames each: 900, 400 and 100 frames."""
    category = {
        f"{name}-{k:02}": name for name, count in (("a", 90), ("b", 40), ("c", 10)) for k in range(count)
    }
    return dict.fromkeys(category, 10), category


def shares(sampler, category, epochs):
    count = Counter(category[utt] for epoch in range(1, epochs + 1) for utt in sampler.drawn(epoch))
    return {name: count[name] / sum(count.values()) for name in sorted(count)}


@pytest.mark.parametrize(
    ("exponent", "expected"),
    [
        (1, {"a": 9 / 14, "b": 4 / 14, "c": 1 / 14}),
        (0.5, {"a": 1 / 2, "b": 1 / 3, "c": 1 / 6}),  # √900 : √400 : √100 = 30 : 20 : 10
        (0, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
    ],
)
def test_shares_follow_the_power_of_the_speech(speech, exponent, expected):
    frames, category = speech
    found = balance.power_shares(frames, category, exponent)
    assert found == pytest.approx(expected)
    sampler = balance.PlanSampler(balance.plan(frames, category, found), frames, 100, 1, seed=3)
    assert shares(sampler, category, 1) == pytest.approx(expected, abs=1 / 140)  # one utterance
    assert shares(sampler, category, 20) == pytest.approx(expected, abs=1 / 2800)


def test_an_epoch_has_as_much_speech_as_there_is_or_as_it_is_told(speech):
    _, category = speech
    frames = {utt: {"a": 10, "b": 20, "c": 40}[name] for utt, name in category.items()}  # 900, 800, 400: 2100
    share = {"a": 0.2, "b": 0.3, "c": 0.5}  # 28 frames an utterance: 75 utterances
    assert balance.plan(frames, category, share).draws == pytest.approx({"a": 15, "b": 22.5, "c": 37.5})
    assert balance.plan(frames, category, share, epoch_frames=280).draws == pytest.approx(
        {
            "a": 2,
            "b": 3,
            "c": 5,
        }
    )


def test_within_a_category_all_utterances_come_equally_often(speech):
    frames, category = speech
    sampler = balance.PlanSampler(
        balance.plan(frames, category, {"a": 0.2, "b": 0.2, "c": 0.6}), frames, 100, 1, seed=0
    )
    count = Counter(utt for epoch in range(1, 46) for utt in sampler.drawn(epoch))
    # of 140 an epoch 28 are of a, 14 times all 90 in 45 epochs; 84 of c, 378 times all ten
    assert {count[utt] for utt, name in category.items() if name == "a"} == {14}
    assert {count[utt] for utt, name in category.items() if name == "c"} == {378}
    assert sampler.drawn(1) != sampler.drawn(2) and sampler.drawn(2) == sampler.drawn(2)
    assert balance.PlanSampler(sampler.plan, frames, 100, 1, seed=1).drawn(1) != sampler.drawn(1)


def test_batches_are_those_of_the_length_sampler(tmp_path):
    """Where each utterance is drawn once, nothing differs but the order of equals."""
    frames = {f"u{k:02}": 7 * k % 40 + 5 for k in range(40)}  # no two alike
    (tmp_path / "shape").write_text("".join(f"{u} {n},1\n" for u, n in frames.items()))
    sampler = balance.PlanSampler(
        balance.plan(frames, dict.fromkeys(frames, "a"), {"a": 1.0}), frames, 100, 1, seed=0
    )
    assert sampler.generate(1) == list(
        length_batch_sampler.LengthBatchSampler(100, [str(tmp_path / "shape")])
    )
    assert len(sampler) == len(sampler.generate(1))


def test_each_process_has_a_part_of_every_batch(speech):
    frames, category = speech
    sampler = balance.PlanSampler(
        balance.plan(frames, category, {"a": 0.2, "b": 0.2, "c": 0.6}), frames, 40, 3, seed=0
    )
    whole, parts = sampler.generate(5), [balance.Shard(sampler, rank, 3).generate(5) for rank in range(3)]
    assert all(len(batch) >= 3 for batch in whole)
    assert [sorted(a + b + c) for a, b, c in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]


def test_a_plan_is_read_as_it_was_written(tmp_path, speech):
    frames, category = speech
    made = balance.plan(frames, category, balance.power_shares(frames, category, 0.3))
    assert balance.Plan.read(tmp_path) is None
    made.write(tmp_path)
    assert balance.Plan.read(tmp_path) == made


@pytest.mark.parametrize(
    "share",
    [
        {"a": 0.5, "b": 0.5},
        {"a": 0.5, "b": 0.4, "c": 0.4},
        {"a": 0.8, "b": 0.4, "c": -0.2},
        {"a": 0.5, "b": 0.2, "c": 0.2, "d": 0.1},
    ],
)
def test_shares_that_do_not_fit(speech, share):
    with pytest.raises(DataError, match="do not fit the categories a, b, c"):
        balance.plan(*speech, share)


def test_an_utterance_without_a_category(speech):
    frames, category = speech
    with pytest.raises(DataError, match="utterance 'x' has no category"):
        balance.power_shares(frames | {"x": 1}, category, 0.5)


@pytest.fixture
def recipe(tmp_path):
    """The toy recipe with 45 utterances of one language, 12 of another and 3 of a third."""
    recipe = make_toy_recipe(tmp_path)
    utts = list(read_table(recipe / "data/train/text"))
    langs = ["fra_Latn"] * 45 + ["ron_Latn"] * 12 + ["spa_Latn"] * 3
    write_table(recipe / "data/train/utt2lang", dict(zip(utts, langs, strict=True)))
    assert main(["tokens", "--recipe", str(recipe)]) == 0
    return recipe


def train(recipe, *words):
    return main(["train", "--recipe", str(recipe), *words])


def test_training_hears_the_languages_in_these_shares(recipe, monkeypatch, capsys):
    heard, read = Counter(), FeatureReader.__getitem__
    monkeypatch.setattr(
        FeatureReader, "__getitem__", lambda self, utt: (heard.update([utt]), read(self, utt))[1]
    )
    pace = timing.Pace(0.0, 0.0, 0, 0.0, 1)
    monkeypatch.setattr("xlt.models.espnet.timing.measure", lambda *args: pace)  # which reads batches, too
    assert train(recipe, "train.balance=0.5", "train.batch_s=8") == 0
    langs = read_table(recipe / "data/train/utt2lang")
    frames = {u: int(n) for u, n in read_table(recipe / "dump/whisper_base/train/utt2num_frames").items()}
    roots = {
        lang: sum(frames[u] for u in langs if langs[u] == lang) ** 0.5 for lang in sorted(set(langs.values()))
    }
    expected = {lang: root / sum(roots.values()) for lang, root in roots.items()}
    count = Counter()
    for utt, lang in langs.items():
        count[lang] += heard[utt] - 1  # the statistics read each once
    observed = {lang: count[lang] / sum(count.values()) for lang in expected}
    assert observed == pytest.approx(expected, abs=0.01)
    assert (
        observed["fra_Latn"]
        < 0.6
        < 0.7
        < sum(frames[u] for u in frames if langs[u] == "fra_Latn") / sum(frames.values())
    )
    total = sum(frames.values())
    assert sum(frames[u] * (heard[u] - 1) for u in frames) == pytest.approx(
        4 * total, rel=0.1
    )  # four epochs of usual length
    assert "train.balance=0.5: " in capsys.readouterr().out
    log = (recipe / "exp/main/train.log").read_text()
    assert "[valid] Batch sampler: LengthBatchSampler" in log and "[train] Batch sampler" not in log


def test_without_balance_it_is_espnets_sampler(recipe):
    assert train(recipe, "train.max_epochs=1") == 0
    assert "[train] Batch sampler: LengthBatchSampler" in (recipe / "exp/main/train.log").read_text()


def test_speed_copies_have_the_language_of_their_utterance(recipe):
    langs = read_table(recipe / "data/train/utt2lang")
    folder = recipe / "shapes"
    folder.mkdir()
    (folder / "speech_shape").write_text(
        "".join(f"{name}{u} 10,1\n" for u in langs for name in ("", "sp0.9-"))
    )
    ctx = Context(recipe, load(recipe, ["train.balance=0"]))
    write_sources(ctx.dump / "train", langs, [Copy(), Copy("speed:0.9")])
    mixing.write_plan(SimpleNamespace(ctx=ctx, cfg=ctx.cfg), None, folder)
    made = balance.Plan.read(folder)
    assert made.draws == pytest.approx(dict.fromkeys(("fra_Latn", "ron_Latn", "spa_Latn"), 40))  # of 120
    assert all(made.category[u] == made.category[f"sp0.9-{u}"] == lang for u, lang in langs.items())


def test_another_tag_is_balanced_and_what_lacks_it_is_a_category(recipe, capsys):
    """30 utterances of one accent, whose name has spaces, 20 of another and 10 without a tag."""
    utts = list(read_table(recipe / "data/train/text"))
    accents = ["Scottish English, 100%"] * 30 + ["ÉI"] * 20
    write_table(recipe / "data/train/utt2accent", dict(zip(utts, accents, strict=False)))
    folder = recipe / "shapes"
    folder.mkdir()
    (folder / "speech_shape").write_text("".join(f"{utt} 10,1\n" for utt in utts))
    ctx = Context(recipe, load(recipe, ["train.balance={accent: 0}"]))
    write_sources(ctx.dump / "train", utts, [Copy()])
    mixing.write_plan(SimpleNamespace(ctx=ctx, cfg=ctx.cfg), None, folder)
    made = balance.Plan.read(folder)
    assert made.draws == pytest.approx(dict.fromkeys(("Scottish English, 100%", "ÉI", "(no tag)"), 20))
    assert [made.category[utts[k]] for k in (0, 29, 30, 50)] == [
        "Scottish English, 100%",
        "Scottish English, 100%",
        "ÉI",
        "(no tag)",
    ]
    assert "Scottish English, 100% 33%" in capsys.readouterr().out


def test_a_tag_that_nothing_has_or_all_have(recipe, capsys):
    assert train(recipe, "train.balance={accent: 0.5}") == 2
    told(capsys.readouterr().err, "data/train", "accent", where="train.balance={'accent': 0.5}")
    utts = read_table(recipe / "data/train/text")
    write_table(recipe / "data/train/utt2accent", dict.fromkeys(utts, "north"))
    assert train(recipe, "train.balance={accent: 0.5}") == 2
    told(capsys.readouterr().err, "one accent", where="train.balance={'accent': 0.5}")


def test_one_language_has_nothing_to_balance(recipe, capsys):
    path = recipe / "data/train/utt2lang"
    write_table(path, dict.fromkeys(read_table(path), "fra_Latn"))
    assert train(recipe, "train.balance=0.5") == 2
    assert "train.balance=0.5: data/train/utt2lang has only one language" in capsys.readouterr().err


def test_without_languages_the_stage_is_named(recipe, capsys):
    (recipe / "data/train/utt2lang").unlink()
    assert train(recipe, "train.balance=0.5") == 2
    told(capsys.readouterr().err, "stage 1 (data)", where="data/train/utt2lang")


def test_balance_is_between_0_and_1(recipe, capsys):
    assert train(recipe, "train.balance=2") == 2
    assert "train.balance: found 2, expected a share between 0 and 1" in capsys.readouterr().err
