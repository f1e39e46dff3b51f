"""Print docs/settings.md, the reference of all settings, from egs/common/conf/*.yaml.

usage: python tools/settings_page.py > docs/settings.md
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from xlt.core.config import CONF_DIR, documented_keys  # noqa: E402

HEAD = """<!-- written by tools/settings_page.py from egs/common/conf/*.yaml; a test compares: do not edit -->
# Settings

Every setting with its default. Later sources override earlier ones: base.yaml, the preset, `recipe.yaml`,
and `key=value` on the command line.
In `recipe.yaml` a section is a block: `data.dir` is the key `dir` under `data:`. `null` means not set.
Relative paths in `recipe.yaml` start from the recipe's folder, those on the command line from the current
folder.
"""


def page() -> str:
    """The text of docs/settings.md."""
    sections: dict[str, list[str]] = {}
    for key, rest in documented_keys().items():
        default, _, meaning = (part.strip() for part in rest.partition("# "))
        cells = [f"`{key}`", f"`{default}`", meaning.replace("|", "\\|").replace("<", "\\<")]
        sections.setdefault(key.rpartition(".")[0], []).append(f"| {' | '.join(cells)} |")
    parts = [HEAD]
    for name, rows in sections.items():
        title = f"## {name}\n" if name else "## Recipe\n"
        parts.append("\n".join([title, "| setting | default | meaning |", "|---|---|---|", *rows, ""]))
    return "\n".join([*parts, _presets()])


def _presets() -> str:
    """A table of the presets: the first comment of each file."""
    rows = [
        f"| `{path.stem}` | {path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')} |"
        for path in sorted(CONF_DIR.glob("*.yaml"))
        if path.stem != "base"
    ]
    return "\n".join(["## Presets\n", "| `preset` | what it trains |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    sys.stdout.write(page())
