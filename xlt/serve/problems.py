"""What went wrong, as OpenAI's JSON: ``{"error": {"message", "type", "param", "code"}}``
(https://platform.openai.com/docs/guides/error-codes).
"""

from __future__ import annotations

import http
import json
import math
from collections.abc import Mapping

from starlette.responses import Response

from xlt.core.errors import XltError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Problem(XltError):
    """An answer other than 200. The message begins with the field of the request and ends with a remedy;
    ``param``: the field; ``code``: a word for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict:
        """The JSON object."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def response(self) -> Response:
        """The same as an answer."""
        return as_json(self.body(), self.status, self.headers)


def as_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON, letters as they are."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Response(text, status, dict(headers or {}), "application/json")


def busy(seconds: float, what: str) -> Problem:
    """503: come back in ``seconds``."""
    headers = retry(seconds)
    return Problem(503, f"{what}; try again in {headers['Retry-After']} s", "busy", None, headers)


def retry(seconds: float) -> dict[str, str]:
    """The header that says when to come back."""
    return {"Retry-After": str(max(1, math.ceil(seconds - 1e-6)))}


def of_status(status: int) -> Problem:
    """For what the framework refuses: no such page, another method."""
    said = http.HTTPStatus(status).phrase.lower()
    return Problem(status, f"{said}; docs/serving.md lists what this server answers", said.replace(" ", "_"))
