"""The server as a process: it listens, and stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.serve import Limits
from xlt.serve.access import Access, read_tokens
from xlt.serve.app import make_app
from xlt.serve.corrections import Corrections
from xlt.serve.pool import Pool
from xlt.serve.routes import Routes, read_routes, refuse_own
from xlt.serve.server import Server
from xlt.serve.stream import MESSAGE_BYTES

_HEAD_S = 20.0  # for a client that has connected to say what it wants
_CONNECTIONS = 1000


@dataclass(frozen=True)
class Place:
    """Where to listen; ``sites``: further names of the server; ``tokens``: the file; ``grace_s``: to stop."""

    host: str
    port: int
    sites: tuple[str, ...] = ()
    tokens: Path | None = None
    grace_s: float = 30.0


class _Protocol(H11Protocol):
    """Closes connections on which nothing is asked; uvicorn itself would keep them for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEAD_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and self.transport.get_protocol() is self:  # no WebSocket either
            self.transport.close()


def serve(
    place: Place,
    bundle: Path,
    workers: int,
    queue: int | None,
    limits: Limits,
    log_texts: bool = False,
    corrections: Path | None = None,
    routes: Path | None = None,
) -> None:
    """Until SIGTERM or SIGINT. ConfigError if the place is taken or the folder ``corrections`` cannot be
    used, DataError for the bundle; as :func:`~xlt.serve.routes.read_routes` for the table ``routes``.
    """
    tokens = read_tokens(place.tokens)
    table = read_routes(routes) if routes else {}
    home = _is_home(place.host)
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_bound(place))
        if not home and not tokens:
            say(f"  warning: --host {place.host}: anybody who reaches this machine may use it; give --tokens")
        say(f"loading {bundle} …")
        pool = Pool(bundle, workers, 4 * workers if queue is None else queue, limits.stall_s)
        stack.callback(pool.close)
        pool.start()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xlt-serve-")))
        server = Server(pool, limits, Access(tokens, place.sites, home), folder, log_texts)
        if routes is not None:
            refuse_own(routes, table, pool.languages)
            server.routes = Routes(table, limits.route_s)
            say("".join(f"{route.lang} is spoken by {route.url}\n" for route in table.values()).rstrip())
        stack.callback(server.threads.shutdown, wait=False, cancel_futures=True)
        if corrections is not None:
            server.corrections = Corrections(corrections, pool.languages, limits.corrections_mb)
            stack.callback(server.corrections.close)
            say(f"stores corrections that people agree to give in {corrections}")
        config = uvicorn.Config(
            make_app(server),
            http=_Protocol,
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            ws_per_message_deflate=False,  # sound does not shrink
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=max(1, round(place.grace_s)),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody can write them
            lifespan="off",
        )
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        running = uvicorn.Server(config)
        with _told_to_stop(running):
            say(f"{url} serves {', '.join(pool.languages)} with {workers} workers; Ctrl-C stops")
            running.run(sockets=[listening])
        say("stopped")


def _is_home(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _bound(place: Place) -> Iterator[socket.socket]:
    """A socket that listens; before the bundle is loaded, so that a wrong port is said at once."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        bound = socket.create_server(address[:2], family=family, backlog=512)
    except OSError as err:
        taken = err.errno == errno.EADDRINUSE
        at_port = taken or err.errno == errno.EACCES
        where = f"--port {place.port}" if at_port else f"--host {place.host}"
        reason = "another program listens there" if taken else os.strerror(err.errno or 0) or str(err)
        raise ConfigError(f"{where}: {reason}; give another one, or --port 0 for a free one") from None
    with bound:
        yield bound


@contextlib.contextmanager
def _told_to_stop(running: uvicorn.Server) -> Iterator[None]:
    """A signal stops ``running`` gracefully, also before uvicorn listens to signals itself; when uvicorn has
    stopped, it raises the signal again, which would end xlt with an error.
    """

    def stop(*_: object) -> None:
        running.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
