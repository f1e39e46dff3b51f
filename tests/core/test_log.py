"""What is said, on a terminal and elsewhere."""

import contextlib
import io
import os

import pytest

from xlt.core import log
from xlt.core.log import Progress, complain, say


class Terminal(io.StringIO):
    def isatty(self):
        return True


@contextlib.contextmanager
def terminal():
    found = Terminal()
    with contextlib.redirect_stdout(found), contextlib.redirect_stderr(found):
        yield found


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_warnings_and_errors_have_colours_on_a_terminal():
    with terminal() as shown:
        say("  warning: text:3: twice")
        say("  note: 3 things")
        complain("xlt train: data/text: no such file")
    assert shown.getvalue() == (
        "\033[33m  warning:\033[0m text:3: twice\n  note: 3 things\n"
        "\033[31mxlt train:\033[0m data/text: no such file\n"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with terminal() as shown:
        say("  warning: a")
        complain("xlt: b")
    assert shown.getvalue() == "  warning: a\nxlt: b\n"


def test_files_have_no_colours(capsys):
    say("  warning: a")
    complain("xlt: b")
    assert capsys.readouterr() == ("  warning: a\n", "xlt: b\n")


@pytest.mark.parametrize("columns", [20, 80])
def test_a_bar_is_no_wider_than_the_terminal(monkeypatch, columns):
    monkeypatch.setattr(log.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    times = iter(range(100))
    monkeypatch.setattr(log.time, "monotonic", lambda: float(next(times)))
    with terminal() as shown:
        with Progress("a long description of a long work that goes on", 1000, "utterances") as bar:
            for _ in range(5):
                bar.add(10, note="0.123 s of processor time for each second of speech")
            lines = shown.getvalue().split("\r\033[K")[1:]
    assert len(lines) == 5 and {len(line) for line in lines} == {columns - 1}
    assert all(line.startswith("[") and "\n" not in line for line in lines)


def test_progress_to_another_stream_and_none(capsys):
    to = io.StringIO()
    for quiet in (False, True):
        with Progress("transcribed", 3, "s", to=to, quiet=quiet) as bar:
            bar.add(3)
    assert capsys.readouterr() == ("", "")
    assert to.getvalue() == "  transcribed: 3/3 s in 0 s\n"
