"""A thousand damaged files of strangers (tests/faults/fuzz.py), and whether damage would be seen."""

import os
import pickle
import random
import socket
import subprocess
import sys

import pytest

from tests.faults import fuzz
from tests.faults.kinds import KINDS
from tests.faults.strangers import Kind
from xlt.core.config import ROOT

pytestmark = pytest.mark.slow
CASES, SECONDS = 1000, 60  # of the processor; FUZZ_SECONDS=3600 looks longer, at other cases


def test_nothing_of_a_stranger_runs_hangs_or_is_a_traceback(tmp_path):
    seconds = float(os.environ.get("FUZZ_SECONDS", SECONDS))
    words = ["--cases", "100000000", "--seed", "1"] if seconds > SECONDS else ["--cases", str(CASES)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzz", *words, "--seconds", str(seconds)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-400:]
    assert "with something found" in done.stdout


class _Payload:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def _hangs(folder):
    while True:
        pass


def _grows(folder):
    assert bytearray(b"x") * (100 << 20)


@pytest.mark.parametrize(
    ("opens", "said"),
    [
        (lambda folder: {}["a"], "KeyError"),
        (_hangs, "Hang"),
        (_grows, "took 0.1"),
        (lambda folder: os.system("true"), "os.system"),
        (lambda folder: subprocess.run(["true"], check=True), "subprocess.Popen"),
        (lambda folder: socket.create_connection(("127.0.0.1", 9), 1), "socket.connect"),
        (lambda folder: (folder / "PWNED").touch(), "code ran"),
        (lambda folder: pickle.loads(pickle.dumps(_Payload(folder.parents[1] / "out"))), "open"),
        (lambda folder: print("\ud800"), "UnicodeEncodeError"),
    ],
)
def test_what_must_not_happen_is_found(tmp_path, monkeypatch, opens, said):
    """In a process of its own, as it sets limits and hooks."""
    child = os.fork()
    if not child:
        status = 1
        try:
            kind = Kind(lambda rng: {"a": b"a"}, lambda data, rng: data, ("",), lambda folder: None)
            monkeypatch.setattr(fuzz, "KINDS", {"x": kind})
            monkeypatch.setattr(fuzz, "CASE_S", 0.3)
            monkeypatch.setattr(fuzz, "GROWTH", 64 << 20)
            (tmp_path / "box").mkdir()
            fuzzer = fuzz.Fuzzer(tmp_path / "box", 0)
            assert fuzzer.case("x", 0) is None
            fuzz.KINDS["x"] = Kind(kind.files, kind.damage, kind.hit, opens)
            found = fuzzer.case("x", 1) or ""
            status = 0 if said in found else 1
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("name", KINDS)
def test_cases_are_made_from_seed_and_number_alone(tmp_path, name):
    made = []
    for folder in ("a", "b", "c"):
        rng = random.Random(f"0 {name} {'12'[folder == 'c']}")
        KINDS[name].make(tmp_path / folder, rng)
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        made.append([(path.name, path.read_bytes()) for path in files])
    assert made[0] == made[1] != made[2]
