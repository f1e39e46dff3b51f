import pytest

from tests.errors import raises
from xlt.core.errors import ConfigError, DataError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json


def test_what_is_stored_wins_over_the_default():
    found = from_json(DecodeConfig, "decode", {"beam_size": 3, "sets": ["dev"]}, "a.json")
    assert (found.method, found.beam_size, found.sets) == ("auto", 3, ["dev"])


def test_an_unknown_setting_is_refused():
    with pytest.raises(DataError, match="a.json: decode.speed: unknown setting"):
        from_json(DecodeConfig, "decode", {"speed": 2}, "a.json")


def test_a_retired_setting_is_left_out():
    assert from_json(DecodeConfig, "decode", {"nbest": 4, "beam_size": 2}, "a.json", {"nbest"}).beam_size == 2


@pytest.mark.parametrize(("key", "value"), [("beam_size", "ten"), ("beam_size", 0), ("method", "magic")])
def test_a_stored_value_is_checked_as_a_setting_is(key, value):
    with raises(ConfigError, repr(value), where="a.json") as caught:
        from_json(DecodeConfig, "decode", {key: value}, "a.json")
    assert caught.value.setting == f"decode.{key}"
