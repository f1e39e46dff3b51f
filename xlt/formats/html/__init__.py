"""HTML pages that need nothing but themselves: one environment, one policy, one style sheet, shared scripts.

A package that writes a page has a folder with its template, which extends ``page.html`` of this folder, and
with the styles and scripts that only it needs. Shared parts lie here: ``base.css``, for light and dark;
``table.js``, which sorts, searches and filters tables, and says how they ask for it; ``macros.html``, for
templates to import; ``player.html``, ``.css`` and ``.js``, which play the sounds of :mod:`xlt.audio.players`.
Every text is escaped, and what cannot be seen or turns a line around is shown by its number. The policy lets
a browser load nothing and run no script but the page's own; with ``sound`` it may play sound files beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.formats.markdown import visible

if TYPE_CHECKING:
    from jinja2 import Environment

SHARED = Path(__file__).parent


def render(folder: Path, template: str, parts: Sequence[str], sound: bool = False, **values: object) -> str:
    """The page that ``template`` in ``folder`` makes of ``values``.

    ``parts``: names of the style sheets (.css) and scripts (.js) that it has, in this order, in ``folder`` or
    in :data:`SHARED`.
    """
    from markupsafe import Markup

    texts = {name: _part(folder, name) for name in parts}
    style = "\n".join(text for name, text in texts.items() if name.endswith(".css"))
    script = "\n".join(text for name, text in texts.items() if name.endswith(".js"))
    page = environment(folder).get_template(template)
    policy = security_policy(style, script, sound)
    return page.render(style=Markup(style), script=Markup(script), policy=policy, **values)


def _part(folder: Path, name: str) -> str:
    path = folder / name if (folder / name).exists() else SHARED / name
    return path.read_text(encoding="utf-8")


def environment(folder: Path) -> Environment:
    """Templates of ``folder`` and of :data:`SHARED`; what is put into them is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _finalized(value: object) -> object:
    from markupsafe import Markup

    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def security_policy(style: str, script: str, sound: bool = False) -> str:
    """What the page may do: show its own style, run its own script, with ``sound`` play files beside it;
    nothing else (https://www.w3.org/TR/CSP3).
    """
    style_hash, script_hash = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    )
    # a page that was opened from a folder has no origin that 'self' could mean in every browser
    media = " media-src 'self' file:;" if sound else ""
    return (
        f"default-src 'none'; img-src data:;{media} style-src {style_hash}; script-src {script_hash};"
        " base-uri 'none'; form-action 'none'"
    )
