"""Modules that cost seconds to import, for test files to name at their top: collecting tests must not cost
what running them costs.
"""

from __future__ import annotations

import importlib

# by pytest, when it collects, of all that a test file names
ASKED = {"_mock_name", "_pytestfixturefunction", "pytest_mock_example_attribute_that_shouldnt_exist"}


class Lazy:
    """Stands for the module ``name`` and imports it when first asked for something in it."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str):
        if attribute.startswith("__") or attribute in ASKED:
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


torch = Lazy("torch")
nn = Lazy("torch.nn")
functional = Lazy("torch.nn.functional")
