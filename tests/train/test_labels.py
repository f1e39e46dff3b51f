"""Which texts of a teacher are learned, and the confidence that decides it."""

import json

import pytest

from tests.errors import raises
from xlt.bundle.label import label_of
from xlt.core.config import ROOT, load
from xlt.core.errors import ConfigError, DataError
from xlt.features.speech import Speech
from xlt.formats.model_folder import Trained, teacher
from xlt.formats.tables import read_table, write_table
from xlt.metrics.align import Counts
from xlt.models.labels import Labels, threshold


def counts(*errors):
    """Edits of texts of ten characters."""
    return [Counts(10, n, 0, 0) for n in errors]


def test_the_threshold_is_the_lowest_confidence_that_leaves_few_errors():
    """In order of confidence 0, 1, 2, 7 of 10 characters are wrong: 0%, 5%, 10%, 25%."""
    sure, wrong = [0.5, 0.9, 0.2, 0.7], counts(2, 0, 7, 1)
    assert threshold(sure, wrong, 0.10) == (0.5, 3, 0.1, 0.25)
    assert threshold(sure, wrong, 0.09) == (0.7, 2, 0.05, 0.25)
    assert threshold(sure, wrong, 0.0) == (0.9, 1, 0.0, 0.25)
    assert threshold(sure, wrong, 1.0) == (0.2, 4, 0.25, 0.25)


def test_texts_that_are_equally_sure_go_together():
    assert threshold([0.9, 0.5, 0.5], counts(0, 0, 9), 0.1) == (0.9, 1, 0.0, 0.3)
    assert threshold([0.5, 0.5], counts(0, 9), 0.1) is None


def test_few_errors_behind_many_lower_the_threshold_again():
    """30%, then 15%, then 10%: the first is no reason to stop."""
    assert threshold([0.9, 0.8, 0.7], counts(3, 0, 0), 0.1) == (0.7, 3, 0.1, 0.1)


def test_no_threshold_where_all_is_wrong():
    assert threshold([0.9, 0.1], counts(9, 10), 0.5) is None
    assert threshold([], [], 1.0) is None


def piece(text, *confidences, score=-1.0):
    words = [
        {"text": word, "start_s": 0.0, "end_s": 0.0, "confidence": sure}
        for word, sure in zip(text.split(), confidences, strict=False)
    ]
    return {"start_s": 0.0, "end_s": 1.0, "text": text, "score": score, "words": words}


def test_a_long_word_counts_more():
    found = label_of([piece("ab", 0.5), piece("cdefgh ij", 1.0, 0.5)])
    assert found == ("ab cdefgh ij", pytest.approx((2 * 0.5 + 6 * 1.0 + 2 * 0.5) / 10))


def test_without_confidences_of_words_the_mean_probability_of_a_letter_counts():
    """exp(-2 / 4)."""
    assert label_of([piece("abcd", None, score=-2.0)]) == ("abcd", pytest.approx(0.60653, abs=1e-5))
    assert label_of([piece("abcd", score=-2.0)]).confidence == pytest.approx(0.60653, abs=1e-5)
    assert label_of([piece("", score=-2.0)]) == ("", 0.0)


def test_a_text_in_which_the_decoder_repeated_itself_is_never_sure():
    assert label_of([piece("da", 1.0), piece("da da da", 1.0, 1.0, 1.0) | {"looped": True}]) == (
        "da da da da",
        0.0,
    )


@pytest.fixture
def taught(tmp_path):
    """A function of the recipe's settings that looks for the teacher exp/old, of Romanian characters."""
    recipe = tmp_path / "ron"
    bundle = recipe / "exp/old/bundle"
    bundle.mkdir(parents=True)
    (recipe / "recipe.yaml").write_text("lang: ron_Latn\n")
    for name in ("model.pth", "config.yaml", "tokens.txt", "feats_stats.npz", "bundle.json"):
        (bundle / name).write_text("")
    info = json.loads((ROOT / "tests/fixtures/bundle_v1/xlt.json").read_text())
    info |= {"family": "espnet", "lang": "ron_Latn", "format": 2}

    def find(*settings, **facts):
        (bundle / "xlt.json").write_text(json.dumps(info | facts))
        words = ["train.teacher=exp/old", "train.unlabelled=more", *settings]
        return teacher(load(recipe, words))

    find.bundle = bundle
    return find


def test_a_teacher_is_an_experiment_with_its_bundle_or_the_bundle(taught):
    for name in ("exp/old", "exp/old/bundle"):
        found = taught(f"train.teacher={name}")
        assert (found.folder.name, found.experiment.name) == ("bundle", "old")
    copied = taught.bundle.parents[2] / "elsewhere"
    taught.bundle.rename(copied)
    taught.bundle.mkdir()
    assert taught("train.teacher=elsewhere").folder.name == "elsewhere"
    assert teacher(load(copied.parent, [])) is None


@pytest.mark.parametrize(
    ("settings", "facts", "said"),
    [
        (["tag=old"], {}, "tag"),
        (["train.zero_shot=true"], {}, "train.zero_shot=true"),
        (["train.unlabelled=null"], {}, "train.unlabelled"),
        ([], {"lang": "cat_Latn"}, "cat_Latn"),
        ([], {"lang": "ron_Cyrl"}, "ron_Cyrl"),
        ([], {"tokens": {"type": "phone", "count": 8}}, "tokens.type=char"),
        (["tokens.type=phone"], {}, "tokens.type=char"),
    ],
)
def test_a_teacher_that_cannot_write_these_texts(taught, settings, facts, said):
    with raises(ConfigError, said, where="train.teacher=exp/old"):
        taught(*settings, **facts)


@pytest.mark.parametrize("setting", ["train.unlabelled=more", "train.posterior_weight=0.5"])
def test_what_a_teacher_is_for_needs_one(taught, setting):
    with raises(ConfigError, "train.teacher", where=setting):
        teacher(load(taught.bundle.parents[2], [setting]))


def test_a_teacher_without_a_bundle_or_that_is_not_there(taught):
    with raises(DataError, where="train.teacher"):
        taught("train.teacher=exp/older")
    for path in taught.bundle.iterdir():
        path.rename(taught.bundle.parent / path.name)
    taught.bundle.rmdir()
    taught.bundle.parent.joinpath("bundle.json").unlink()
    with raises(DataError, "--stage 10 tag=old", where="train.teacher=exp/old"):
        teacher(load(taught.bundle.parents[2], ["train.teacher=exp/old", "train.unlabelled=more"]))


def test_the_kept_texts_join_the_training_set_and_ids_stay_apart(tmp_path):
    own, more = {}, {}
    for name, utts, folder in (("own", ("a", "b"), own), ("more", ("u-c", "u-d"), more)):
        for table in ("scp", "lengths", "text"):
            folder[table] = tmp_path / f"{name}.{table}"
            write_table(folder[table], {utt: f"{table}-{utt}" for utt in utts})
    speech = [Speech(kind="sound", info=tmp_path / "i", **files) for files in (own, more)]
    labels = Labels(Trained(tmp_path, {}), speech[1], {"u-d": "said"})
    found = labels.joined(speech[0], tmp_path / "out")
    assert read_table(found.text) == {"a": "text-a", "b": "text-b", "u-d": "said"}
    assert read_table(found.scp) == {"a": "scp-a", "b": "scp-b", "u-d": "scp-u-d"}
    assert list(read_table(found.lengths)) == ["a", "b", "u-d"]
    assert found.kind == "sound" and found.info == tmp_path / "i"
    write_table(own["text"], {"a": "x", "u-d": "y"})
    with raises(DataError, "--force", where="own.text"):
        labels.joined(speech[0], tmp_path / "out")
