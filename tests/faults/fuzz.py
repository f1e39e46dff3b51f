"""Damaged files of strangers: each is opened, or refused in one line.

    python -m tests.faults.fuzz                       # a thousand, or what a minute is enough for
    python -m tests.faults.fuzz --cases 50000 --seconds 3600 --seed 7
    python -m tests.faults.fuzz --case elan:17 --keep DIR  # one again; its files stay in DIR

A case is made from the seed, its kind and its number alone. Told as found are: any exception but an error of
xlt, or of the operating system with a remedy; more than CASE_S seconds of the processor; GROWTH of memory; a
process, a connection, or a change of files elsewhere, which would be code of the file's. Exit status: 0 for
nothing found, 1 otherwise. If the process itself crashes, its last line on standard error names the case.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.faults.kinds import KINDS
from tests.faults.mutate import PWNED
from tests.faults.strangers import Kind
from xlt.core.errors import XltError
from xlt.core.remedies import remedy

CASE_S = 20.0  # of the processor; the slowest takes a hundredth
GROWTH = 1 << 30  # bytes of memory beside what the libraries take
_RUNS = {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen", "pty.spawn"}
_ASKS = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
_CHANGES = {
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.link",
    "os.symlink",
    "os.truncate",
}


class Hang(BaseException):
    """No ``except Exception`` holds it up."""


class Watch:
    """Notes what a file must never do. Audit hooks cannot be removed, so it is switched on and off."""

    def __init__(self, sandbox: Path):
        self.sandbox = f"{os.path.realpath(sandbox)}/"
        self.on, self.seen = False, list[str]()
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple) -> None:
        if not self.on:
            return
        if event in _RUNS or event in _ASKS:
            self.seen.append(f"{event} {args!r:.200}")
        elif event in _CHANGES or (event == "open" and self._writes(args)):
            if isinstance(args[0], str | bytes | os.PathLike) and not self._inside(args[0]):
                self.seen.append(f"{event} {args[0]!r:.200}")

    @staticmethod
    def _writes(args: tuple) -> bool:
        return bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(args[2], int) else False

    def _inside(self, path: str | bytes | os.PathLike) -> bool:
        self.on = False
        try:
            folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
            real = os.path.join(os.path.realpath(folder), name, "")
        except ValueError:  # a name with NUL: nothing is written
            return True
        finally:
            self.on = True
        return real.startswith(self.sandbox) or os.fsdecode(path) == os.devnull


def _memory(key: str) -> int:
    """Bytes of this process that /proc/self/status has, e.g. of VmHWM, the peak."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise Hang after so much time of the processor, or ten times as much of the clock."""

    def hang(number, frame):
        raise Hang(f"more than {CASE_S:g} s")

    for kind, clock in ((signal.SIGVTALRM, signal.ITIMER_VIRTUAL), (signal.SIGALRM, signal.ITIMER_REAL)):
        signal.signal(kind, hang)
        signal.setitimer(clock, seconds * (10 if clock == signal.ITIMER_REAL else 1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


class Fuzzer:
    """Runs cases in the folder ``sandbox``."""

    def __init__(self, sandbox: Path, seed: int):
        self.sandbox, self.seed = sandbox, seed
        self.watch = Watch(sandbox)
        os.environ["XLT_CACHE"] = str(sandbox / "cache")
        tempfile.tempdir = str(sandbox)
        os.chdir(sandbox)
        for kind in KINDS.values():  # whole ones: the libraries are then loaded
            self._open(kind, kind.files(random.Random(0)))
        self.base = _memory("VmRSS")
        data = _memory("VmData") + 3 * GROWTH
        resource.setrlimit(resource.RLIMIT_DATA, (data, resource.getrlimit(resource.RLIMIT_DATA)[1]))

    def _open(self, kind: Kind, files: dict[str, bytes]) -> None:
        folder = self._fresh()
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        with contextlib.redirect_stdout(_strict()):
            kind.open(folder)

    def _fresh(self) -> Path:
        for name in ("case", "out", "cache"):
            shutil.rmtree(self.sandbox / name, ignore_errors=True)
        folder = self.sandbox / "case"
        folder.mkdir()
        return folder

    def case(self, name: str, number: int) -> str | None:
        """What was found in a case: a traceback or a line; None if it ended well."""
        folder = self._fresh()
        KINDS[name].make(folder, random.Random(f"{self.seed} {name} {number}"))
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the peak is counted anew
        self.watch.seen, self.watch.on, found = [], True, None
        try:
            with contextlib.redirect_stdout(_strict()), _no_longer_than(CASE_S):
                KINDS[name].open(folder)
        except XltError as err:
            found = None if str(err).strip() else "an error without words"
        except OSError as err:
            found = None if remedy(err) else traceback.format_exc()
        except (Exception, Hang):
            found = traceback.format_exc()
        finally:
            self.watch.on = False
        if self.watch.seen:
            found = "; ".join(self.watch.seen)
        if list(self.sandbox.rglob(PWNED)):
            found = f"code ran: it made {PWNED}"
        grown = _memory("VmHWM") - self.base
        return f"took {grown / 1e9:.2f} GB" if found is None and grown > GROWTH else found


def _strict() -> io.TextIOWrapper:
    """Where UTF-8 is asked of what is said, as on a terminal."""
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict", write_through=True)


def order(cases: int) -> Iterator[tuple[str, int]]:
    """Kind and number of each case; the kinds by turns, in proportion to their weights."""
    turn = [name for name, kind in KINDS.items() for _ in range(kind.weight)]
    random.Random(0).shuffle(turn)
    count = dict.fromkeys(KINDS, 0)
    for number in range(cases):
        name = turn[number % len(turn)]
        yield name, count[name]
        count[name] += 1


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget, of the processor (default: 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", metavar="KIND:NUMBER", help="only this one; what it leads to is printed")
    parser.add_argument("--kind", choices=KINDS, help="only this kind")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="a new folder for the files of the last case"
    )
    args = parser.parse_args(words)
    keep = args.keep.absolute() if args.keep else None
    with tempfile.TemporaryDirectory(prefix="xlt-fuzz-") as folder:
        sandbox = Path(folder)
        fuzzer, home = Fuzzer(sandbox, args.seed), Path("/")
        chosen = order(args.cases)
        if args.case:
            name, _, number = args.case.partition(":")
            chosen = iter([(name, int(number))])
        elif args.kind:
            chosen = ((args.kind, number) for number in range(args.cases))
        start, done, bad = time.process_time(), 0, 0
        for name, number in chosen:
            if time.process_time() - start > args.seconds:
                break
            print(f"\r{name}:{number}   ", end="", file=sys.stderr, flush=True)
            found = fuzzer.case(name, number)
            done += 1
            if found:
                bad += 1
                print(f"{name}:{number}: {found.strip()}\n", flush=True)
        if keep:
            shutil.copytree(sandbox / "case", keep)
        os.chdir(home)
    print(f"\r{done} cases of seed {args.seed}: {bad} with something found", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
