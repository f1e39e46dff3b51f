"""The distribution xlt-runtime: a part of what xlt needs, and what is said where something is lacking."""

import runpy

import pytest

from tests.errors import told
from xlt.commands.run import guarded
from xlt.core.config import ROOT


@pytest.fixture
def runtime():
    return runpy.run_path(str(ROOT / "tools/runtime/setup.py"), run_name="setup")


def test_it_needs_a_part_of_what_xlt_needs(runtime):
    whole = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    assert set(runtime["REQUIRES"]) < set(whole["REQUIRES"])
    assert {name for extra in runtime["EXTRAS"].values() for name in extra} < set(whole["REQUIRES"])
    pins = (ROOT / "tools/constraints.txt").read_text("utf-8")
    assert all(f"\n{name.partition('>')[0]}==" in pins.lower() for name in runtime["REQUIRES"])


def test_the_defaults_of_settings_are_packed(runtime):
    assert (runtime["CONF"] / "base.yaml").is_file()


def test_a_package_that_is_not_there_is_named(capsys):
    def work():
        raise ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")

    assert guarded("transcribe", work) == 2
    told(capsys.readouterr().err, "tools/install.sh", where="torch.nn")


def test_a_module_of_xlt_that_is_not_there_is_a_defect(capsys):
    def work():
        raise ModuleNotFoundError("No module named 'xlt.nosuch'", name="xlt.nosuch")

    assert guarded("transcribe", work) == 1
    assert "is a defect of xlt" in capsys.readouterr().err
