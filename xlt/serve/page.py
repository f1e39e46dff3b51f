"""The page at ``/``: one file, which loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import HTMLResponse, Response


def response(corrections: bool = False) -> Response:
    """The page, with a policy that lets the browser run its own script and nothing else; ``corrections``:
    whether it asks for corrected pieces.
    """
    text = files(__package__ or "xlt.serve").joinpath("page.html").read_text("utf-8")
    if not corrections:
        text = re.sub(r"<!-- corrections -->.*?<!-- end -->\n", "", text, flags=re.S)
    policy = (
        f"default-src 'none'; script-src {_digest(text, 'script')}; style-src {_digest(text, 'style')};"
        " connect-src 'self'; media-src blob:; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(text, headers=headers)


def _digest(text: str, tag: str) -> str:
    """The hash of the one element ``tag``, as Content Security Policy level 2 writes it."""
    (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
