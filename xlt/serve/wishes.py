"""What a client asks for: the fields of a form, and of a WebSocket's settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xlt.bundle.auto import AUTO
from xlt.core.errors import ConfigError
from xlt.core.registry import FORMATS
from xlt.serve.problems import Problem
from xlt.text.languages import get, is_code, meant

OWN = ("json", "text", "verbose_json")  # forms of an answer that OpenAI has and xlt transcribe has not
STREAMED = ("json", "text")  # forms with which stream=true makes sense: events have the text
ANY_MODEL = ("xlt", "whisper-1")  # many programs cannot be told another name than the second
IGNORED = ("chunking_strategy", "include[]", "include")  # how OpenAI cuts, and what it adds
FIELDS = (
    "file",
    "model",
    "language",
    "prompt",
    "hotwords",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
    "timestamp_granularities",
    "stream",
    *IGNORED,
)
_MODEL = "xlt-"  # in front of a language's code: the model that is only that


@dataclass(frozen=True)
class Wish:
    """``lang``: one of the bundle's, or ``auto``; ``words``: whether the answer is to have words with their
    times; ``stream``: whether it is to come piece by piece."""

    lang: str
    form: str = "json"
    hotwords: tuple[str, ...] = ()
    words: bool = False
    stream: bool = False


def models(languages: Sequence[str], tells: bool = False) -> list[str]:
    """The names that a client may give as ``model``: the whole bundle, and each language; ``tells``: and
    language identification."""
    return [ANY_MODEL[0], *(f"{_MODEL}{lang}" for lang in ([AUTO] if tells else []) + list(languages))]


def read_form(fields: Mapping[str, list[str]], languages: Sequence[str], tells: bool = False) -> Wish:
    """The wish that a form's ``fields`` say; ``tells``: the language may be auto. Problem (400, 404) names
    the field that is wrong."""
    for name in fields:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FIELDS)}"
            raise Problem(400, f"{name[:80]}: unknown field; {hint}", "unknown_parameter", name[:80])
    one = {name: values[-1].strip() for name, values in fields.items()}
    form = one.get("response_format") or "json"
    if form not in forms():
        raise _wrong("response_format", form, f"one of {', '.join(forms())}")
    if (temperature := one.get("temperature")) and not _is_zero(temperature):
        raise _wrong("temperature", temperature, "0, as nothing is drawn at random; leave it out")
    stream = one.get("stream", "").lower() in ("true", "1")
    if stream and form not in STREAMED:
        raise _wrong("response_format", form, f"{' or '.join(STREAMED)} with stream=true")
    asked = {
        value
        for name in ("timestamp_granularities", "timestamp_granularities[]")
        for value in fields.get(name, [])
    }
    if wrong := asked - {"word", "segment"}:
        raise _wrong("timestamp_granularities", min(wrong), "word or segment")
    return Wish(
        language(one.get("language") or None, one.get("model") or None, languages, tells),
        form,
        hotwords([*fields.get("prompt", []), *fields.get("hotwords", [])]),
        "word" in asked or (form not in OWN and FORMATS.get(form).needs_words),
        stream,
    )


def forms() -> list[str]:
    """What ``response_format`` may be."""
    return list(dict.fromkeys([*OWN, "srt", "vtt", *FORMATS.entries]))


def language(given: str | None, model: str | None, languages: Sequence[str], tells: bool = False) -> str:
    """The language of the bundle that a client means: by its code (``ron_Latn``), BCP 47 (``ro``, ``ro-RO``)
    or name (``Romanian``), or by the model. With ``tells``, auto: also where there are several and neither
    says one, as OpenAI's clients expect. Problem (400, 404)."""
    only = None
    given = AUTO if given is not None and given.lower() == AUTO else given
    if model is not None and model not in ANY_MODEL:
        only = model.removeprefix(_MODEL)
        if model not in models(languages, tells):
            raise Problem(
                404,
                f"model: there is no {model[:80]!r}; give one of {', '.join(models(languages, tells))}",
                "model_not_found",
                "model",
            )
    if given == AUTO and not tells:
        raise Problem(
            400,
            f"language: {AUTO!r}: this server cannot tell languages; give one of {_listed(languages)}",
            "unknown_language",
            "language",
        )
    if given in (None, AUTO) and only:
        return only
    if given is None and len(languages) == 1:
        return languages[0]
    if given == AUTO or (given is None and tells):
        return AUTO
    only = None if only == AUTO else only
    if given is None:
        raise Problem(
            400,
            f"language: this server knows {_listed(languages)}; say which one is spoken",
            "language_required",
            "language",
        )
    found = _known(given, [only] if only else languages)
    if found is None:
        raise Problem(
            400,
            f"language: {given[:80]!r} is not among those of this server; give one of"
            f" {_listed([only] if only else languages)}",
            "unknown_language",
            "language",
        )
    return found


def _known(given: str, languages: Sequence[str]) -> str | None:
    """The one of ``languages`` that ``given`` names."""
    if given in languages:
        return given
    code = meant(given[:80])
    if code in languages:
        return code
    short, *others = re.split(r"[-_]", given.lower())
    same = [lang for lang in languages if short in (_short(lang), lang[:3])]
    if others and re.fullmatch(r"[a-z]{4}", others[0]):  # a script, as BCP 47 has it
        same = [lang for lang in same if lang.lower().endswith(others[0])]
    return same[0] if len(same) == 1 and not is_code(given) else None


def _short(lang: str) -> str:
    try:
        return get(lang).iso1
    except ConfigError:
        return ""


def _listed(languages: Sequence[str]) -> str:
    names = [f"{lang} ({get(lang).name})" if is_code(lang) else lang for lang in languages]
    return ", ".join(names)


def hotwords(texts: Sequence[str]) -> tuple[str, ...]:
    """Words and phrases between commas, semicolons and ends of lines, each once."""
    parts = [part.strip() for text in texts for part in re.split(r"[,;\n\r]+", text)]
    return tuple(dict.fromkeys(filter(None, parts)))


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False


def _wrong(name: str, found: str, expected: str) -> Problem:
    return Problem(400, f"{name}={found[:80]}: expected {expected}", "invalid_value", name)
