"""Languages that other servers speak: a table, a line a language.

    # language   server                       token
    fra_Latn     http://127.0.0.1:8001
    ell_Grek     https://asr.example.org      forward        the client's own token is sent on
    rus_Cyrl     https://other.example.org    $RUS_TOKEN     this variable's value is sent

Without a third column no token is sent.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.formats.text_file import numbered_lines

FORWARD = "forward"
_SETTING = "--routes"


@dataclass(frozen=True)
class Route:
    """``url``: of a server that speaks OpenAI's API, without ``/v1``; ``token``: that is sent to it, None for
    none; ``forward``: whether the client's is.
    """

    lang: str
    url: str
    token: str | None = field(default=None, repr=False)
    forward: bool = False


@dataclass(frozen=True)
class Routes:
    """``table``: by language; ``timeout_s``: for the whole of an answer. ``name``: of this server in the list
    of those that a request has passed. ``transport``: of httpx2, for tests.
    """

    table: Mapping[str, Route] = field(default_factory=dict)
    timeout_s: float = 120.0
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    transport: Any = None

    def __contains__(self, lang: object) -> bool:
        return lang in self.table


def routed(told: str, languages: Iterable[str]) -> str | None:
    """The one of ``languages`` that ``told`` is, by its whole name or by what precedes its underscore."""
    same = [lang for lang in languages if told in (lang, lang.partition("_")[0])]
    return same[0] if len(same) == 1 else None


def refuse_own(path: Path, table: Iterable[str], own: Collection[str]) -> None:
    """ConfigError for a language of the ``table`` in ``path`` that is among ``own``, of the bundle."""
    for lang in table:
        if lang in own:
            raise ConfigError(
                f"--routes {path}: {lang} is a language of the bundle, too; take it out of one of them"
            )


def read_routes(path: Path) -> dict[str, Route]:
    """The table in a file, by language. DataError for a line that is none, ConfigError for a variable that is
    not set.
    """
    found: dict[str, Route] = {}
    for number, line in numbered_lines(path, _SETTING):
        columns = line.split("#")[0].split()
        if not columns:
            continue
        where = f"{path}:{number}"
        if len(columns) not in (2, 3):
            raise DataError(f"{where}: {len(columns)} columns; expected: LANGUAGE URL, and perhaps a token's")
        lang, url, *token = columns
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", lang):
            raise DataError(f"{where}: {lang[:80]!r} is no language; give a code such as fra_Latn")
        if lang in found:
            raise DataError(f"{where}: {lang} has a line above already; take one of them out")
        found[lang] = Route(lang, _checked(url, where), *_token(token, where))
        if token and not _is_safe(url):
            say(f"  warning: {where}: the token goes over http, which others can read; use https")
    if not found:
        raise DataError(f"{path}: no language in it; write a line for each: LANGUAGE URL")
    return found


def _checked(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
        good = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        parts, good = urlsplit(""), None
    if not good or parts.username is not None or parts.query or parts.fragment:
        raise DataError(
            f"{where}: {url[:200]!r} is no address of a server; give one such as http://127.0.0.1:8001"
        )
    return url.rstrip("/").removesuffix("/v1")


def _token(given: list[str], where: str) -> tuple[str | None, bool]:
    if not given:
        return None, False
    if given == [FORWARD]:
        return None, True
    name = given[0].removeprefix("$")
    if name == given[0] or not name.isidentifier():
        raise DataError(
            f"{where}: a third column must be {FORWARD} or the $NAME of a variable with the token; a token"
            " itself does not belong into the file"
        )
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{where}: the variable {name} is not set; set it to the token of that server")
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{where}: the variable {name} has signs that no token has; set it again")
    return value, False


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    try:
        home = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        home = False
    return parts.scheme == "https" or home
