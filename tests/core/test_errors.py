"""Errors: their fields, and that messages begin with a place (style: where, what was found, the remedy)."""

import ast
import collections
import copy
import doctest
import pickle
from pathlib import Path

import pytest

from tests import errors as helper
from tests.errors import raises, told
from xlt.core import errors, log
from xlt.core.config import ROOT
from xlt.core.errors import ConfigError, DataError, MissingInput, XltError


def fields(message: str) -> tuple:
    error = XltError(message)
    return error.where, error.file, error.line, error.setting, error.remedy


@pytest.mark.parametrize(
    ("message", "where", "file", "line", "setting", "remedy"),
    [
        ("data/text:3: bad; mend it", "data/text:3", "data/text", 3, "", "mend it"),
        ("text:3: u7: bad", "text:3", "text", 3, "", ""),
        ("egs/my ron/a b.csv:2: bad", "egs/my ron/a b.csv:2", "egs/my ron/a b.csv", 2, "", ""),
        ("x.deb: damaged: no ar; get it; again", "x.deb", "x.deb", None, "", "again"),
        ("tokens.json: damaged", "tokens.json", "tokens.json", None, "", ""),
        ("https://a.b/c.pt: not found", "https://a.b/c.pt", "https://a.b/c.pt", None, "", ""),
        ("lang: found x, expected y", "lang", "", None, "lang", ""),
        ("train.init: /a/b: gone", "train.init", "/a/b", None, "train.init", ""),
        ("features.dtype=int8: no", "features.dtype=int8", "", None, "features.dtype", ""),
        ("e.yaml:3: ron/a: r.yaml: train.lrr: unknown key", "e.yaml:3", "e.yaml", 3, "train.lrr", ""),
        ("command line 'a={b: 1}': train.lr: found x", "command line 'a={b: 1}'", "", None, "train.lr", ""),
        ("features.speed=[0.9, 1.0]: no", "features.speed=[0.9, 1.0]", "", None, "features.speed", ""),
        ("train.mix={a: 1}: train.lr: no", "train.mix={a: 1}", "", None, "train.mix", ""),
        ("--format srt: found 2 files", "--format srt", "", None, "", ""),
        ("xls_r_300m: cannot be loaded", "xls_r_300m", "", None, "", ""),
        ("features: worker 1 ended", "features", "", None, "", ""),
        ("utterance u7: a/b.wav: cut short", "", "", None, "", ""),
        ("a/b and c/d differ in this: x", "", "", None, "", ""),
        ("train.balance and train.mix: keep one", "", "", None, "", ""),
        ("2 errors, all in a/b. First:\na/text:3: bad", "", "", None, "", ""),
        ("", "", "", None, "", ""),
    ],
)
def test_fields_are_read_from_the_message(message, where, file, line, setting, remedy):
    assert fields(message) == (where, file, line, setting, remedy)


def test_fields_follow_the_message_and_cross_processes():
    error = MissingInput("/egs/ron/data/text:3: not found; run stage 1", "data")
    with pytest.raises(MissingInput) as caught, log.messages_of(Path("/egs/ron")):
        raise error
    for same in (caught.value, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (same.file, same.line, same.remedy, same.stage) == ("data/text", 3, "run stage 1", "data")


def test_the_helper_sees_what_differs():
    assert doctest.testmod(helper).failed == 0
    with raises(DataError, "u12", 3, where="text:3"):
        raise DataError("data/text:3: duplicate id 'u12'")
    for facts, where in ((["u1"], "text:3"), ([], "ext:3"), ([], "text"), ([], ""), (["id 'u13"], None)):
        with pytest.raises(pytest.fail.Exception), raises(DataError, *facts, where=where):
            raise DataError("data/text:3: duplicate id 'u12'")
    with pytest.raises(DataError), raises(ConfigError):
        raise DataError("data/text:3: duplicate id 'u12'")


def test_what_a_command_prints_is_an_error_too():
    printed = "UserWarning: x: y\nxlt data: data/text:3: duplicate id 'u12'; keep one\n"
    assert told(printed, "u12", where="text:3").remedy == "keep one"
    for facts, where in ((["u13"], None), ([], "text:4")):
        with pytest.raises(pytest.fail.Exception):
            told(printed, *facts, where=where)
    with pytest.raises(pytest.fail.Exception):
        told("Traceback: data/text:3: x\n")


KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, XltError)}

# Files with messages that begin with no place, and how many: lower these, never raise them.
WITHOUT_A_PLACE = {
    "xlt/check/__init__.py": 1,
    "xlt/commands/cache.py": 1,
    "xlt/commands/experiment.py": 1,
    "xlt/commands/new_recipe.py": 2,
    "xlt/commands/run.py": 1,
    "xlt/commands/transcribe.py": 1,
    "xlt/core/context.py": 1,
    "xlt/core/registry.py": 2,
    "xlt/data/corpora/recipes.py": 1,
    "xlt/data/splits.py": 1,
    "xlt/features/__init__.py": 1,
    "xlt/features/extract.py": 2,
    "xlt/features/layer_mix.py": 1,
    "xlt/features/probe.py": 2,
    "xlt/features/store.py": 1,
    "xlt/features/upkeep.py": 2,
    "xlt/models/espnet/balance.py": 2,
    "xlt/models/espnet/family.py": 2,
    "xlt/models/espnet/frontends/__init__.py": 1,
    "xlt/models/espnet/task.py": 1,
    "xlt/phones/choice.py": 2,
    "xlt/score/compare.py": 2,
    "xlt/upstreams/freeze.py": 1,
    "xlt/upstreams/s3prl_weights.py": 2,
}


def written(node: ast.expr) -> str | None:
    """A message with a number for each value after a colon, a word for others; None if it is no literal."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.BinOp):
        return written(node.left)
    if not isinstance(node, ast.JoinedStr):
        return None
    text = ""
    for part in node.values:
        text += str(part.value) if isinstance(part, ast.Constant) else "7" if text.endswith(":") else "x"
    return text


def without_a_place(source: str) -> list[str]:
    """The messages of errors in a module that begin with no place."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args)
    texts = [written(call.args[0]) for call in calls if getattr(call.func, "id", "") in KINDS]
    return [text for text in texts if text and not XltError(text + " ").where]


def test_messages_begin_with_a_place():
    found = collections.Counter()
    for file in sorted((ROOT / "xlt").rglob("*.py")):
        found[file.relative_to(ROOT).as_posix()] = len(without_a_place(file.read_text("utf-8")))
    assert {name: n for name, n in found.items() if n > WITHOUT_A_PLACE.get(name, 0)} == {}


def test_messages_without_a_place_are_seen():
    good, bad = 'DataError(f"{path}:{n}: bad")', 'DataError(f"bad {path}")\nConfigError("no" + "x: y")'
    assert (without_a_place(good), without_a_place(bad)) == ([], ["bad x", "no"])
