"""Word lists of users, and the reader of text files below them."""

import gzip

import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.formats.text_file import Most, numbered_lines, text_size
from xlt.formats.word_list import read_word_list


def write(tmp_path, content: bytes, name: str = "words.txt"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def words(tmp_path, content: str):
    return [
        (row.word, row.frequency) for row in read_word_list(write(tmp_path, content.encode()), "lm.words")
    ]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("ana\nmere\n", [("ana", None), ("mere", None)]),
        ("ana\t12\nmere\t1.5e3\n", [("ana", 12), ("mere", 1500)]),
        ("ana 12\n\n  mere 3 \n", [("ana", 12), ("mere", 3)]),
        ("\ufeffana\r\nmere\r\n", [("ana", None), ("mere", None)]),
        ("bună ziua\t12\nde la 3\n", [("bună ziua", 12), ("de la", 3)]),
    ],
)
def test_a_word_a_line_with_or_without_its_frequency(tmp_path, content, found):
    assert words(tmp_path, content) == found


@pytest.mark.parametrize(
    ("content", "line", "facts"),
    [
        ("ana\t12\nmere\tmulte\n", 2, ["multe"]),
        ("ana\t12\nmere\t0\n", 2, ["0"]),
        ("ana\t12\nmere\tinf\n", 2, ["inf"]),
        ("ana\t12\nmere\n", 2, ["mere", 1]),
        ("ana\nare\nmere\t3\n", 1, ["ana", 3]),
        ("12 ana\n", 1, ["swap the columns"]),
        ("ana are mere\n", 1, ["lm.text"]),
        ("bună ziua\n", 1, ["lm.text"]),
        ("1\tana\t12\n", 1, ["lm.text"]),
    ],
)
def test_what_is_no_word_list_is_an_error_with_its_line(tmp_path, content, line, facts):
    with raises(DataError, *facts, where=f"words.txt:{line}"):
        words(tmp_path, content)


def test_an_empty_list(tmp_path):
    with raises(DataError, "lm.words=none", where="words.txt"):
        words(tmp_path, "\n\n")


def test_gzip_is_known_by_its_content(tmp_path):
    path = write(tmp_path, gzip.compress(b"ana\nmere"))
    assert list(numbered_lines(path, "lm.text")) == [(1, "ana"), (2, "mere")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    path = write(tmp_path, "ană\nmere\n".encode(encoding), "marked.txt")
    assert list(numbered_lines(path, "lm.text")) == [(1, "ană"), (2, "mere")]


def test_damaged_files_are_errors_with_their_line(tmp_path):
    text = "".join(f"propoziția {i * 7919 % 1000}\n" for i in range(20000))
    packed = gzip.compress(text.encode())
    cut = write(tmp_path, packed[: len(packed) // 2], "cut.gz")
    with raises(DataError, ".gz") as caught:
        list(numbered_lines(cut, "lm.text"))
    assert caught.value.file == str(cut) and 1 < caught.value.line < 20000
    with raises(DataError, "UTF-8", where="latin.txt:2"):
        list(numbered_lines(write(tmp_path, b"ana\nm\xe3r\n", "latin.txt"), "lm.text"))
    with raises(DataError, "UTF-16", where="wide.txt:1"):
        list(numbered_lines(write(tmp_path, b"\xff\xfea\x00\x00\xd8a\x00\n\x00", "wide.txt"), "lm.text"))
    with raises(DataError, "NUL", where="zero.txt:1"):
        list(numbered_lines(write(tmp_path, bytes(100), "zero.txt"), "lm.text"))


def test_files_that_are_not_there(tmp_path):
    with raises(ConfigError, tmp_path / "none.txt", where="lm.text"):
        list(numbered_lines(tmp_path / "none.txt", "lm.text"))
    with raises(ConfigError, tmp_path, where="lm.text"):
        list(numbered_lines(tmp_path, "lm.text"))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    most, huge = Most(1000, "use another"), tmp_path / "huge.txt"
    with huge.open("wb") as handle:
        handle.truncate(10**10)
    with raises(ConfigError, "use another", where="lm.text"):
        next(numbered_lines(huge, "lm.text", most))
    packed = write(tmp_path, gzip.compress(b"ana are mere\n" * 1000), "packed.gz")  # 13 kB in 60 bytes
    with raises(ConfigError, packed, where="lm.text"):
        list(numbered_lines(packed, "lm.text", most))
    assert text_size(packed) == 13_000 > 100 * packed.stat().st_size
    one_line = write(tmp_path, gzip.compress(b"a" * 10**6), "line.gz")
    with raises(ConfigError, one_line, where="lm.text"):
        list(numbered_lines(one_line, "lm.text", most))
