"""The examples in docstrings give what they say. Those of xlt.library need a bundle: test_library.py."""

import doctest
import importlib

import pytest

from xlt.core.config import ROOT

PARTS = [path.relative_to(ROOT).with_suffix("").parts for path in sorted((ROOT / "xlt").rglob("*.py"))]
MODULES = [".".join(part for part in parts if part != "__init__") for parts in PARTS]
WITH_EXAMPLES = [
    name
    for name, parts in zip(MODULES, PARTS, strict=True)
    if name != "xlt.library"
    and ">>> " in ROOT.joinpath(*parts).with_suffix(".py").read_text(encoding="utf-8")
]


def test_there_are_modules_with_examples():
    assert len(WITH_EXAMPLES) >= 10


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
