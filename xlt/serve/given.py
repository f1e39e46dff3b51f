"""What clients send in forms, and the addresses under which they give corrected pieces and take them back."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from xlt.serve import wishes
from xlt.serve.corrections import CLIP_BYTES, Corrections
from xlt.serve.guard import CORRECTIONS
from xlt.serve.problems import Problem, as_json
from xlt.serve.server import Server

_FIELD_BYTES = 64 << 10  # of a field that is no file
_FIELDS = ("file", "text", "language", "consent")
AGREED = "yes"


async def read_form(server: Server, request: Request) -> FormData:
    """The form that a request sends, which is to be closed; Problem (408) if it comes too slowly."""
    try:
        async with asyncio.timeout(server.limits.upload_s):
            return await request.form(max_files=1, max_fields=50, max_part_size=_FIELD_BYTES)
    except TimeoutError:
        raise Problem(
            408,
            f"body: not received within {server.limits.upload_s:g} s; send a compressed form, or parts",
            "timeout",
            None,
            {"Connection": "close"},
        ) from None


def add_corrections(app: FastAPI, server: Server, corrections: Corrections) -> None:
    """Let clients store corrected pieces, and delete them by the id that they got."""

    @app.post(CORRECTIONS)
    async def give(request: Request) -> Response:
        form = await read_form(server, request)
        try:
            sound, text, lang = await _given(form, server)
        finally:
            await form.close()
        name = await asyncio.to_thread(corrections.add, lang, sound, text)
        return as_json({"id": name, "object": "correction", "language": lang}, 201)

    @app.delete(CORRECTIONS + "/{name}")
    async def withdraw(name: str) -> Response:
        await asyncio.to_thread(corrections.remove, name)
        return as_json({"id": name, "object": "correction", "deleted": True})


async def _given(form: FormData, server: Server) -> tuple[bytes, str, str]:
    """The bytes of a clip, its text and the language; Problem (400) without consent, and for wrong fields."""
    for name in form:
        if name not in _FIELDS:
            raise Problem(
                400,
                f"{name[:80]}: unknown field; there are {', '.join(_FIELDS)}",
                "unknown_parameter",
                name[:80],
            )
    fields = {name: value if isinstance(value, str) else "" for name, value in form.items()}
    if fields.get("consent") != AGREED:
        raise Problem(
            400,
            f"consent: {fields.get('consent', '')[:80]!r}: nothing is stored without it; send {AGREED} if the"
            " person who speaks agrees",
            "consent_required",
            "consent",
        )
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Problem(400, "file: missing; send the piece as a WAV file", "missing", "file")
    if (file.size or 0) > CLIP_BYTES:
        raise Problem(
            400, f"file: of {file.size} bytes; a piece has at most {CLIP_BYTES}", "invalid_clip", "file"
        )
    lang = wishes.language(fields.get("language") or None, None, server.languages)
    return await file.read(), fields.get("text", ""), lang
