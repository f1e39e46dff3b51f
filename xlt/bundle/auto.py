"""Recordings in any of a bundle's languages: the language of each piece is told before it is recognised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import mean
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.formats.transcripts import Piece

if TYPE_CHECKING:
    from xlt.audio.cut import Cut
    from xlt.audio.files import Heard
    from xlt.audio.voice import Voice
    from xlt.bundle.clips import Clips
    from xlt.bundle.opened import Bundle
    from xlt.bundle.transcribe import Transcriber

AUTO = "auto"  # of --lang
Elsewhere = Callable[[str, "Cut"], str | None]


class Auto:
    """A bundle of several languages; ConfigError if it has no language identification.

    Pieces have a ``lang``, which is None where it is none of the bundle's, or silence: their text is empty;
    and ``lang_confidence``, the calibrated probability of the likeliest language that is known.
    """

    def __init__(self, bundle: Bundle):
        if bundle.identify is None:
            raise ConfigError(
                f"--lang {AUTO}: {bundle.folder} has no language identification; name the language, or train"
                f" it: xlt lid train {bundle.folder}"
            )
        self.bundle, self._identify = bundle, bundle.identify()

    @property
    def unknown(self) -> list[str]:
        """Languages of the bundle that are never told, since the classifier was not trained on them."""
        return [lang for lang in self.bundle.languages if lang not in self._identify.classifier.languages]

    @property
    def untimed(self) -> list[str]:
        """Languages whose models do not know when words were said; loads all of them."""
        return [lang for lang in self.bundle.languages if not self.bundle.head(lang).recogniser.has_ctc]

    @property
    def clips(self) -> Clips:
        """By which recordings are cut."""
        return self._first.clips

    @property
    def _first(self) -> Transcriber:
        return self.bundle.head(self.bundle.languages[0])

    def voice(self) -> Voice:
        """As :meth:`xlt.bundle.transcribe.Transcriber.voice`."""
        return self._first.voice()

    def pieces(
        self,
        path: str,
        channel: int | None = None,
        vad: bool | None = None,
        heard: Callable[[float], None] = lambda seconds: None,
        noticed: Heard | None = None,
        elsewhere: Elsewhere = lambda lang, cut: None,
    ) -> Iterator[Piece]:
        """As :meth:`xlt.bundle.transcribe.Transcriber.pieces`; the recording is cut as for the first of the
        languages. ``elsewhere``: see :meth:`piece`.
        """
        for cut in self._first.cuts(path, channel, vad, heard, noticed):
            yield self.piece(cut, elsewhere)

    def piece(self, cut: Cut, elsewhere: Elsewhere = lambda lang, cut: None) -> Piece:
        """The text of one of :meth:`xlt.bundle.transcribe.Transcriber.cuts`. ``elsewhere`` is given the
        pieces in known languages that the bundle does not have; if it says the language, so does the piece,
        without text.
        """
        from xlt.bundle.transcribe import empty_piece, is_loud

        if not is_loud(cut.samples):
            return {**empty_piece(cut), "lang": None}
        found = self._identify(cut.samples)
        lang = found.lang
        if lang in self.bundle.languages:
            piece = self.bundle.head(lang).piece(cut)
        else:
            piece = empty_piece(cut)
            lang = elsewhere(lang, cut) if lang else None
        piece["lang"], piece["lang_confidence"] = lang, round(found.probability, 4)
        return piece


def summary(pieces: Iterable[Piece]) -> str:
    """What a person is told of the languages of a recording; "" if nothing was said in it."""
    told: dict[str, list[float]] = defaultdict(list)
    none = []
    for piece in pieces:
        if "lang_confidence" not in piece:
            continue
        if piece["lang"] is None:
            none.append(f"{piece['start_s']:.1f}–{piece['end_s']:.1f} s")
        else:
            told[piece["lang"]].append(piece["lang_confidence"])
    parts = [
        f"{lang} in {len(sure)} {'piece' if len(sure) == 1 else 'pieces'} ({mean(sure):.0%} sure)"
        for lang, sure in sorted(told.items(), key=lambda item: -len(item[1]))
    ]
    if none:
        parts.append(f"none of the bundle's languages at {', '.join(none)}: left without text")
    return "; ".join(parts)
