"""What stage 10 writes of a bundle's origin, and how it travels."""

import json
import shutil

import pytest

from tests.bundle.many import contents, edit, sign
from tests.errors import raises
from tests.report.documents import document
from xlt.bundle.card import CARD, Card, card_of, inputs
from xlt.bundle.join import join
from xlt.bundle.manifest import check_files, read_manifest
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.formats.tables import write_table


@pytest.fixture
def ctx(tmp_path):
    """A recipe with two clips of two speakers, 90 s together, a language model and a result."""
    (tmp_path / "recipe.yaml").write_text(
        "lang: ron_Latn\nbundle: {licence: cc-by-4.0, consent: signed 2026, contact: ana@example.org}\n"
    )
    made = Context(tmp_path, load(tmp_path))
    train = made.data / "train"
    for folder in (train, made.data / "all", made.exp, tmp_path / "lm"):
        folder.mkdir(parents=True)
    write_table(train / "utt2spk", {"ana-1": "ana", "ion-1": "ion"})
    write_table(train / "utt2dur", {"ana-1": "30.0", "ion-1": "60.0"})
    report(made, corpus="stories", facts={"licence": "CC-BY-4.0"})
    (made.exp / "score.json").write_text(json.dumps(document("main")))
    sources = [
        {"what": "training texts", "lines": 2},
        {"what": "wordfreq's list", "licence": "CC-BY-SA-4.0"},
    ]
    (tmp_path / "lm/lm.json").write_text(json.dumps({"sources": sources}))
    return made


def report(ctx, **found):
    (ctx.data / "all/report.json").write_text(json.dumps(found))


def test_what_is_known_of_a_recipe(ctx, tmp_path):
    card = card_of(ctx, {"ana-1": ["a", "x"], "ion-1": ["b", "y"], "old-1": ["c", "z"]}, tmp_path / "lm")
    assert (card.licence, card.consent, card.contact) == ("cc-by-4.0", "signed 2026", "ana@example.org")
    assert card.speech == [{"set": "train", "utterances": 2, "speakers": 2, "minutes": 1.5}]
    assert card.corpora == [{"name": "stories", "licence": "CC-BY-4.0"}]
    assert card.lm == [{"name": "wordfreq's list", "licence": "CC-BY-SA-4.0"}]
    metrics = {"cer": {"value": 9.0, "ci95": [8.0, 10.0]}, "wer": {"value": 27.0, "ci95": [26.0, 28.0]}}
    assert card.scores.keys() == {"dev", "test"}
    assert card.scores["test"] == {"utterances": 2, "metrics": metrics}
    assert card.heard == 3
    card.write(tmp_path)
    assert Card.read(tmp_path) == card
    assert {path.name for path in inputs(ctx)} == {"utt2spk", "report.json", "score.json"}


def test_nothing_is_made_up(tmp_path):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    card = card_of(Context(tmp_path, load(tmp_path)), None, None)
    assert card == Card()
    card.write(tmp_path)
    assert Card.read(tmp_path) == card
    assert Card.read(tmp_path / "elsewhere") is None  # as of bundles without a card


@pytest.mark.parametrize(
    "found, expected",
    [
        ({"corpus": "table", "facts": {"licence": "your own"}}, [("table", None)]),
        (
            {
                "corpus": "a + b",
                "facts": {
                    "cv": {"corpus": "a", "licence": "CC0-1.0"},
                    "me": {"corpus": "b", "licence": "your own"},
                },
            },
            [("a", "CC0-1.0"), ("b", None)],
        ),
        (
            {
                "corpus": "a",
                "languages": {
                    "ron_Latn": {"corpus": "a", "facts": {"licence": "GPL-2"}},
                    "cat_Latn": {"corpus": "a", "facts": {"licence": "GPL-2"}},
                },
            },
            [("a", "GPL-2")],
        ),
    ],
    ids=["one's own", "join", "recipes"],
)
def test_licences_of_corpora(ctx, found, expected):
    report(ctx, **found)
    assert [(one["name"], one["licence"]) for one in card_of(ctx, None, None).corpora] == expected


def test_each_head_keeps_its_card_and_may_have_none(singles, tmp_path):
    Card(licence="cc0-1.0", heard=3).write(singles[0])
    sign(singles[0])
    join(singles[:2], tmp_path / "many")
    assert Card.read(tmp_path / "many/heads/eng_Latn") == Card(licence="cc0-1.0", heard=3)
    assert Card.read(tmp_path / "many/heads/ron_Latn") is None
    check_files(singles[1], read_manifest(singles[1]))


@pytest.mark.parametrize(
    "changes, fact", [({"speech": 3}, "speech"), ({"licence": 1}, "licence"), ({"format": 2}, "newer")]
)
def test_damaged_cards(tmp_path, changes, fact):
    Card().write(tmp_path)
    edit(tmp_path / CARD, **changes)
    with raises(DataError, fact, where=f"{tmp_path / CARD}"):
        Card.read(tmp_path)


def test_a_changed_card_is_a_damaged_bundle(singles):
    Card().write(singles[0])
    sign(singles[0])
    before = contents(singles[0])
    copy = shutil.copytree(singles[0], singles[0].with_name("copy"))
    edit(copy / CARD, licence="cc0-1.0")
    with raises(DataError, where=str(copy / CARD)):
        check_files(copy, read_manifest(copy))
    assert contents(singles[0]) == before
