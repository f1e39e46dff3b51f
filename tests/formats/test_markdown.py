"""What words of others become in pages, told by the parser that report.html is read with, HTML allowed."""

import pytest
from markdown_it import MarkdownIt

from xlt.formats.markdown import Marked, block, code, escaped, table

EVIL = [
    "<img src=x onerror=alert(1)>",
    "</td><script>alert(1)</script>",
    "a <b>b</b> &lt;i&gt; &#60;u> <!-- c -->",
    "![x](http://evil/x.png)",
    "[click](javascript:alert(1))",
    "\\[click](http://evil) \\\\[a](b)",
    "[click][1] and [1]: http://evil",
    "<http://evil> <a@b.cd>",
    "line\n\n# heading\n\n<b>",
    "one | two \\| three \\\\| four",
    "\u202eevil\u202c \x1b[31mred",
    "`code` ``` <b>",
    "\u2028<b>\x85<i>",
]


def tokens(text):
    """All tokens of a document, those inside lines, too."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    return [*found, *(inner for token in found for inner in token.children or [])]


def kinds(text):
    return {token.type.partition("_")[0] if "html" in token.type else token.type for token in tokens(text)}


BAD = {"html", "link_open", "image", "heading_open"}


@pytest.mark.parametrize("words", EVIL)
def test_a_paragraph_holds_nothing_but_words(words):
    assert not BAD & kinds(f"Not scored: {escaped(words)}.")
    assert not BAD & kinds(f"- {escaped(words)}")


@pytest.mark.parametrize("words", EVIL)
def test_a_cell_stays_one_cell(words):
    made = table(["a", words], [[words, 1], [Marked("[ours](x.md)"), words]])
    assert kinds(made) & BAD == {"link_open"}
    assert [token.type for token in tokens(made)].count("td_open") == 4
    assert sum(token.type == "link_open" for token in tokens(made)) == 1


@pytest.mark.parametrize("words", EVIL)
def test_code_shows_what_it_was_given(words):
    assert not BAD & kinds(f"run {code(words)} now")
    (inline,) = [t for t in tokens(f"run {code(words)} now") if t.type == "code_inline"]
    assert "evil" not in words or "evil" in inline.content


@pytest.mark.parametrize("words", [*EVIL, "```\n# out\n````\n<b>"])
def test_a_block_does_not_end_early(words):
    found = tokens(block(words))
    assert [token.type for token in found] == ["fence"]
    assert found[0].content.count("```") == words.count("```")


def test_what_is_read_is_what_was_written():
    words = "a<b & c_d *e* [1] (2) 5 > 3 & co; &amp; \\n"
    (inline,) = [t for t in tokens(table(["x"], [[words]])) if t.type == "inline" and t.content != "x"]
    shown = "".join(child.content for child in inline.children)
    assert shown == words.replace("*e*", "e")


def test_words_in_any_script_stay_as_they_are():
    for words in ("un câine mare", "מילה אחת", "می\u200cخواهم", "მანქანა 12.5 [11.0, 14.0]"):
        assert escaped(words) == words
