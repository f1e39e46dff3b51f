"""Which of Whisper's language tokens a language takes: its own, that of a relative, or a new one.

Families are Glottolog's, which URIEL has (:mod:`xlt.phones.uriel`), scripts are Unicode's likely ones
(CLDR, by langcodes).
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.text.languages import LANGUAGES, get, names_of, tag

if TYPE_CHECKING:
    import numpy as np

    from xlt.models.whisper.vocabulary import Vocabulary

AUTO, NEW = "auto", "new"
SETTING = "train.whisper_token"
# share of a language's branches that a relative shares: with less they have a family such as Indo-European in
# common and no more
NEAR = 0.25
_WHISPERS = {"jv": "jw", "nb": "no", "fil": "tl"}  # CLDR's code → Whisper's
_CLDRS = {"jw": "jv"}
_SAME_SCRIPT = {"Hant": "Hans", "Hani": "Hans"}


def language_token(lang: str, vocabulary: Vocabulary, setting: str = AUTO) -> tuple[str, str]:
    """The code of a language of ``vocabulary``, ``""`` for a new one, and why, for ``lang``, e.g. ron_Latn.

    ``setting``: auto, new, or a token, ``ro`` or ``<|ro|>``; ConfigError for one that is not there.
    """
    code = setting.removeprefix("<|").removesuffix("|>")
    known = vocabulary.languages
    if setting == NEW:
        return "", f"{SETTING}={NEW}"
    if setting != AUTO:
        if code not in known:
            near = _nearest(code, known)
            hint = f"did you mean {near}?" if near else f"its languages are {', '.join(sorted(known))}"
            raise ConfigError(
                f"{SETTING}={setting}: this Whisper has no such language; {hint} "
                f"({AUTO} chooses one, {NEW} makes one)"
            )
        return code, f"{SETTING}={setting}"
    if own := _own(get(lang).iso, known):
        return own, f"Whisper knows {_name(lang)}"
    if macro := _macro(get(lang).iso, known):
        return macro, f"Whisper knows {macro}, which includes {_name(lang)}"
    return _related(lang, tuple(known))


def own_token(lang: str, vocabulary: Vocabulary) -> str:
    """The code of ``lang`` itself, or of the macrolanguage that includes it; "" if Whisper has neither."""
    iso, known = get(lang).iso, vocabulary.languages
    return _own(iso, known) or _macro(iso, known)


def check_new(tokens: Mapping[str, str], lang: str | None, setting: str) -> None:
    """ConfigError if several languages have a new token, "" in ``tokens``: a model has room for one.

    ``lang``: the recipe's own, to which ``setting`` applies.
    """
    new = [one for one, token in tokens.items() if not token]
    if len(new) < 2:
        return
    own = f", or give {lang} one of Whisper's tokens, e.g. {SETTING}=es" if lang in new else ""
    raise ConfigError(
        f"{SETTING}={setting}: {', '.join(new)} would each get a new language token, but a model can learn"
        f" only one; train it on one of these languages (data.sources, train.mix){own}"
    )


def _own(iso: str, known: dict[str, int]) -> str:
    """Whisper's code of the language ``iso``; "" without."""
    code = _WHISPERS.get(tag(iso), tag(iso))
    return code if code in known else ""


def _macro(iso: str, known: dict[str, int]) -> str:
    """Whisper's code of the macrolanguage that ``iso`` is a member of; "" without."""
    from langcodes.data_dicts import MACROLANGUAGES

    code = MACROLANGUAGES.get(iso, "")
    return code if code in known else ""


def _name(lang: str) -> str:
    language = get(lang)
    return language.name if language.listed else lang


def _nearest(word: str, known: dict[str, int]) -> str:
    """The code that ``word`` may have meant: an ISO code, code_Script or a language's name; "" if none."""
    head = word.strip().lower().replace("-", "_").split("_")[0]
    for code in (head, _own(head, known)):
        if code in known:
            return code
    named = {lang.name.lower(): lang.iso for lang in LANGUAGES.values()}
    for name in difflib.get_close_matches(head, named, n=1):
        if own := _own(named[name], known):
            return own
    return next(iter(difflib.get_close_matches(head, known, n=1)), "")


@functools.cache
def _known(codes: tuple[str, ...]) -> tuple[dict[str, list[str]], dict[str, np.ndarray]]:
    """Branches and places of Whisper's languages: of a macrolanguage, of its best known member."""
    from langcodes.data_dicts import LANGUAGE_ALPHA3, NORMALIZED_MACROLANGUAGES

    from xlt.phones.uriel import branches, places

    members = {}
    for code in codes:
        usual = _CLDRS.get(code, code)
        members[code] = [LANGUAGE_ALPHA3.get(usual, usual)]
        members[code] += [iso for iso, macro in NORMALIZED_MACROLANGUAGES.items() if macro == usual]
    found = branches([iso for isos in members.values() for iso in isos])
    best = {code: max(isos, key=lambda iso: len(found.get(iso, []))) for code, isos in members.items()}
    there = places(list(best.values()))
    return (
        {code: found.get(iso, []) for code, iso in best.items()},
        {code: there[iso] for code, iso in best.items() if iso in there},
    )


def _script(code: str) -> str:
    """The script in which a language is usually written."""
    import langcodes

    script = langcodes.Language.make(language=_CLDRS.get(code, code)).maximize().script or ""
    return _SAME_SCRIPT.get(script, script)


@functools.cache
def _related(lang: str, codes: tuple[str, ...]) -> tuple[str, str]:
    """The nearest relative of ``lang`` in its script, and why; "" if there is none. Of those in the same
    branch, the one that is spoken nearest.
    """
    from xlt.phones.uriel import branches, places

    unknown = f"Whisper does not know {_name(lang)}"
    isos = names_of(get(lang).iso)
    own = next(iter(branches(isos).values()), [])
    here = next(iter(places(isos).values()), None)
    families, there = _known(codes)
    shared = {code: [branch for branch in own if branch in families[code]] for code in codes}

    def distance(code: str) -> tuple[int, float]:
        apart = here is not None and code in there
        return -len(shared[code]), float(((here - there[code]) ** 2).sum()) if apart else float("inf")

    near = [code for code in codes if shared[code] and len(shared[code]) >= NEAR * len(own)]
    near.sort(key=distance)
    script = _SAME_SCRIPT.get(lang[4:], lang[4:])
    best = next((code for code in near if _script(code) == script), "")
    if best:
        return best, f"{unknown}; {best} is its nearest relative in this script ({shared[best][-1]})"
    if near:
        return "", f"{unknown}, and its relatives ({', '.join(near[:3])}) are written in other scripts"
    return "", f"{unknown} and no near relative of it"
