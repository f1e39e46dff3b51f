"""A bundle as the model of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.bundle.auto import AUTO, Auto
from xlt.core.errors import ConfigError, XltError
from xlt.stream.whole import Told, Whole

if TYPE_CHECKING:
    from xlt.bundle.opened import Bundle
    from xlt.bundle.transcribe import Transcriber
    from xlt.stream.model import Model


@dataclass(frozen=True)
class Options:
    """``chunk_s``: seconds of a chunk, one of those that the model was trained for, None: its usual one;
    ``whole``: partial results are repeated looks at what was said, for a model that does not stream;
    ``final``: another bundle, which gives the final texts; ``words``: file of words to prefer; ``int8``:
    the encoder hears chunks in int8, which is faster, and final texts are as exact as always.
    """

    chunk_s: float | None = None
    whole: bool = False
    final: Bundle | None = None
    words: Path | None = None
    int8: bool = False


def open_model(bundle: Bundle, lang: str | None = None, options: Options = Options()) -> Model:
    """The recogniser of ``lang``, None: of the only language; ``auto``: looks at all that was said, and the
    language of each piece is told. ConfigError, with what to do, for a bundle that does not stream, chunks
    that its model was not trained for, and a language that is not there.
    """
    if lang == AUTO:
        return _told(bundle, options)
    first = bundle.head(lang)
    last = first if options.final is None else _final(options.final, bundle.named(lang))
    hot = (_hotwords(first, options.words), _hotwords(last, options.words))
    if options.whole:
        if options.chunk_s is not None:
            raise ConfigError(f"--chunk_s {options.chunk_s:g}: does not fit --whole; leave one of them out")
        if options.int8:
            raise ConfigError("--int8: does not fit --whole; leave one of them out")
        return Whole(last, hot[1])
    from xlt.stream.chunked import Chunked

    try:
        streams = first.streams(options.chunk_s, "int8" if options.int8 else None)
    except XltError as err:
        if options.chunk_s is not None or options.int8:
            raise
        raise type(err)(
            f"{err}, or give --whole: the model then looks at what was said once a second"
        ) from None
    return Chunked(streams, first, last, hot)


def warm(model: Model) -> None:
    """Have it hear a second of noise: what is loaded late is there before somebody speaks."""
    import numpy as np

    from xlt.audio.cut import Cut
    from xlt.audio.files import SAMPLE_RATE

    noise = np.random.default_rng(0).uniform(-0.1, 0.1, SAMPLE_RATE).astype(np.float32)
    live = model.open(0)
    live.push(noise)
    live.close()
    model.final(Cut(0, noise))


def _told(bundle: Bundle, options: Options) -> Model:
    """The model of all languages, whose pieces are looked at as a whole: chunks would have to be heard in
    each of them."""
    given = {"--chunk_s": options.chunk_s, "--final": options.final, "--words": options.words}
    for name, value in {**given, "--int8": options.int8 or None}.items():
        if value is not None:
            raise ConfigError(f"{name}: does not fit --lang {AUTO}; name the language, or leave it out")
    return Told(Auto(bundle))


def _final(bundle: Bundle, lang: str) -> Transcriber:
    """The recogniser of ``lang`` in a second bundle."""
    if lang not in bundle.languages:
        raise ConfigError(
            f"--final {bundle.folder}: recognises {', '.join(bundle.languages)}, expected {lang}; give a"
            " bundle of the same language"
        )
    return bundle.head(lang)


def _hotwords(transcriber: Transcriber, words: Path | None) -> dict[str, float] | None:
    return None if words is None else transcriber.hotwords(words)
