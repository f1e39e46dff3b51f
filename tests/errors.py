"""Errors by their fields and facts, for tests that another wording should not break."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from xlt.core.errors import XltError


def says(message: str, fact: object) -> bool:
    """Whether a name, a file, a setting or a number is in a message, and not as a part of a longer one.

    >>> says("text:3: duplicate id 'u12'", "u1"), says("text:3: duplicate id 'u12'", "u12")
    (False, True)
    """
    return re.search(rf"(?<![\w.]){re.escape(str(fact))}(?!\.?\w)", message) is not None


def _check(error: XltError, facts: tuple[object, ...], where: str | None) -> None:
    __tracebackhide__ = True
    if where is not None and error.where != where and not (where and error.where.endswith("/" + where)):
        pytest.fail(f"expected an error of {where!r}, found {error.where!r}: {error}")
    if lacking := [fact for fact in facts if not says(str(error), fact)]:
        pytest.fail(f"expected {lacking} in: {error}")


@contextlib.contextmanager
def raises(kind: type[XltError], *facts: object, where: str | None = None) -> Iterator[pytest.ExceptionInfo]:
    """The error is a ``kind``, begins with the place ``where`` (of a file the end of its path is enough), and
    its message holds all ``facts``. The wording has one test of its own, with ``match``.
    """
    __tracebackhide__ = True
    with pytest.raises(kind) as caught:
        yield caught
    _check(caught.value, facts, where)


def told(printed: str, *facts: object, where: str | None = None) -> XltError:
    """The error that a command printed last, with ``facts`` and ``where`` as in :func:`raises`."""
    __tracebackhide__ = True
    _, *errors = re.split(r"^xlt [\w/ -]+: ", printed, flags=re.MULTILINE)
    if not errors:
        pytest.fail(f"expected `xlt COMMAND: MESSAGE`, found {printed!r}")
    error = XltError(errors[-1].rstrip())
    _check(error, facts, where)
    return error
