"""One colour, one meaning: kinds of models have the same colour in all charts."""

from tests.report.documents import document
from xlt.report.benchmark import chart, read_all
from xlt.report.colours import colours, looks
from xlt.report.learning import learning

WHISPER = {"train.family": "whisper_ed", "data.train_minutes": 10.0}


def egs(results):
    """The kind whisper_ed is the main one: both recipes' best on dev; whisper_base has most experiments."""
    five = document("five", **{"data.train_minutes": 5.0})
    five["training"]["speech_min"] = 4.9
    root = results(
        document("ed", dev=1.0, **WHISPER),
        document("ten", cer=12.0),
        five,
        document("all", **{"data.train_minutes": None}),
        document("fbank", **{"features.upstream": "fbank"}),
        document("peer", peer="Whisper, zero-shot"),
    ).parent.parent
    results(document("ed", dev=1.0, **WHISPER), document("ten"), recipe="cat")
    return read_all(root)


def test_the_main_model_has_the_strongest_colour_and_published_ones_the_last(results):
    assert colours(egs(results).values()) == {
        "whisper_ed": "main",
        "whisper_base": "second",
        "fbank": "third",
        None: "anchor",
    }


def test_more_kinds_than_colours_share_the_last():
    assert colours([]) == {None: "anchor"}


def test_series_of_one_colour_differ_in_form_then_in_being_open(results):
    runs = [e.runs[0] for e in egs(results)["ron"] if e.name in ("ten", "five", "all")]
    made = looks(runs * 2, {"whisper_base": "second"})
    assert len(set(made)) == 6 and {look.colour for look in made} == {"second"}


def test_bars_and_curves_agree(results):
    found = egs(results)
    drawn = chart(found)
    # the legend's squares: whisper_base 10 min, whisper_ed, fbank, whisper_base all (open), the published one
    for colour, name in (
        ('fill="#c26a00"/>', "whisper_base, 10 min"),
        ('fill="#0a4da2"/>', "whisper_ed, 10 min"),
        ('fill="#12808f"/>', "fbank, 10 min"),
        ('fill="white" stroke="#c26a00" stroke-width="1.5"/>', "whisper_base, all"),
        ('fill="#767676"/>', "Whisper, zero-shot"),
    ):
        line = next(at for at, text in enumerate(drawn.splitlines()) if f">{name}<" in text)
        assert drawn.splitlines()[line - 1].endswith(colour)
    curves = learning(found, {name: name for name in found})
    assert [look.colour for look in curves.looks] == ["second", "anchor"]
    assert curves.families == ["whisper_base, blstm, char"]
