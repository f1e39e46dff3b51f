"""The page at ``/``, which loads nothing from elsewhere; its one other file reads the microphone."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import HTMLResponse, Response

CAPTURE = "/capture.js"  # where browsers can run it: beside the thread that draws the page


def response(corrections: bool = False) -> Response:
    """The page, with a policy that lets the browser run its own script and nothing else; ``corrections``:
    whether it asks for corrected pieces.
    """
    text = _read("page.html")
    if not corrections:
        text = re.sub(r"<!-- corrections -->.*?<!-- end -->\n", "", text, flags=re.S)
    script, style = _digest(text, "script"), _digest(text, "style")
    policy = (
        f"default-src 'none'; script-src {script} 'self'; style-src {style};"
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


def capture() -> Response:
    """The script at :data:`CAPTURE`."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return Response(_read("capture.js"), media_type="text/javascript", headers=headers)


def _read(name: str) -> str:
    return files(__package__ or "xlt.serve").joinpath(name).read_text("utf-8")


def _digest(text: str, tag: str) -> str:
    """The hash of the one element ``tag``, as Content Security Policy level 2 writes it."""
    (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"
