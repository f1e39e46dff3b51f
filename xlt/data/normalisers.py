"""Which normaliser each text of a recipe gets, also where it takes the data of other recipes."""

from __future__ import annotations

from collections.abc import Callable

from xlt.core.config import Config
from xlt.core.errors import DataError
from xlt.data.sources import settings_of, sources
from xlt.text import languages
from xlt.text.normalise import check_name, keeping, normalise

# Readers of corpora on which results were published with version 1 of the normalisers. Version 2 makes the
# same of their texts, but has another name in stamps and signatures
_FIRST_VERSION = {"tuxpaint"}


def normalisers(cfg: Config) -> dict[str, str]:
    """``{language: normaliser}``: the setting data.normaliser, or the language's own, with the letters of
    data.keep; of each source of joined recipes.

    ConfigError if there is no such normaliser, or no such source.
    """
    if cfg.data.reader == "recipes":
        return {lang: name for source in sources(cfg) for lang, name in normalisers(source.cfg).items()}
    lang = languages.get(cfg.lang)
    own = lang.normaliser
    if cfg.data.reader in _FIRST_VERSION:
        own = own.replace("-v2", "-v1")
    return {lang.code: keeping(check_name(cfg.data.normaliser or own), cfg.data.keep)}


def _of_mixed(cfg: Config) -> dict[str, str]:
    """The same of the recipes that ``train.mix`` names."""
    if not cfg.mixed:
        return {}
    return {
        lang: name
        for recipe in cfg.mixed
        for lang, name in normalisers(settings_of(f"../{recipe}", cfg, "train.mix")).items()
    }


def normaliser_of(cfg: Config) -> str:
    """The name of the recipe's normaliser; of several, all: ``generic-v1+ron-v1``."""
    return "+".join(sorted(set(normalisers(cfg).values())))


def normalise_utterance(cfg: Config, utt2lang: dict[str, str], where: str) -> Callable[[str, str], str]:
    """A function of an utterance's id and text: the text by the normaliser of its language.

    ``utt2lang``: languages by utterance, from the file ``where``; only joined and mixed recipes need it.
    DataError for an utterance of joined recipes whose language is none of the sources'.
    """
    names = normalisers(cfg)
    one = next(iter(names.values())) if cfg.data.reader != "recipes" else ""
    names |= _of_mixed(cfg)

    def of(utt: str, text: str) -> str:
        name = names.get(utt2lang.get(utt, ""), one)
        if not name:
            raise DataError(
                f"{where}: utterance {utt!r} has the language {utt2lang.get(utt)}, expected one of "
                f"{', '.join(names)}; run stage 1 (data) again"
            )
        return normalise(text, name)

    return of
