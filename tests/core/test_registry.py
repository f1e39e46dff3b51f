import subprocess
import sys

import pytest

from xlt.core import registry
from xlt.core.errors import ConfigError
from xlt.core.registry import CHOICES, Registry

ALL = [value for value in vars(registry).values() if isinstance(value, Registry)]


@pytest.mark.slow
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.kind)
def test_every_entry_is_there(one):
    assert [name for name in one.names() if one.get(name) is None] == []


def test_names_are_found_and_others_are_refused_with_the_nearest():
    one = Registry("tool", {"hammer": "math:sqrt"})
    assert "hammer" in one and one.get("hammer")(4.0) == 2.0
    with pytest.raises(
        ConfigError, match="tool 'hamer' is not known; there are hammer; did you mean hammer?"
    ):
        one.get("hamer")


def test_a_name_is_registered_once():
    one = Registry("tool", {})
    one.register("saw", "math:floor")
    one.register("saw", "math:floor")
    assert one.get("saw")(1.5) == 1
    with pytest.raises(ConfigError, match="tool 'saw' is already math:floor; choose another name"):
        one.register("saw", "math:ceil")


def test_what_a_stage_that_is_up_to_date_asks_for_imports_no_torch():
    """Each family and decoder says what its stamp holds: an up-to-date stage must stay quick."""
    code = (
        "import sys\nfrom xlt.core.registry import DECODERS, FAMILIES\n"
        "for one in (DECODERS, FAMILIES):\n    [one.get(name) for name in one.names()]\n"
        "print(sorted({'torch', 'espnet2', 's3prl'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_settings_that_name_an_entry_are_settings():
    from xlt.core.schema import schema

    assert set(CHOICES) <= set(schema())
