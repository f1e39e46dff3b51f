import xml.etree.ElementTree as ET

from xlt.figure import Bar, bars

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values():
    root = ET.fromstring(bars("CER < 100", ["ours", "theirs"], {"ron": [Bar(0, 10, 8, 12), Bar(1, 20, 0, 40)]}))
    drawn = [rect for rect in root.iter(f"{SVG}rect") if rect.get("x") == "60"]
    # the highest end of an interval, 40, is 600 pixels from zero
    assert [rect.get("width") for rect in drawn] == ["150.0", "300.0"]
    assert len({rect.get("fill") for rect in drawn}) == 2
    ends = [(line.get("x1"), line.get("x2")) for line in root.iter(f"{SVG}line") if line.get("stroke") == "black"]
    assert ends == [("180.0", "240.0"), ("60.0", "660.0")]
    assert "CER < 100" in [element.text for element in root.iter(f"{SVG}text")]
