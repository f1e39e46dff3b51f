"""How paths are spelled. A recipe is a folder that can be moved: what its files and its messages name is
relative to it, and the programs read absolute paths, so that it does not matter where a process stands.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from xlt.core.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


def located(text: str, folder: Path) -> str:
    """The path ``text``, which is relative to ``folder`` or absolute or begins with ``~``, as an absolute
    one.

    ``..`` stays, as the operating system reads it: behind a symbolic link it is another folder than the text
    says.
    """
    return os.path.join(folder, os.path.expanduser(text))


def spelled(path: str | os.PathLike, recipe: Path) -> str:
    """``path`` as files of the recipe name it: relative to the folder ``recipe`` if it was meant so.

    >>> spelled("/egs/ron/../spa/exp/main", Path("/egs/ron")), spelled("/tmp/a.txt", Path("/egs/ron"))
    ('../spa/exp/main', '/tmp/a.txt')
    """
    path = Path(path)
    return str(path.relative_to(recipe)) if path.is_relative_to(recipe) else str(path)


def python_path() -> str:
    """PYTHONPATH of a process that is to find this package, and what this process finds by it."""
    return os.pathsep.join(filter(None, [os.fspath(ROOT), os.environ.get("PYTHONPATH")]))


def refuse_pipe(path: str | os.PathLike) -> None:
    """DataError if ``path`` is a pipe, a device or a socket, which may never end, or no name; what is not
    there is left to whoever opens it.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    except ValueError:  # NUL, or half of a character
        shown = os.fspath(path).encode("unicode_escape").decode()
        raise DataError(f"{shown}: no such file, as no file can be called so; correct the name") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: a pipe or a device, expected a file; remove it")


def plain(message: str, recipe: Path) -> str:
    """A message with the paths in it as the user of ``recipe`` knows them, relative to that folder.

    >>> plain("/egs/ron/data/dev/text:3: not UTF-8; run /egs/ron/run.sh", Path("/egs/ron"))
    'data/dev/text:3: not UTF-8; run run.sh'
    """
    folder = re.escape(os.fspath(recipe))
    message = re.sub(rf"(?<![\w./~-]){folder}/(?=[^\s/])", "", message)
    return re.sub(rf"(?<![\w./~-]){folder}(?![\w/-]|\.\w)", ".", message)
