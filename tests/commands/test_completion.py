"""``xlt completion``: asked of the shells themselves, as TAB asks them."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from xlt.cli import main
from xlt.commands.completion import script
from xlt.commands.parsers import COMMANDS
from xlt.core.config import ROOT
from xlt.core.context import STAGES
from xlt.core.schema import schema

# the words, as bash's readline parts them, and then the function that is registered for the command
_ASK = r"""
source ./completion
compopt() { echo "compopt $*"; }
COMP_LINE=$1 COMP_POINT=${#1}
COMP_WORDS=($(sed 's/=/ = /g' <<<"$1"))
[[ $1 != *[[:space:]=] ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
registered=$(complete -p "${COMP_WORDS[0]##*/}")
[[ $registered == *"-F _xlt "* ]] || exit 3
_xlt
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def bash(tmp_path):
    """What bash proposes for a line as far as it is typed; ``compopt`` of the words is among them."""
    (tmp_path / "completion").write_text(script("bash"))
    (tmp_path / "my recordings").mkdir()
    (tmp_path / "exp").mkdir()

    def ask(line: str) -> list[str]:
        found = subprocess.run(
            ["bash", "--norc", "-c", _ASK, "ask", line], cwd=tmp_path, capture_output=True, text=True
        )
        assert found.returncode == 0 and found.stderr == ""
        return [word for word in found.stdout.splitlines() if word]

    return ask


def test_commands_and_stages(bash):
    every = {*COMMANDS, *(stage.name for stage in STAGES), "--help", "--version"}
    assert set(bash("xlt ")) == every
    assert bash("tools/xlt tr") == ["train", "transcribe"]


def test_options_and_what_they_take(bash):
    assert bash("xlt score --comp") == ["--compare"]
    assert bash("xlt run --stop_stage de") == ["decode"]
    assert bash("xlt run --stop_stage=de") == ["decode"]
    assert bash("xlt transcribe --vad ") == ["on", "off"]
    assert bash("xlt run --nj ") == []
    assert bash("xlt run --recipe ex") == ["compopt -o filenames", "exp"]
    assert bash("xlt cache ") == ["ls", "gc", "verify"]
    assert {"adapt", "export", "train."} < set(bash("xlt lm "))  # a stage and a command


def test_settings_by_section_then_by_name_then_by_value(bash):
    assert bash("xlt train tr") == ["compopt -o nospace", "train."]
    found = bash("egs/ron/run.sh data.spl")
    assert set(found) == {"compopt -o nospace", "data.split=", "data.splits="}
    assert bash("egs/ron/run.sh tag=a data.split=c") == ["cross"]
    assert bash("xlt run train.freeze=") == ["auto", "upstream", "extractor", "none"]
    assert bash("xlt run features.on_the_fly=") == ["true", "false"]
    assert bash("xlt run decode.method=") == [
        "auto",
        *("attention beam combined greedy joint lexicon transducer".split()),
    ]
    assert bash("xlt run preset=whis") == ["whisper_ed", "whisper_zero"]
    assert bash("xlt run data.dir=my") == ["compopt -o filenames", "my recordings"]
    assert bash("xlt run train.lr=") == []


def test_every_setting_is_known(bash):
    found = {
        word
        for section in {key.split(".")[0] for key in schema() if "." in key}
        for word in bash(f"run.sh {section}.")
    }
    top = {word for word in bash("run.sh ") if word.endswith("=")}
    assert {word for word in found | top if word.endswith("=")} == {f"{key}=" for key in schema()}


def test_options_of_run_sh_are_those_that_it_has(bash):
    head = (ROOT / "egs/common/asr.sh").read_text().split("set -euo")[0]
    assert set(bash("./run.sh --")) == set(re.findall(r"^#   (--\w+)", head, re.M))


def test_words_with_an_equals_sign_where_it_parts_none(tmp_path):
    (tmp_path / "completion").write_text(script("bash"))
    ask = _ASK.replace("_xlt\n", "COMP_WORDBREAKS=' '\n_xlt\n", 1)
    words = ["bash", "--norc", "-c", ask, "ask", "xlt run data.split=c"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, text=True).stdout == "data.split=cross\n"


def test_the_script_is_printed(capsys):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out == script("bash")


def test_other_shells_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["completion", "fish"])
    assert "bash" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_parses(shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = Path(tmp_path / "completion")
    path.write_text(script(shell))
    assert subprocess.run([program, "-n", path], capture_output=True, text=True).stderr == ""


_SHELLS = {  # how each starts without the user's own settings, and loads the script
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source ./completion"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "autoload -U compinit; compinit -u -d ./dump; zstyle ':completion:*' insert-tab false;"
        " source ./completion",
    ),
}


def typed(shell, keys, folder):
    """What a shell on a terminal runs, with xlt replaced by a function that says what it was given."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    words, setup = _SHELLS[shell]
    (folder / "completion").write_text(script(shell))
    (folder / "xlt").write_text('#!/bin/sh\necho "ran [$*]"\n')
    (folder / "xlt").chmod(0o755)
    ours, theirs = pty.openpty()
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(folder)}
    started = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, start_new_session=True, env=environment
    )
    os.close(theirs)
    os.write(ours, "".join(f"{line}\n" for line in (setup, *keys, "exit")).encode())
    said = b""
    with contextlib.suppress(OSError):  # the shell has closed its side
        while part := os.read(ours, 65536):
            said += part
    started.wait()
    os.close(ours)
    return re.findall(r"^ran \[(.*)\]", said.decode(), re.M)


@pytest.mark.parametrize("shell", _SHELLS)
def test_tab_on_a_terminal(shell, tmp_path):
    keys = [
        "xlt transc\t",
        "xlt train data.split=c\t",
        "xlt run tok\tun\t",
        "xlt score --comp\t",
        "./xlt lm ad\t",
    ]
    assert typed(shell, keys, tmp_path) == [
        "transcribe",
        "train data.split=cross",
        "run tokens.union=",
        "score --compare",
        "lm adapt",
    ]
