import re
import xml.etree.ElementTree as ET

import pytest

from xlt.formats.svg import COLOURS, Axis, Bar, Look, Point, bars, curves, sign, usual

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values():
    root = ET.fromstring(
        bars("CER < 100", ["ours", "theirs"], {"ron": [Bar(0, 10, 8, 12), Bar(1, 20, 0, 40)]})
    )
    drawn = [rect for rect in root.iter(f"{SVG}rect") if rect.get("x") == "60"]
    # the highest end of an interval, 40, is 600 pixels from zero
    assert [rect.get("width") for rect in drawn] == ["150.0", "300.0"]
    assert len({rect.get("fill") for rect in drawn}) == 2
    ends = [
        (line.get("x1"), line.get("x2")) for line in root.iter(f"{SVG}line") if line.get("stroke") == "black"
    ]
    assert ends == [("180.0", "240.0"), ("60.0", "660.0")]
    assert "CER < 100" in [element.text for element in root.iter(f"{SVG}text")]


def test_curves_stand_on_a_logarithmic_axis():
    text = curves(
        "A <b>",
        {0: [Point(1, 40, 30, 50, "a"), Point(10, 20, 10, 30, "b"), Point(100, 0, 0, 10, "c & d")]},
        {1: Point(0, 25, 0, 0, "level")},
        (1, 100, 50),
    )
    root = ET.fromstring(text)
    points = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    (x1, y1), (x2, y2), (x3, y3) = points
    assert (
        abs((x2 - x1) - (x3 - x2)) < 0.2 and abs((y2 - y1) - (y3 - y2)) < 0.2
    )  # equal steps in log minutes, and in CER
    assert y3 == 200.0 and y1 == 64.0  # 170 pixels are 50%
    (level,) = [line for line in root.iter(f"{SVG}line") if line.get("stroke-dasharray")]
    assert float(level.get("y1")) == (y1 + y3) / 2 - 170 * 5 / 50
    assert [t.text for t in root.iter(f"{SVG}title")] == ["level", "a", "b", "c & d"]
    assert root.get("aria-label") == "A <b>"
    assert [t.text for t in root.iter(f"{SVG}text")][-6:] == [
        "5",
        "10",
        "20",
        "50",
        "100",
        "minutes of training speech",
    ]


def test_series_differ_in_form_as_well_as_in_colour():
    drawn = [sign(look) for look in usual(8)]
    assert len({re.sub("#[0-9a-f]{6}", "", one) for one in drawn}) == 8
    assert len({re.search("#[0-9a-f]{6}", one)[0] for one in drawn}) == 6
    assert "stroke-dasharray" in sign(Look("main"), level=True)


def test_one_amount_of_speech_stands_in_the_middle():
    root = ET.fromstring(curves("t", {0: [Point(3, 10, 5, 15, "a")]}, {}, (3, 3, 15)))
    assert next(root.iter(f"{SVG}circle")).get("cx") == "169.0"


@pytest.mark.parametrize("colour", COLOURS.values())
def test_colours_stand_out_against_white(colour):
    """WCAG 2.1, 1.4.11: 3 to 1; relative luminance as defined there."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert 1.05 / (luminance + 0.05) >= 3


def test_what_is_drawn_is_what_is_asked_for():
    looks = [Look("anchor"), Look("main", open=True)]
    root = ET.fromstring(bars("t", ["a", "b"], {"ron": [Bar(0, 1, 1, 1), Bar(1, 2, 2, 2)]}, looks))
    drawn = [rect for rect in root.iter(f"{SVG}rect") if rect.get("x") == "60"]
    assert [(r.get("fill"), r.get("stroke")) for r in drawn] == [
        (COLOURS["anchor"], None),
        ("white", COLOURS["main"]),
    ]


def test_epochs_stand_on_an_even_axis_without_intervals():
    points = [Point(x, v, v, v, "") for x, v in ((1, 0.5), (2, 0.25), (3, 0.25))]
    text = curves("loss", {0: points}, {}, (1, 3, 0.5), [Look("main", 1)], Axis("epoch"))
    root = ET.fromstring(text)
    way = next(root.iter(f"{SVG}polyline"))
    (x1, y1), (x2, y2), (x3, y3) = [tuple(map(float, p.split(","))) for p in way.get("points").split()]
    assert x2 - x1 == pytest.approx(x3 - x2) and (y1, y2, y3) == (30.0, 115.0, 115.0)  # 170 pixels are 0.5
    assert way.get("stroke-dasharray") and len(list(root.iter(f"{SVG}polygon"))) == 3
    assert [t.text for t in root.iter(f"{SVG}text")][-4:] == ["1", "2", "3", "epoch"]
    assert "0.2" in [t.text for t in root.iter(f"{SVG}text")]
    assert not [line for line in root.iter(f"{SVG}line") if line.get("stroke") == COLOURS["main"]]
