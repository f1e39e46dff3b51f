import doctest

import pytest

from tests.errors import raises
from xlt.core import constraints
from xlt.core.config import defaults
from xlt.core.constraints import FilePath, Limit
from xlt.core.errors import ConfigError
from xlt.core.schema import check_setting, free_form, marked, paths, schema


def test_examples():
    assert doctest.testmod(constraints).failed == 0


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("train.lr", 0, "a number above 0"),
        ("nj", -1, "a number above 0"),
        ("train.freeze_updates", -1, "a number not below 0"),
        ("train.ctc_weight", 1.5, "a share between 0 and 1"),
        ("train.layer_decay", 0.0, "a number above 0"),
        ("train.layer_decay", 2.0, "a share between 0 and 1"),
    ],
)
def test_a_value_beyond_its_limits(name, value, expected):
    with raises(ConfigError, repr(value), expected, where="here") as caught:
        check_setting(name, value, "here")
    assert caught.value.setting == name


def test_null_is_within_all_limits():
    for name in marked(Limit):
        if type(None) in getattr(schema()[name], "__args__", ()):
            check_setting(name, None, "here")


def test_which_settings_name_paths_and_other_recipes():
    assert {"data.dir", "train.init", "score.words"} <= paths().keys() <= schema().keys()
    assert paths()["train.init"] == FilePath(beside=True) and paths()["data.parts"].part_of == "data"


def test_the_free_form_are_mappings():
    assert {name for name in free_form() if not isinstance(defaults()[name], (dict, type(None)))} == set()
