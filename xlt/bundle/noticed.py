"""Messages about a transcript: where it has no text, and where it is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xlt.formats.transcripts import Piece

_SHOWN = 5  # places; of the others their number


def without_text(pieces: Sequence[Piece]) -> str:
    """Why a recording, or parts of it that are no silence, have no text; "" if there is nothing to tell."""
    if not pieces:
        return "no text: voice activity detection found no speech; --vad off transcribes everything"
    if blank := [piece for piece in pieces if piece.get("blank")]:
        return (
            f"no text at {_places(blank)}: the model finds no letters in this sound; if somebody speaks"
            " there, it is unlike the training speech"
        )
    if all(not piece["text"] and "lang_confidence" not in piece for piece in pieces):
        return "no text: it is silent"
    return ""


def repetitions(pieces: Iterable[Piece]) -> str:
    """Where the attention decoder repeated itself; "" if nowhere."""
    looped = [piece for piece in pieces if piece.get("looped")]
    if not looped:
        return ""
    return (
        f"the attention decoder repeated itself at {_places(looped)}; its next best text was taken or the"
        " repetition cut: check these pieces"
    )


def _places(pieces: Sequence[Piece]) -> str:
    shown = ", ".join(f"{piece['start_s']:.1f}–{piece['end_s']:.1f} s" for piece in pieces[:_SHOWN])
    return shown + (f" and {len(pieces) - _SHOWN} more places" if len(pieces) > _SHOWN else "")
