"""xlt: speech recognition for languages with little data.

A library, too: :func:`load` opens a bundle, :func:`cer`, :func:`wer` and :func:`compare` score. They are
imported when they are first used, so that ``import xlt`` costs nothing; see :mod:`xlt.library`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "cer", "compare", "load", "wer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("xlt.library"), name)
    raise AttributeError(f"module 'xlt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
