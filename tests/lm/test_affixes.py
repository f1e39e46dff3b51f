"""Word forms of small dictionaries, worked out by the rules of hunspell(5); those of be_BY, gl_ES and hu_HU
were all accepted by hunspell 1.7 itself (30,000 of each, drawn by chance).
"""

import pytest

from tests.errors import raises
from xlt.core.errors import DataError
from xlt.lm.affixes import expand

AFF = """\
SET UTF-8
NEEDAFFIX n
FORBIDDENWORD f
ONLYINCOMPOUND c
CIRCUMFIX x

PFX R Y 1
PFX R 0 re .

PFX L Y 1
PFX L 0 leg/x .

SFX S Y 2
SFX S y ies [^aeiou]y
SFX S 0 s [^y]

SFX B Y 1
SFX B 0 bb/xL e

SFX A N 1
SFX A 0 able/S .
"""


def forms(tmp_path, dic: str, most: int = 100, aff: str = AFF):
    (tmp_path / "xx.aff").write_text(aff, encoding="utf-8")
    (tmp_path / "xx.dic").write_text(f"{len(dic.splitlines())}\n{dic}", encoding="utf-8")
    return expand(tmp_path / "xx.dic", most)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("word", {"word"}),
        ("city/S", {"city", "cities"}),
        ("boy/S", {"boy"}),  # neither condition holds
        ("work/SR", {"work", "works", "rework", "reworks"}),
        ("work/AR", {"work", "workable", "workables", "rework"}),  # A takes no prefix beside it
        ("stem/nS", {"stems"}),
        ("bad/f", set()),
        ("part/c", set()),
        ("nice/B", {"nice", "legnicebb"}),  # the two ends of a circumfix come together
    ],
)
def test_forms_of_an_entry(tmp_path, entry, words):
    found = forms(tmp_path, f"{entry}\n")
    assert set(found.words) == words
    assert found.whole and found.beyond == 0


def test_forbidden_forms_of_others_are_out(tmp_path):
    assert set(forms(tmp_path, "mouse/S\nmouses/f\n").words) == {"mouse"}


def test_a_limit_takes_stems_first_and_of_each_as_many_forms(tmp_path):
    letters = "abcdefgh"
    aff = "SET UTF-8\nSFX S Y 8\n" + "".join(f"SFX S 0 {letter} .\n" for letter in letters)
    found = forms(tmp_path, "un/S\ndoi/S\ntrei\n", most=9, aff=aff)
    stems = ["un", "doi", "trei"]
    assert found.words[:3] == stems
    assert sum(word.startswith("un") and word not in stems for word in found.words) == 3
    assert sum(word.startswith("doi") and word not in stems for word in found.words) == 3
    assert (found.stems, found.affixes, found.beyond, found.whole) == (3, 1, 10, False)


def test_other_encodings_flags_and_aliases(tmp_path):
    aff = "SET ISO8859-2\nFLAG num\nAF 1\nAF 7,12\nSFX 7 Y 1\nSFX 7 0 č .\nSFX 12 Y 1\nSFX 12 0 ř .\n"
    (tmp_path / "xx.aff").write_text(aff, encoding="iso8859-2")
    (tmp_path / "xx.dic").write_text("1\nš/1\n", encoding="iso8859-2")
    assert set(expand(tmp_path / "xx.dic", 10).words) == {"š", "šč", "šř"}


@pytest.mark.parametrize(
    ("aff", "dic", "where"),
    [
        ("SET nonsense\nTRY a\n", "1\na\n", "xx.aff"),
        ("SFX S Y\n", "1\na\n", "xx.aff"),
        ("SFX S Y 1\nSFX S 0 s [^y\n", "1\na\n", "xx.aff"),
        ("SET UTF-8\n", "0\n", "xx.dic"),
    ],
)
def test_damaged_dictionaries(tmp_path, aff, dic, where):
    (tmp_path / "xx.aff").write_text(aff, encoding="utf-8")
    (tmp_path / "xx.dic").write_text(dic, encoding="utf-8")
    with raises(DataError, where=where):
        expand(tmp_path / "xx.dic", 10)


def test_a_dictionary_without_its_affixes(tmp_path):
    (tmp_path / "xx.dic").write_text("1\na\n")
    with raises(DataError, where="xx.aff"):
        expand(tmp_path / "xx.dic", 10)
