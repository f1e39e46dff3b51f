"""``xlt stream BUNDLE``: text while somebody speaks, from the microphone, a pipe or a file."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError, DataError
from xlt.stream.screen import FORMS

if TYPE_CHECKING:
    from xlt.stream.events import Event
    from xlt.stream.session import Session
    from xlt.stream.sources import Buffered

PIPE = "-"
_KEPT_S = 60.0  # of the microphone, where the model is slower than the speaker
_READ_S = 5.0  # of a file or a pipe that is read ahead
_WHOLE_CLIPS = (
    "the model was trained on whole clips: what it shows while somebody speaks has more errors than the final"
    " text (preset=streaming trains one on chunks)"
)
_BEHIND_S, _CAUGHT_UP_S = 2.0, 0.3  # from when on partial results are left out, and until when


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "bundle",
        type=Path,
        help="folder made by stage 10 (bundle)",
    )
    add(
        "source",
        nargs="?",
        metavar="FILE",
        help=(
            "sound file, or - for a pipe with 16-bit samples of one channel, or with WAV (default: the"
            " microphone)"
        ),
    )
    add(
        "--lang",
        metavar="LANG",
        help=(
            "language, for a bundle of several (default: the bundle's only one); auto: told for each piece,"
            " which is looked at once a second"
        ),
    )
    add("--rate", type=int, metavar="HZ", help="samples a second of the microphone or of - (default: 16000)")
    add(
        "--device",
        metavar="NAME",
        help="microphone, as sounddevice or arecord call it (default: the usual one)",
    )
    add("--realtime", action="store_true", help="give the file as slowly as somebody speaks")
    add(
        "--format",
        choices=FORMS,
        default=FORMS[0],
        help=(
            "txt: each final text on a line; srt: subtitles; jsonl: a JSON object for each partial and final"
            " result (default: txt)"
        ),
    )
    add(
        "--chunk_s",
        type=float,
        metavar="S",
        help="seconds heard at once, one of those that the model was trained on (default: its usual one)",
    )
    add(
        "--final",
        type=Path,
        metavar="BUNDLE",
        help="bundle that gives the final texts (default: the same one)",
    )
    add("--one_pass", action="store_true", help="final texts are those of the chunks, without a second look")
    add(
        "--whole",
        action="store_true",
        help="look at all that was said since the last pause once a second, instead of hearing chunks",
    )
    add("--int8", action="store_true", help="the encoder hears chunks in int8: faster, almost as exact")
    add(
        "--words", type=Path, metavar="FILE", help="words to prefer in final texts, such as names, one a line"
    )


def main(args: argparse.Namespace) -> None:
    """Write until the source or the user (Ctrl-C) ends. ConfigError for options that do not fit or a bundle
    that does not stream, DataError for the source.
    """
    _refuse(args)
    from xlt.bundle import open_bundle
    from xlt.stream.chunked import Chunked
    from xlt.stream.opened import Options, open_model, warm
    from xlt.stream.session import Session

    final = open_bundle(args.final) if args.final else None
    options = Options(args.chunk_s, args.whole, final, args.words, args.int8)
    model = open_model(open_bundle(args.bundle), args.lang, options)
    if isinstance(model, Chunked) and model.streams.whole_clips:
        print(f"xlt stream: {_WHOLE_CLIPS}", file=sys.stderr)
    if args.source is None or args.realtime:
        warm(model)
    # own sound comes in order, and however much of it was lost, what follows is heard
    session, source = Session(model, not args.one_pass, wait_s=0.0, gap_s=math.inf), _source(args)
    if args.source is None:
        print("xlt stream: listens to the microphone; Ctrl-C ends", file=sys.stderr)
    with _interruptible() as interrupted:
        _write(session, source, args, interrupted)


def _refuse(args: argparse.Namespace) -> None:
    from xlt.stream.session import RATES

    live = args.source in (None, PIPE)
    if args.realtime and live:
        raise ConfigError("--realtime: is for a file; leave it out, or name a file")
    if args.rate is not None and not live:
        raise ConfigError(f"--rate {args.rate}: a file says its rate itself; leave it out")
    if args.rate is not None and not RATES[0] <= args.rate <= RATES[1]:
        raise ConfigError(
            f"--rate {args.rate}: expected {RATES[0]} to {RATES[1]} samples a second; leave it out"
        )
    if args.device is not None and args.source is not None:
        raise ConfigError(f"--device {args.device}: is for the microphone; leave it out, or {args.source}")
    if args.one_pass and (args.final or args.whole):
        other = "--final" if args.final else "--whole"
        raise ConfigError(f"--one_pass: does not fit {other}; leave one of them out")
    if args.source == PIPE and os.isatty(0):
        raise ConfigError(f"{PIPE}: is the keyboard, expected a pipe; leave it out for the microphone")


def _source(args: argparse.Namespace) -> Buffered:
    from xlt.audio.files import SAMPLE_RATE
    from xlt.stream import sources

    rate = args.rate or SAMPLE_RATE
    if args.source is None:
        from xlt.stream.microphone import of_microphone

        return sources.Buffered(of_microphone(rate, args.device), _KEPT_S, drops=True)
    if args.source == PIPE:
        # unbuffered: a thread that waits in a buffer would hinder the end of the process
        return sources.Buffered(sources.of_pipe(open(0, "rb", buffering=0, closefd=False), rate), _READ_S)
    blocks = sources.of_file(args.source)
    return sources.Buffered(sources.in_real_time(blocks) if args.realtime else blocks, _READ_S)


def _write(
    session: Session, source: Buffered, args: argparse.Namespace, interrupted: threading.Event
) -> None:
    """Until the source or the user ends; what was said up to then has its final text."""
    from xlt.stream.screen import writer

    out, behind = writer(args.format, sys.stdout), False
    live = args.source is None or args.realtime

    def write(events: list[Event]) -> None:
        for event in events:
            out.write(event)

    try:
        for block in source:
            if interrupted.is_set():
                source.stop()
            if block is None:
                continue
            was, behind = behind, live and source.behind_s > (_CAUGHT_UP_S if behind else _BEHIND_S)
            if behind and not was:
                out.tell(
                    f"{source.behind_s:.1f} s behind: partial results are left out until it has caught up"
                )
            write(session.hear(block.samples, block.rate, block.place, partials=not behind))
    except DataError:
        write(session.end())
        raise
    finally:
        out.close()
    write(session.end())
    out.close()


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event; the second one interrupts."""
    seen = threading.Event()

    def stop(*_: object) -> None:
        if seen.is_set():
            raise KeyboardInterrupt
        seen.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
