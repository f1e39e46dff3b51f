"""Whether Whisper's decoder can be trained on the texts (``train.family=whisper_ed``): its tokens spell every
script, some at the price of many tokens, and the language takes one of its language tokens.

Weights and tokenizer are not fetched here: as long as they are not there, that is told and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xlt.check.datadir import DataDir, Sets
from xlt.check.faults import Fault, Place
from xlt.core.config import Config
from xlt.core.errors import XltError
from xlt.core.files import sha256
from xlt.fetch.files import cache_root
from xlt.models.whisper.languages import AUTO, NEW, SETTING, check_new, language_token
from xlt.models.whisper.vocabulary import MANY_TOKENS, MAX_POSITIONS, SPANISH, Vocabulary
from xlt.text.scripts import writes_spaces
from xlt.upstreams.whisper_weights import at_hand, find_tokenizer, fits_base, tokenizer_at_hand

FAMILY = "whisper_ed"
MANY_A_CHARACTER = 2.0  # where words have no spaces between them; Thai has 0.9, Chinese 1.1, Lao 3.0
IDS = 10


class _Loaded(NamedTuple):
    """The vocabulary; None where it is not there yet, or cannot be used, for which reason."""

    vocabulary: Vocabulary | None
    error: XltError | None


def state(cfg: Config) -> dict[str, Any]:
    """What these rules read beside the texts."""
    try:
        path = _tokenizer(cfg)
    except XltError as err:
        return {"train.whisper_token": cfg.train.whisper_token, "tokenizer": str(err)}
    return {"train.whisper_token": cfg.train.whisper_token, "tokenizer": sha256(path) if path else None}


def _tokenizer(cfg: Config) -> Path | None:
    """tokenizer.json, if it is there. UpstreamError if it cannot be had."""
    cache = cache_root(cfg.data.cache)
    folder = at_hand(cfg.features.path, cache)
    if folder is None:
        return None
    found = tokenizer_at_hand(folder, cache)
    return found or (None if fits_base(folder) else find_tokenizer(folder, cache))


def _load(cfg: Config) -> _Loaded:
    try:
        path = _tokenizer(cfg)
        return _Loaded(Vocabulary.load(path.parent) if path else None, None)
    except XltError as err:
        return _Loaded(None, err)


def _loaded(sets: Sets, cfg: Config) -> _Loaded:
    return sets.once("whisper", lambda: _load(cfg))


def _vocabulary(sets: Sets, cfg: Config) -> Vocabulary | None:
    """That which the texts are written in; None with a model of another family."""
    return _loaded(sets, cfg).vocabulary if cfg.train.family == FAMILY else None


def _learned(sets: Sets, cfg: Config) -> Iterator[tuple[DataDir, Vocabulary]]:
    """The sets whose texts stage 6 reads; none where Whisper is used as it was published."""
    vocabulary = _vocabulary(sets, cfg)
    for name in (cfg.train_set, "dev"):
        if vocabulary and name in sets and not cfg.train.zero_shot:
            yield sets[name], vocabulary


def readable_tokenizer(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Whisper's tokenizer.json."""
    if cfg.train.family != FAMILY:
        return
    vocabulary, err = _loaded(sets, cfg)
    if err:
        yield Fault.of_error(err)
    elif vocabulary is None:
        where = Place("features.upstream")
        yield Fault("note", where, "Whisper is not on this machine yet", "check again after stage 3")


def known_language_token(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """The language token that the decoder is given for each language, and why."""
    if not (vocabulary := _vocabulary(sets, cfg)):
        return
    train = sets.get(cfg.train_set)
    languages = dict.fromkeys([cfg.lang or "", *(train.table("utt2lang").values() if train else ())])
    tokens: dict[str, str] = {}
    for lang in filter(None, languages):
        setting = cfg.train.whisper_token if lang == cfg.lang else AUTO
        try:
            token, why = language_token(lang, vocabulary, setting)
        except XltError as err:
            yield Fault.of_error(err)
            return
        tokens[lang] = token
        yield Fault(
            "note",
            Place(SETTING),
            f"{{lang}} {'takes' if token else 'gets'} the language token {{token!r}} ({{why}})",
            f"to take another one, set {SETTING}",
            values={"lang": lang, "token": token or NEW, "why": why},
        )
    try:
        check_new(tokens, cfg.lang, cfg.train.whisper_token)
    except XltError as err:
        yield Fault.of_error(err)


def texts_come_back(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts that Whisper's tokens do not bring back as they were."""
    for data, vocabulary in _learned(sets, cfg):
        for line in data.lines.get("text", ()):
            if not vocabulary.unchanged(line.value):
                yield Fault(
                    "error",
                    data.where("text", line.number),
                    "the text of {id!r} comes back from Whisper's tokens as {changed!r}",
                    "correct it, or leave it out with data.drop",
                    (line.key,),
                    {"id": line.key, "changed": vocabulary.decode(vocabulary.encode(line.value))},
                )


def texts_fit_the_decoder(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """Texts with more tokens than Whisper's decoder has positions."""
    for data, vocabulary in _learned(sets, cfg):
        room = MAX_POSITIONS - len(vocabulary.prompt("")) - 1
        sizes = {utt: len(vocabulary.encode(text)) for utt, text in data.table("text").items()}
        long = sorted((utt for utt, size in sizes.items() if size > room), key=lambda utt: -sizes[utt])
        if long:
            yield Fault(
                "error" if len(long) == len(sizes) else "warning",
                data.where("text", data.number("text", long[0])),
                "{count} of {total} texts have more than {room} of Whisper's tokens"
                " (worst: {worst!r}, {tokens})",
                "stage 6 leaves them out; cut the recordings (data.max_dur_s)",
                tuple(long[:IDS]),
                {
                    "count": len(long),
                    "total": len(sizes),
                    "room": room,
                    "worst": long[0],
                    "tokens": sizes[long[0]],
                },
            )


def few_tokens(sets: Sets, cfg: Config) -> Iterator[Fault]:
    """How many tokens a word of the training texts costs; a character, in scripts without spaces."""
    vocabulary, train = _vocabulary(sets, cfg), sets.get(cfg.train_set)
    texts = list(train.table("text").values()) if train else []
    if not vocabulary or not train or not any(texts):
        return
    spaced = writes_spaces(cfg.lang)
    if spaced:
        rate, many = vocabulary.tokens_per_word(texts), MANY_TOKENS
    else:
        rate, many = (
            sum(len(vocabulary.encode(text)) for text in texts) / sum(map(len, texts)),
            MANY_A_CHARACTER,
        )
    yield Fault(
        "warning" if rate > many else "note",
        train.where("text"),
        "{rate:.1f} of Whisper's tokens per {unit}",
        "Whisper spells this script in bytes, so its decoder takes longer to train and to decode; compare it"
        " with preset=fast, which has none"
        if rate > many
        else f"nothing to do (a {'word of Spanish' if spaced else 'character of Chinese'} costs"
        f" {SPANISH if spaced else 1.1})",
        values={"rate": round(rate, 2), "unit": "word" if spaced else "character"},
    )


CHECKS = (readable_tokenizer, known_language_token, texts_come_back, texts_fit_the_decoder, few_tokens)
