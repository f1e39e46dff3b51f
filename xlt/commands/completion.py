"""``xlt completion bash|zsh``: a script by which a shell completes stages, commands, options and settings.

The words come from the parsers and the schema of settings; the script then works without Python.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

_FILES, _NOTHING = "@files", "@nothing"  # words that stand for files, and for a value that cannot be guessed
_RUN = "run.sh"  # of a recipe: xlt run without --recipe
_PLACES = {  # positional arguments that are no files
    "key=value": "@settings",
    "CODE_Script": _NOTHING,
    "TEXT": _FILES,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a script for the shell. To use it, write `source <(tools/xlt completion bash)` into ~/.bashrc,"
        " with the path of your checkout; for zsh, the same with zsh into ~/.zshrc, after compinit."
    )
    parser.add_argument("shell", choices=sorted(_SHELLS), help="the shell")


def main(args: argparse.Namespace) -> None:
    sys.stdout.write(script(args.shell))


def script(shell: str) -> str:
    """The text for a shell: a table of words, what may stand at a place, and how the shell asks for it."""
    return f"# written by xlt completion {shell}\n{_table()}{_PLACE}{_SHELLS[shell]}"


def _table() -> str:
    """A shell function that prints the words behind a key, a line each."""
    cases = [f"    {key}) printf '%s\\n' {shlex.join(words)} ;;" for key, words in _rows() if words]
    return "_xlt_words() {\n  case $1 in\n" + "\n".join(cases) + "\n  esac\n}\n"


def _rows() -> Iterator[tuple[str, list[str]]]:
    from xlt.commands.parsers import COMMANDS, command_parser, stage_parser
    from xlt.core.context import STAGES

    stages = [stage.name for stage in STAGES]
    yield "commands", sorted({*stages, *COMMANDS, "--help", "--version"})
    for name in sorted({*stages, *COMMANDS}):
        parsers = [stage_parser(name)] if name in stages else []  # bundle, lm and report are both
        parsers += [command_parser(name)] if name in COMMANDS else []
        yield from _of_parser(name, [action for parser in parsers for action in parser._actions], stages)
        if name == "run":
            own = [action for action in parsers[0]._actions if action.dest != "recipe"]
            yield from _of_parser(_RUN, own, stages, ["--list"])
    yield from _settings()


def _of_parser(
    name: str, actions: Iterable[argparse.Action], stages: list[str], more: Iterable[str] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Rows of one command: its options, what each takes, and what else may stand there."""
    options, words = list(more), []
    for action in actions:
        if not action.option_strings:
            words += _taken(action, stages)
            continue
        long = [option for option in action.option_strings if option.startswith("--")]
        options += long
        if action.nargs != 0:
            for option in long:
                yield f"takes.{name}.{option}", _taken(action, stages)
    yield f"options.{name}", sorted(set(options))
    yield f"words.{name}", list(dict.fromkeys(words))


def _taken(action: argparse.Action, stages: list[str]) -> list[str]:
    """The words that an argument can be."""
    if action.choices:
        return [str(choice) for choice in action.choices]
    if action.metavar == "N|name":
        return stages
    if not action.option_strings:
        return [_PLACES.get(str(action.metavar), _FILES)]
    several = isinstance(action.nargs, int) and action.nargs > 1  # --compare A B
    return [_FILES if action.type is Path or several or action.metavar in ("DIR", "FILE") else _NOTHING]


def _settings() -> Iterator[tuple[str, list[str]]]:
    """Rows of all settings and, where they can be listed, of their values."""
    from xlt.core.schema import paths, schema

    keys = schema()
    top = [key for key in keys if "." not in key]
    sections = list(dict.fromkeys(key.partition(".")[0] for key in keys if "." in key))
    yield "settings", [*(f"{key}=" for key in top), *(f"{section}." for section in sections)]
    for section in sections:
        yield f"settings.{section}", [f"{key}=" for key in keys if key.startswith(f"{section}.")]
    for key, hint in keys.items():
        yield f"values.{key}", [*_values(key, hint), *([_FILES] if key in paths() else [])]


def _values(key: str, hint: Any) -> list[str]:
    """The values of a setting that can be listed: choices, names in a registry, true and false, null."""
    from xlt.core.config import presets
    from xlt.core.registry import CHOICES, READERS

    origin = typing.get_origin(hint)
    if key == "preset":
        return presets()
    if key in CHOICES:
        registry, others = CHOICES[key]
        return [*others, *registry.names()]
    if origin is Literal:
        return [str(value) for value in typing.get_args(hint)]
    if origin in (types.UnionType, typing.Union):
        found = [word for part in typing.get_args(hint) for word in _values("", part)]
        return [*(READERS.names() if key == "data.reader" else []), *found]
    return {bool: ["true", "false"], type(None): ["null"]}.get(hint, [])


# What may stand at a place, for both shells: `_xlt_place COMMAND WORD PREVIOUS`, WORD as far as it is typed.
_PLACE = r"""_xlt_place() {
  case $2 in
    --*=*) _xlt_words "takes.$1.${2%%=*}"; return ;;
    -*) _xlt_words "options.$1"; return ;;
    *=*) _xlt_words "values.${2%%=*}"; return ;;
  esac
  case $3 in
    --*) if _xlt_words "takes.$1.$3" | grep -q .; then _xlt_words "takes.$1.$3"; return; fi ;;
  esac
  _xlt_words "words.$1" | while IFS= read -r word; do
    case $word in
      @settings) case $2 in *.*) _xlt_words "settings.${2%%.*}" ;; *) _xlt_words settings ;; esac ;;
      *) printf '%s\n' "$word" ;;
    esac
  done
}
"""

_BASH = r"""_xlt() {
  local line=${COMP_LINE:0:COMP_POINT} name=${COMP_WORDS[0]##*/} cur words value before='' word
  cur=${line##*[[:space:]]}
  if [[ $name == run.sh ]]; then
    words=$(_xlt_place run.sh "$cur" "${COMP_WORDS[COMP_CWORD-1]}")
  elif (( COMP_CWORD == 1 )); then
    words=$(_xlt_words commands)
  else
    words=$(_xlt_place "${COMP_WORDS[1]}" "$cur" "${COMP_WORDS[COMP_CWORD-1]}")
  fi
  value=$cur
  if [[ $cur == *=* ]]; then
    value=${cur#*=}
    [[ ${COMP_WORDBREAKS-} == *=* ]] || before=${cur%%=*}=
  fi
  COMPREPLY=()
  while IFS= read -r word; do
    case $word in
      @files)
        compopt -o filenames
        while IFS= read -r word; do COMPREPLY+=("$before$word"); done < <(compgen -f -- "$value") ;;
      @* | '') ;;
      "$value"*)
        [[ $word != *[=.] ]] || compopt -o nospace
        COMPREPLY+=("$before$word") ;;
    esac
  done <<<"$words"
}
complete -F _xlt xlt run.sh
"""

_ZSH = r"""_xlt() {
  local name=${words[1]:t} typed=$PREFIX previous=${words[CURRENT-1]} word
  local -a found
  if [[ $name != run.sh ]]; then
    if (( CURRENT == 2 )); then
      found=(${(f)"$(_xlt_words commands)"})
      compadd -a found
      return
    fi
    name=$words[2]
  fi
  found=(${(f)"$(_xlt_place $name "$typed" "$previous")"})
  [[ $typed != *=* ]] || compset -P 1 '*='
  for word in $found; do
    case $word in
      @files) _files ;;
      @*) ;;
      *[=.]) compadd -S '' -- "$word" ;;
      *) compadd -- "$word" ;;
    esac
  done
}
compdef _xlt xlt run.sh
"""
_SHELLS = {"bash": _BASH, "zsh": _ZSH}
