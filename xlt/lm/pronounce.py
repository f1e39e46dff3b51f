"""``lm.spell``: the words that a phone recogniser may write, with their phones.

What they are spelled with is a language's script, not the training texts: phones write letters that these
lack.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.text.scripts import parts, script, writes_spaces

if TYPE_CHECKING:
    from xlt.core.config import Config
    from xlt.core.context import Context
    from xlt.lm.lexicon import Entry
    from xlt.lm.mixture import Mixture

_SIGNS = "'’-·\u200c\u200d"  # in words: l'avi, col·lecció, Persian's joiners
_MOST = 0x30000  # Unicode's letters end there, but for tags and private use


def check(cfg: Config) -> None:
    """ConfigError unless the settings go with ``lm.spell``."""
    if cfg.lm.spell:
        where = "lm.spell=true"
        if cfg.tokens.type != "phone":
            raise ConfigError(
                f"{where}: turns phones into words, but tokens.type={cfg.tokens.type}; leave it out, or give"
                " tokens.type=phone"
            )
        if cfg.lm.type == "none":
            raise ConfigError(f"{where}: needs a language model, but lm.type=none; give lm.type=ngram")
        if not writes_spaces(cfg.lang):
            raise ConfigError(
                f"{where}: {cfg.lang} is written without spaces between words; leave it out, and score phones"
            )
        if cfg.train.mix or cfg.language.startswith("mul_"):
            raise ConfigError(f"{where}: one lexicon is of one language; leave it out for several")
        if cfg.lm.unit == "token":
            raise ConfigError(f"lm.unit=token: with {where} words are modelled; use lm.unit=char or word")
        if cfg.decode.hotwords:
            raise ConfigError(
                f"decode.hotwords: with {where} only words of the lexicon are written; put them into a list"
                " of your own, lm.words=FILE"
            )
        if cfg.decode.lattices:
            raise ConfigError(f"decode.lattices=true: {where} has one text for each utterance; leave it out")
        if cfg.decode.method not in ("auto", "lexicon"):
            raise ConfigError(
                f"decode.method={cfg.decode.method}: writes phones, but {where}; use decode.method=auto"
            )
    elif cfg.decode.method == "lexicon":
        raise ConfigError("decode.method=lexicon: needs the words of lm.spell=true; set it")


def alphabet(cfg: Config, lines: Iterable[str]) -> set[str]:
    """The characters that words of the language may have: letters and marks of its script, and those of its
    texts.
    """
    own = set(parts(cfg.language[4:]))
    found = {
        char
        for char in map(chr, range(ord("A"), _MOST))
        if unicodedata.category(char)[0] in "LM" and script(char) in own
    }
    return found | set(_SIGNS) | {" "} | {char for line in lines for char in line}


def entries(ctx: Context, words: Iterable[str], mixture: Mixture) -> tuple[list[Entry], dict]:
    """The words with their phones and log p by themselves; facts on the conversion.

    ConfigError if no converter knows the language, DataError if it does not read its script.
    """
    from xlt.lm.lexicon import Entry
    from xlt.phones.choice import choose
    from xlt.phones.g2p import G2p, report

    code = ctx.cfg.language
    g2p = G2p(choose(code, ctx.cfg.phones))
    spelled = sorted(set(words))
    made = list(zip(spelled, map(tuple, g2p(spelled)), strict=True))
    g2p.check()
    facts = g2p.facts()
    report(code, facts)
    found = [Entry(word, phones, logp(mixture, word)) for word, phones in made if phones]
    silent = len(made) - len(found)
    if not found:
        raise ConfigError(
            f"phones.g2p={ctx.cfg.phones.g2p}: no word has phones by {facts['g2p']}; give its letters IPA"
            " with phones.table=g2p.tsv"
        )
    say(f"  lexicon: {len(found):,} words" + (f"; {silent} without phones are left out" if silent else ""))
    several = len({one.phones for one in found})
    return found, {
        "g2p": facts["g2p"],
        "words": len(found),
        "pronunciations": several,
        "without_phones": silent,
    }


def logp(mixture: Mixture, word: str) -> float:
    """Natural log p of a word at a place of which nothing is known."""
    total, state = 0.0, mixture.step(mixture.start(), mixture.ids[" "])[1]
    for char in [*word, " "]:
        step, state = mixture.step(state, mixture.ids.get(char, 0))
        total += step
    return total if math.isfinite(total) else -1e4
