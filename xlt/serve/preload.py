"""Opens the bundle once, in the process that workers are forked from: they share its memory, imported modules
and weights alike, and a new worker is ready in a moment.

:data:`VARIABLE` in the environment says which bundle. Whatever goes wrong here, the worker tries again by
itself and says so.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from xlt.audio.cut import Cut
from xlt.audio.files import SAMPLE_RATE
from xlt.core.errors import XltError

VARIABLE = "XLT_SERVE_PRELOAD"  # opener, a space, folder
asked = os.environ.get(VARIABLE, "")
opened: Any = None


def open_bundle(opener: str, folder: str) -> Any:
    """The bundle in ``folder``, opened by ``module:function``, with the recogniser of its first language."""
    if opened is not None and asked == request(opener, folder):
        return opened
    module, _, name = opener.partition(":")
    bundle = getattr(importlib.import_module(module), name)(Path(folder))
    if len(bundle.languages) == 1:
        _try(bundle.head(None))
    else:
        with contextlib.suppress(XltError):  # of a damaged head, its first client is told
            _try(bundle.head(bundle.languages[0]))  # and the encoder that all of them share
            if bundle.identify is not None:
                bundle.identify()
    return bundle


def _try(head: Any) -> None:
    """Recognise a second of noise: what is imported and loaded late is there before a client waits for it."""
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, SAMPLE_RATE).astype(np.float32)
    head.piece(Cut(0, noise))


def request(opener: str, folder: str) -> str:
    """The value of :data:`VARIABLE`."""
    return f"{opener} {folder}"


with contextlib.suppress(Exception):
    opened = open_bundle(*asked.split(" ", 1)) if asked else None
    if (
        len(os.listdir("/proc/self/task")) > 1
    ):  # a fork has one thread, and might wait for the others for ever
        opened = None
    gc.freeze()  # or the first collection in each worker would copy everything
