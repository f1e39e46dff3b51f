import doctest
import errno
import re
import threading
from pathlib import Path

import pytest

from xlt.core import log, paths
from xlt.core.config import load
from xlt.core.errors import DataError
from xlt.core.paths import ROOT, located, plain

RECIPE = Path("/egs/ron")


def test_examples():
    assert doctest.testmod(paths) == (0, 2)


@pytest.mark.parametrize(
    ("given", "absolute"),
    [("a/b", "/egs/ron/a/b"), ("../spa", "/egs/ron/../spa"), ("/tmp/x", "/tmp/x"), ("~/c", "/home/ana/c")],
)
def test_located(monkeypatch, given, absolute):
    monkeypatch.setenv("HOME", "/home/ana")
    assert located(given, RECIPE) == absolute


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/egs/ron/data/text:3: bad", "data/text:3: bad"),
        ("init: /egs/ron/../spa/exp/main: no such folder", "init: ../spa/exp/main: no such folder"),
        ("dir='/egs/ron/a b', or (/egs/ron/c)", "dir='a b', or (c)"),
        ("in /egs/ron, and /egs/ron.", "in ., and .."),
        ("/egs/rons/a /x/egs/ron/a /egs/ron.old/a", "/egs/rons/a /x/egs/ron/a /egs/ron.old/a"),
    ],
)
def test_a_message_names_files_as_seen_from_the_recipe(message, shown):
    assert plain(message, RECIPE) == shown


def test_what_is_said_and_raised_inside_is_seen_from_the_recipe(tmp_path, capsys):
    with pytest.raises(DataError, match="^data/text: bad$"), log.messages_of(RECIPE):
        with log.to_file(tmp_path / "log" / "a.log"):
            log.say("making /egs/ron/data/all")
        raise DataError("/egs/ron/data/text: bad")
    with pytest.raises(OSError) as err, log.messages_of(RECIPE):
        raise OSError(errno.ENOSPC, "full", "/egs/ron/data/all")
    assert (err.value.filename, err.value.filename2) == ("data/all", None)
    log.say("/egs/ron/data/all")
    assert capsys.readouterr().out == "making data/all\n/egs/ron/data/all\n"
    assert (tmp_path / "log" / "a.log").read_text().endswith(" making data/all\n")


def test_commands_can_be_copied_from_where_the_user_stands(capsys):
    text = "mend it with: xlt cache verify --repair; `xlt data --help` lists them; xlt is here: xlt"
    log.say(text)
    with log.standing_in(ROOT / "egs" / "ron"):
        log.say(text)
    with log.standing_in(ROOT):
        log.say(text)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == text
    assert said[1] == text.replace(" xlt cache", " ../../tools/xlt cache").replace("`xlt", "`../../tools/xlt")
    assert said[2] == text.replace(" xlt cache", " tools/xlt cache").replace("`xlt", "`tools/xlt")


def test_two_recipes_in_two_threads(tmp_path):
    """Each has its own settings, paths, messages and log."""
    both = threading.Barrier(2)
    found = {}

    def work(name):
        recipe = tmp_path / name
        recipe.mkdir()
        (recipe / "recipe.yaml").write_text(f"lang: ron_Latn\ntag: {name}\ndata: {{dir: corpus}}\n")
        both.wait(20)
        cfg = load(recipe)
        with log.messages_of(cfg.recipe), log.to_file(recipe / "log"):
            both.wait(20)
            log.say(f"reads {cfg.data.dir} and {tmp_path / 'a'}/x and {tmp_path / 'b'}/x")
        found[name] = (cfg.tag, cfg.data.dir, (recipe / "log").read_text().split(" ", 2)[2])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    a, b = tmp_path / "a", tmp_path / "b"
    assert found["a"] == ("a", f"{a}/corpus", f"reads corpus and x and {b}/x\n")
    assert found["b"] == ("b", f"{b}/corpus", f"reads corpus and {a}/x and x\n")


def test_no_code_goes_by_where_the_process_stands(root):
    """But the command line, which is given relative paths."""
    way = re.compile(r"\bchdir\b|\bgetcwd\b|\bcwd\(\)|XLT_CWD")
    files = [path for path in (root / "xlt").rglob("*.py") if way.search(path.read_text("utf-8"))]
    there = {path.relative_to(root).as_posix() for path in files}
    assert there == {"xlt/cli.py"}
