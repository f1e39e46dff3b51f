"""``xlt serve BUNDLE``: transcription over HTTP, as OpenAI's clients ask for it, and over WebSockets."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from xlt.core.errors import ConfigError

HOST, PORT = "127.0.0.1", 8000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from xlt.serve import Limits

    usual, add = Limits(), parser.add_argument
    add("bundle", type=Path, help="folder made by stage 10 (bundle) or by xlt bundle join")
    add("--host", default=HOST, help=f"address to listen on (default: {HOST}, only this machine)")
    add("--port", type=int, default=PORT, help=f"port (default: {PORT})")
    add(
        "--site",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which other machines reach the server, e.g. asr.example.org; may be repeated",
    )
    add(
        "--tokens",
        type=Path,
        metavar="FILE",
        help=(
            "file with bearer tokens, one a line, of which each request must send one; tokens in the variable"
            " XLT_TOKENS count as well"
        ),
    )
    add("--workers", type=int, metavar="N", help="processes that transcribe (default: one a core)")
    add("--queue", type=int, metavar="N", help="requests that may wait (default: 4 for each worker)")
    for name, what, value in (
        ("upload_mb", "size of one request", usual.upload_mb),
        ("upload_s", "seconds to receive it", usual.upload_s),
        ("audio_s", "seconds of one recording or stream", usual.audio_s),
        ("stall_s", "seconds without progress after which a worker is replaced", usual.stall_s),
        ("idle_s", "seconds without a message after which a WebSocket is closed", usual.idle_s),
        ("corrections_mb", "size of all that --corrections stores", usual.corrections_mb),
        ("route_s", "seconds for the answer of a server of --routes", usual.route_s),
        ("keep_s", "seconds that a stream is kept whose connection was lost", usual.keep_s),
    ):
        add(f"--{name}", type=float, default=value, metavar="N", help=f"at most: {what} (default: {value:g})")
    add(
        "--rate",
        type=float,
        default=usual.rate,
        metavar="N",
        help="requests a minute that one client, by its token or address, may make (default: any number)",
    )
    add(
        "--streams",
        type=int,
        default=usual.streams,
        metavar="N",
        help=f"WebSockets at once (default: {usual.streams})",
    )
    add(
        "--grace_s",
        type=float,
        default=30.0,
        metavar="N",
        help="after SIGTERM or Ctrl-C: seconds to finish what was taken (default: 30)",
    )
    add(
        "--corrections",
        type=Path,
        metavar="DIR",
        help=(
            "let people give corrected pieces, sound and text, if they agree, and store them in DIR for xlt"
            " learn (default: the page does not offer it)"
        ),
    )
    add(
        "--routes",
        type=Path,
        metavar="FILE",
        help=(
            "languages that other servers speak, one a line: LANGUAGE URL, and perhaps forward, which sends"
            " the client's token there, or $NAME, a variable with a token"
        ),
    )
    add("--log_text", action="store_true", help="also log what was recognised; without it no text is kept")


def main(args: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C. ConfigError for options that do not fit, DataError for the bundle."""
    limits = _limits(args)
    if args.workers is not None and args.workers < 1:
        raise ConfigError(f"--workers {args.workers}: expected at least 1; leave it out for one a core")
    if args.queue is not None and args.queue < 1:
        raise ConfigError(f"--queue {args.queue}: expected at least 1; leave it out for 4 a worker")
    if not 0 <= args.port <= 65535:
        raise ConfigError(f"--port {args.port}: expected 0 to 65535; 0 takes a free one")
    try:
        from xlt.serve import listen
    except ImportError as err:
        raise ConfigError(
            f"serve: the package {err.name} is not installed; install the extra: tools/install.sh serve"
        ) from None
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a fork cannot use a GPU that its parent has used
    listen.serve(
        listen.Place(args.host, args.port, tuple(args.site), args.tokens, args.grace_s),
        args.bundle,
        args.workers or len(os.sched_getaffinity(0)),
        args.queue,
        limits,
        args.log_text,
        args.corrections,
        args.routes,
    )


def _limits(args: argparse.Namespace):
    from xlt.serve import Limits

    names = ("upload_mb", "audio_s", "upload_s", "stall_s", "streams", "idle_s", "corrections_mb", "route_s")
    for name in (*names, "keep_s", "rate"):
        least = 0 if name == "rate" else 1e-9
        if not least <= getattr(args, name) < float("inf"):
            raise ConfigError(f"--{name} {getattr(args, name):g}: expected a number above 0; leave it out")
    return Limits(**{name: getattr(args, name) for name in (*names, "keep_s", "rate")})
