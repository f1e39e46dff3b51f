"""What all HTML pages share: contrast in both modes, texts of others as text, a policy that fits the page."""

import base64
import hashlib
import re

import pytest

from xlt.formats import html
from xlt.formats.svg import COLOURS

BASE = (html.SHARED / "base.css").read_text(encoding="utf-8")
NAMED = re.compile(r"--([a-z0-9-]+): (#[0-9a-f]{6});")
SERIES = tuple(COLOURS)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio), with its relative
    luminance of sRGB.
    """

    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def colours(mode: str) -> dict[str, str]:
    """``{meaning: colour}`` of the style sheet."""
    light, dark = BASE.split("@media screen and (prefers-color-scheme: dark)")
    found = dict(NAMED.findall(light))
    return found | dict(NAMED.findall(dark)) if mode == "dark" else found


# 21 and 1 are the ends of WCAG's scale; #767676 is known as the lightest grey that passes 4.5 on white and
# #777777 as the first that fails (https://webaim.org/articles/contrast/)
@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21),
        ("#ffffff", "#ffffff", 1),
        ("#767676", "#ffffff", 4.54),
        ("#777777", "#ffffff", 4.48),
    ],
)
def test_the_formula_gives_what_is_known(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_colour_stands_out_from_what_it_is_on(mode):
    named = colours(mode)
    texts = [(text, on) for text in ("ink", "soft", "wrong", "right", "warn") for on in ("paper", "tint")]
    texts += [("ink", f"shade-{k}") for k in range(1, 6)]
    texts += [("ink", f"{name}-tint") for name in ("wrong", "right", "warn")]
    signs = [(sign, on) for sign in ("edge", "focus", *SERIES) for on in ("paper", "tint")]
    signs += [(name, f"{name}-tint") for name in ("wrong", "right", "warn")]
    low = {pair: round(contrast(*(named[name] for name in pair)), 2) for pair in (*texts, *signs)}
    assert {pair: ratio for pair, ratio in low.items() if ratio < (4.5 if pair in texts else 3)} == {}
    assert set(named) == {name for pair in (*texts, *signs) for name in pair} | {
        "line"
    }  # a line only decorates


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_main_model_has_the_strongest_colour(mode):
    named = colours(mode)
    strength = {name: contrast(named[name], named["paper"]) for name in SERIES}
    assert max(strength, key=strength.get) == "main" and len({named[name] for name in SERIES}) == len(SERIES)


def test_charts_have_the_colours_of_the_mode():
    for name, drawn in COLOURS.items():
        assert colours("light")[name] == drawn
        for what in ("fill", "stroke"):
            assert f'svg [{what}="{drawn}"] {{ {what}: var(--{name}); }}' in BASE


def test_dark_mode_names_every_colour_again():
    light, dark = BASE.split("@media screen and (prefers-color-scheme: dark)")
    assert [name for name, _ in NAMED.findall(light)] == [name for name, _ in NAMED.findall(dark)]


def test_rules_name_meanings_and_no_colours():
    rules = re.sub(r"/\*.*?\*/", "", BASE, flags=re.S)
    rules = NAMED.sub("", re.sub(r"^svg \[.*$", "", rules, flags=re.M))
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == []


def test_texts_of_others_are_text(tmp_path):
    (tmp_path / "page.html").write_text(
        '{% import "macros.html" as parts %}'
        "{% call parts.wide(name) %}{{ name }}{% endcall %}{{ parts.pieces(pieces) }}"
    )
    evil = '<img src=x onerror="alert(1)">\u202etxt'
    made = html.environment(tmp_path).get_template("page.html")
    text = made.render(name=evil, pieces=[("a<b", False), (evil, True)])
    assert "<img" not in text and "\u202e" not in text and text.count("U+202Etxt") == 3
    assert '<div class="wide" role="region" tabindex="0" aria-label="&lt;img' in text
    assert "a&lt;b<mark>&lt;img src=x" in text


def test_the_policy_allows_what_the_page_has_and_what_is_asked_for():
    style, script = "p { color: red; }", "let a;"
    rules = dict(rule.split(" ", 1) for rule in html.security_policy(style, script, sound=True).split("; "))
    known = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert rules["default-src"] == "'none'" and rules["media-src"] == "'self' file:"
    assert [rules["style-src"], rules["script-src"]] == [f"'sha256-{one}'" for one in known]
    assert "media-src" not in html.security_policy(style, script)
