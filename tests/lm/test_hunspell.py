"""Dictionaries: which package, which file of it, and what its licence is."""

import pytest

from tests.errors import raises
from tests.lm.conftest import AFF
from xlt.core.errors import ConfigError, DataError
from xlt.lm.hunspell import licence, named, of_language, packages
from xlt.text.languages import LANGUAGES

SERBIAN = ["sr_RS", "sr_Latn_RS"]
NORWEGIAN = ["nb_NO", "nn_NO"]
CATALAN = ["ca_AD", "ca_ES-valencia", "ca"]


def pack(debian, package: str, names: list[str]) -> None:
    files = {f"usr/share/hunspell/{name}.dic": f"1\n{name}\n" for name in names}
    debian(package, files | {f"usr/share/hunspell/{name}.aff": AFF for name in names})


@pytest.mark.parametrize(
    ("lang", "package", "names", "chosen"),
    [
        ("srp_Cyrl", "hunspell-sr", SERBIAN, "sr_RS"),
        ("srp_Latn", "hunspell-sr", SERBIAN, "sr_Latn_RS"),
        ("nno_Latn", "hunspell-no", NORWEGIAN, "nn_NO"),
        ("nob_Latn", "hunspell-no", NORWEGIAN, "nb_NO"),
        ("cat_Latn", "hunspell-ca", CATALAN, "ca"),
        ("spa_Latn", "hunspell-es", ["es_AR", "es_ES"], "es_ES"),
        ("heb_Hebr", "hunspell-he", ["he_IL"], "he_IL"),
        ("swh_Latn", "hunspell-sw", ["sw_TZ"], "sw_TZ"),
        ("lvs_Latn", "hunspell-lv", ["lv_LV"], "lv_LV"),
    ],
)
def test_the_dictionary_of_a_language_and_its_script(recipe, debian, lang, package, names, chosen):
    pack(debian, package, names)
    found = of_language(recipe(f"lang={lang}").cfg)
    assert (found.name, found.dic.name) == (chosen, f"{chosen}.dic")


def test_a_language_or_script_without_a_dictionary(recipe, debian):
    pack(debian, "hunspell-no", ["nb_NO"])
    with raises(DataError, "nno_Latn", "nb_NO", where="lm.words=auto"):
        of_language(recipe("lang=nno_Latn").cfg)
    with raises(DataError, "Debian", where="lm.words=auto"):
        of_language(recipe("lang=quy_Latn").cfg)


def test_no_network_names_the_ways_out(recipe, debian):
    with raises(DataError, "hunspell-be", "lm.words=none", where="lm.words=hunspell:be_BY") as caught:
        named("be_BY", recipe("lm.words=hunspell:be_BY").cfg)
    assert "data.archive" not in str(caught.value)


def test_a_dictionary_by_its_name(recipe, debian):
    pack(debian, "hunspell-ca", CATALAN)
    assert named("ca_ES-valencia", recipe("lm.words=hunspell:ca_ES-valencia").cfg).name == "ca_ES-valencia"
    with raises(ConfigError, "ca_AD", where="lm.words=hunspell:ca_XX"):
        named("ca_XX", recipe("lm.words=hunspell:ca_XX").cfg)
    with raises(ConfigError, ".dic", where="lm.words=hunspell:xx_YY"):
        named("xx_YY", recipe("lm.words=hunspell:xx_YY").cfg)


def test_a_dictionary_of_the_users_own(recipe):
    dic = recipe.write("my.dic", "1\nana\n")
    assert named(str(dic), recipe("lm.words=hunspell:my.dic").cfg).dic == dic
    with raises(ConfigError, "no.dic", where="lm.words=hunspell:no.dic"):
        named(str(recipe.dir / "no.dic"), recipe("lm.words=hunspell:no.dic").cfg)


def test_packages_are_named_as_debian_names_them():
    found = packages()
    assert {found[iso] for iso in ("bel", "glg", "nob", "swa", "heb", "ind")} == {
        "hunspell-be",
        "hunspell-gl",
        "hunspell-no",
        "hunspell-sw",
        "hunspell-he",
        "hunspell-id",
    }
    assert {"ron", "cat", "ell", "bul", "dan", "fra", "rus", "spa"} <= {
        lang.iso for lang in LANGUAGES.values()
    } & set(found)


DEP5 = """\
Format: DEP-5
Source: there

Files: *
Copyright: some
License: MPL-2.0

Files: dictionaries/hu_HU/*
  dictionaries/xx/*
License: LGPL-3+ or GPL-2+
 Some words

License: LGPL-3+ or GPL-2+
 The whole text of the GNU General Public License
"""


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        (DEP5, "hu_HU", "LGPL-3+ or GPL-2+"),
        (DEP5, "xx_YY", "LGPL-3+ or GPL-2+"),
        (DEP5, "gl_ES", "MPL-2.0"),
        (
            "It is under the GNU Lesser General Public License, or the\nMozilla Public License.",
            "xx",
            "MPL, LGPL",
        ),
        ("This is in the public domain.", "xx", "public domain"),
        ("", "xx", "not stated; see usr/share/doc/hunspell-xx/copyright"),
    ],
)
def test_the_licence_in_one_line(text, name, found):
    assert licence(text, name, "hunspell-xx") == found
