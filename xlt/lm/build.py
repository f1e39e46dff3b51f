"""What a language model of n-grams is made of: its parts from texts and lists, and their weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.errors import ConfigError
from xlt.lm.mixture import Mixture, Part, learn_weights
from xlt.text.scripts import writes_spaces

if TYPE_CHECKING:
    from xlt.core.context import Context
    from xlt.lm.ngram import NGram
    from xlt.tokens.tokenizer import Tokenizer

ORDERS = {"char": 7, "word": 3, "token": 7}  # what lm.order=null means
LEAST = 0.01  # weight of a part below which it is left out
END_SHARE = 0.2  # of words that end a sentence, where no text says it
LONGEST = 10  # of the parts that know single words: long enough for most words whole


def estimated(sentences: Any, order: int, limit: int, weights: Any = None, **smoothing: Any) -> NGram:
    """The n-grams of ``sentences``, pruned to ``limit`` of them."""
    from xlt.lm.estimate import estimate
    from xlt.lm.prune import prune

    model = estimate(sentences, order, weights, **smoothing)
    return model if sum(model.counts) <= limit else prune(model, limit)


def vocabulary(lines: Iterable[str], order: int, limit: int, name: str = "vocabulary") -> Part:
    """The words of texts, each alone."""
    counts = Counter(word for line in lines for word in line.split())
    return Part(name, estimated(counts, order, limit, list(counts.values())), True)


def interpolated(
    parts: list[Part],
    symbols: Sequence[str],
    space: str | None,
    end_share: float,
    lines: Sequence[Sequence[str]],
) -> Mixture:
    """The parts with the weights under which ``lines`` are likeliest, without those that hardly help."""

    def learned(parts: list[Part]) -> list[float]:
        even = Mixture(parts, [1 / len(parts)] * len(parts), symbols, space, end_share)
        return learn_weights(even.probabilities(lines))

    weights = learned(parts)
    useful = [part for part, weight in zip(parts, weights, strict=True) if weight > LEAST or part is parts[0]]
    if len(useful) < len(parts):
        parts, weights = useful, learned(useful)
    return Mixture(parts, weights, symbols, space, end_share)


def rows(mixture: Mixture) -> list[dict[str, Any]]:
    """What lm.json says of the parts."""
    return [
        {
            "name": part.name,
            "restart": part.restart,
            "weight": round(weight, 6),
            "order": part.model.order,
            "ngrams": sum(part.model.counts),
        }
        for part, weight in zip(mixture.parts, mixture.weights, strict=True)
    ]


def perplexity(mixture: Mixture, lines: Sequence[Sequence[str]]) -> float:
    """Of each symbol of ``lines``, their ends included."""
    logp, symbols = sum(map(mixture.logp, lines)), sum(len(line) + 1 for line in lines)
    return math.exp(-logp / max(1, symbols))


class Builder:
    """Makes the parts that the settings ask for. What is of words is spelled by a mixture of characters."""

    def __init__(self, ctx: Context, tokenizer: Tokenizer, unit: str, train: list[str]):
        from xlt.lm import pronounce, sources

        self.ctx, self.unit, self.train = ctx, unit, train
        self.spelled = "token" if unit == "token" else "char"
        self.space = None if unit == "token" else " "
        self.cut: Callable[[str], Sequence[str]] = tokenizer.pieces if unit == "token" else list
        self.order = ctx.cfg.lm.order or ORDERS[unit]
        self.limit = ctx.cfg.lm.max_ngrams
        self.by_word = self.spelled == "char" and writes_spaces(ctx.cfg.lang)
        if unit == "token" and tokenizer.type == "phone" and ctx.cfg.lm.text:
            raise ConfigError(
                "lm.text: holds letters, but tokens.type=phone models phones; leave it out, or write words by"
                " lm.spell=true"
            )
        spell = ctx.cfg.lm.spell
        alphabet = pronounce.alphabet(ctx.cfg, train) if spell else tokenizer.symbols()
        self.texts = sources.read_texts(ctx, alphabet)
        self.list = sources.word_list(ctx.cfg, alphabet) if self.spelled == "char" else None
        if not train and not self.list and not self.texts:
            raise ConfigError(
                "lm.training_texts=false: leaves nothing to learn from, as there is neither lm.text nor a"
                " word list of lm.words; give one of them"
            )
        self.symbols = {symbol for line in self.lines for symbol in self.cut(line)}
        self.symbols |= {" ", *"".join(self.list.words if self.list else ())} if spell else alphabet

    @property
    def lines(self) -> list[str]:
        """All sentences."""
        return [*self.train, *(line for text in self.texts for line in text.lines)]

    def mixture(self, dev: list[str]) -> Mixture:
        order = self.order if self.unit != "word" else ORDERS["char"]
        longer = max(order, LONGEST) if self.by_word else order
        parts = []
        if self.train:
            parts.append(Part("texts", estimated(map(self.cut, self.train), order, self.limit)))
        for number, text in enumerate(self.texts, 1):
            parts.append(Part(f"text{number}", estimated(map(self.cut, text.lines), order, self.limit)))
        if self.by_word and self.lines:
            parts.append(vocabulary(self.lines, longer, self.limit))
        if self.list:
            words, weights = list(self.list.words), list(self.list.words.values())
            model = estimated(words, longer, self.limit, weights, smoothing="power_law")
            parts.append(Part("words", model, self.by_word))
        count = sum(len(line.split()) for line in self.train)
        ends = len(self.train) / count if count else END_SHARE
        if not self.train:  # nor may dev say how to weight them
            return Mixture(parts, [1 / len(parts)] * len(parts), sorted(self.symbols), self.space, ends)
        return interpolated(parts, sorted(self.symbols), self.space, ends, [self.cut(line) for line in dev])

    @property
    def vocabulary(self) -> set[str]:
        """The words of the list and of all sentences."""
        listed = self.list.words if self.list else ()
        return {*listed, *(word for line in self.lines for word in line.split())}

    def words(self, out: Path) -> dict:
        """Write the n-grams of words of all texts; what lm.json says of them."""
        if not self.lines:
            raise ConfigError("lm.unit=word: there are no texts to count words in; use lm.unit=char")
        model = estimated((line.split() for line in self.lines), self.order, self.limit)
        model.save(out / "words.npz")
        return {"order": self.order, "ngrams": sum(model.counts)}

    def facts(self, mixture: Mixture, dev: list[str]) -> dict:
        """What lm.json says."""
        words = [word for line in dev for word in line.split()] if self.by_word else []
        texts = {word for line in self.lines for word in line.split()}
        listed = self.list.words if self.list else {}
        cut = [self.cut(line) for line in dev]
        return {
            "unit": self.unit,
            "symbols": mixture.symbols,
            "end_share": mixture.end_share,
            "parts": rows(mixture),
            "sources": [
                *([{"what": "training texts", "lines": len(self.train)}] if self.train else []),
                *(text.facts._asdict() for text in self.texts),
                *([self.list.facts._asdict()] if self.list else []),
            ],
            "dev": {
                "perplexity": round(perplexity(mixture, cut), 3),
                "symbols": sum(len(line) + 1 for line in cut),
                "words": len(words),
                "not_in_texts": sum(word not in texts for word in words),
                "not_in_texts_or_list": sum(word not in texts and word not in listed for word in words),
            },
        }
