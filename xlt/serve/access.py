"""Who may ask, and how often: names of the server, pages of other sites, bearer tokens, requests a minute."""

from __future__ import annotations

import base64
import collections
import contextlib
import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.formats.text_file import numbered_lines
from xlt.serve.problems import Problem, retry

TOKENS = "XLT_TOKENS"  # the environment variable with tokens, between spaces
PROTOCOL = "xlt"  # of our page's WebSockets; xlt.bearer.TOKEN, in base64url, stands for the header
SHORTEST = 16  # characters of a token
_HOME = ("localhost", "127.0.0.1", "::1")
_CLIENTS = 10_000  # whose rates are remembered


def read_tokens(path: Path | None) -> list[str]:
    """Bearer tokens: a line each in ``path``, empty lines and ``#`` left out, and those of the environment.
    ConfigError for one that is too short or cannot be sent; DataError if the file cannot be read."""
    found = [(TOKENS, token) for token in os.environ.get(TOKENS, "").split()]
    if path is not None:
        rows = [(f"{path}:{number}", line.strip()) for number, line in numbered_lines(path, "--tokens")]
        found += [(where, line) for where, line in rows if line and not line.startswith("#")]
        if path.stat().st_mode & 0o077:
            say(f"  warning: {path}: others on this machine can read or change it; run chmod 600 on it")
        if not found:
            raise ConfigError(f"{path}: holds no token, so nobody could ask; write one a line")
    for where, token in found:
        if len(token) < SHORTEST or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ConfigError(
                f"{where}: a token of {len(token)} characters; use at least {SHORTEST} ASCII letters and"
                " digits, e.g. what `openssl rand -hex 16` prints"
            )
    return [token for _, token in found]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@dataclass
class Rates:
    """At most ``per_minute`` requests of a client, with room for as many at once (a token bucket); 0: any."""

    per_minute: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._left: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def take(self, client: str) -> None:
        """Count a request; Problem (429) if there were too many."""
        if not self.per_minute:
            return
        now, most = self.clock(), max(1.0, self.per_minute)
        left, since = self._left.pop(client, (most, now))
        left = min(most, left + (now - since) * self.per_minute / 60)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        while len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            wait_s = (1 - left) * 60 / self.per_minute
            raise Problem(
                429,
                f"more than {self.per_minute:g} requests a minute; wait as long as Retry-After says",
                "rate_limit_exceeded",
                None,
                retry(wait_s),
            )


class Access:
    """``tokens``: of which a client needs one, if there are any; ``sites``: names under which the server is
    reached, beside those of this machine; with ``home``, it is reached under no others."""

    def __init__(self, tokens: Iterable[str], sites: Collection[str], home: bool):
        self._tokens = [_digest(token) for token in tokens]
        self.sites, self.home = {site.lower() for site in sites}, home

    def check_site(self, headers: Headers) -> None:
        """Problem (403) for a page of another site, and for a name that is not the server's, with which such
        a page would get around that (DNS rebinding)."""
        host = headers.get("host", "")
        name = _name(f"//{host}")
        if (self.home or self.sites) and name not in {*_HOME, *self.sites}:
            raise Problem(
                403,
                f"Host: {name!r:.80} is no name of this server; add it with --site where it is started",
                "unknown_host",
            )
        origin = headers.get("origin")
        if origin is not None and _name(origin) not in {name, *self.sites}:
            raise Problem(
                403,
                "Origin: a page of another site may not use this server; add its name with --site where the"
                " server is started",
                "foreign_origin",
            )

    def client(self, headers: Headers, address: str) -> str:
        """A key of who asks: its token, else its address. Problem (401) without a token that is known."""
        if not self._tokens:
            return address
        token = _token(headers)
        given, found = _digest(token), False
        for known in self._tokens:  # all of them, each in constant time
            found |= hmac.compare_digest(given, known)
        if not found:
            raise Problem(
                401,
                "Authorization: no token of this server; send the header Authorization: Bearer TOKEN",
                "invalid_api_key",
                None,
                {"WWW-Authenticate": "Bearer"},
            )
        return given.hex()


def _token(headers: Headers) -> str:
    """What a client sent; "" if nothing. A page cannot send headers with a WebSocket but its protocols."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for name in headers.get("sec-websocket-protocol", "").split(","):
        kind, _, code = name.strip().rpartition(".")
        if kind == f"{PROTOCOL}.bearer":
            with contextlib.suppress(ValueError):
                return base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).decode("ascii")
    return ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
