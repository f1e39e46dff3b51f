"""``lm.type=ngram``: n-grams of the training texts, of further texts and of a word list, interpolated.

Characters are modelled by up to three parts: the texts; their words, each alone; the words of the list, each
alone. A word that is in none is possible at every place, so nothing is out of reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.formats.tables import read_table
from xlt.lm import FACTS, FORMAT
from xlt.text.scripts import writes_spaces
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.lm.mixture import Mixture, Part
    from xlt.lm.model import LanguageModel
    from xlt.lm.ngram import NGram

ORDERS = {"char": 7, "word": 3, "token": 7}  # what lm.order=null means
LEAST = 0.01  # weight of a part below which it is left out
LONGEST = 10  # of the parts that know single words: long enough for most words whole
USER_MODEL = "model"  # beside it: lm.model, a link in an experiment, a copy in a bundle
_AGAIN = "make it again with --stage 5 --force; a bundle: copy it again"


class NGrams:
    """See :class:`xlt.lm.model.Kind`."""

    settings = ("tokens.type", "tokens.size", "data.normaliser", "lang")

    def inputs(self, ctx: Context) -> list[Path]:
        texts = [ctx.text(ctx.cfg.train_set), ctx.text("dev"), ctx.tokens / "tokens.txt"]
        held_out = [ctx.text(name) for name in ctx.cfg.checked_sets[1:]] if ctx.cfg.lm.text else []
        model = [Path(ctx.cfg.lm.model)] if ctx.cfg.lm.model else []
        own = [*map(Path, ctx.cfg.lm.text), Path(ctx.cfg.lm.words)]  # of words, a file or a name
        return [*texts, *held_out, *own, *model]

    def make(self, ctx: Context, out: Path) -> dict:
        tokenizer = Tokenizer(ctx.tokens)
        unit = unit_of(ctx)
        train = list(read_table(ctx.text(ctx.cfg.train_set)).values())
        dev = list(read_table(ctx.text("dev")).values())
        builder = _Builder(ctx, tokenizer, unit, train)
        mixture = builder.mixture(dev)
        for part in mixture.parts:
            part.model.save(out / f"{part.name}.npz")
        facts = builder.facts(mixture, dev)
        if unit == "word":
            facts["words"] = builder.words(dev, out)
        if ctx.cfg.lm.model:
            facts["model"] = _link(ctx, Path(ctx.cfg.lm.model), train, out)
        write_json(out / FACTS, FORMAT.stamped(facts))
        _say(facts)
        return {}

    def load(self, folder: Path, tokenizer: Tokenizer) -> list[LanguageModel]:
        """The interpolated model, and the user's own, if there is one."""
        from xlt.lm.mixture import Mixture, Part
        from xlt.lm.ngram import NGram
        from xlt.lm.spelled import Spelled
        from xlt.lm.words import Words

        facts = FORMAT.read(folder / FACTS, _AGAIN)
        try:
            unit = facts["unit"]
            parts = [
                Part(row["name"], NGram.load(folder / f"{row['name']}.npz"), row["restart"])
                for row in facts["parts"]
            ]
            weights = [row["weight"] for row in facts["parts"]]
            mixture = Mixture(parts, weights, facts["symbols"], _space(unit), facts["end_share"])
        except (KeyError, TypeError):
            raise DataError(f"{folder / FACTS}: damaged; {_AGAIN}") from None
        found: list[LanguageModel] = []
        if unit == "word":
            found.append(Words(NGram.load(folder / "words.npz"), mixture, tokenizer))
        else:
            found.append(Spelled(mixture, tokenizer, unit))
        if facts.get("model"):
            found.append(_open_users(folder, facts["model"]["unit"], mixture, tokenizer))
        return found


def unit_of(ctx: Context) -> str:
    """What the n-grams are of; ConfigError for words of a language that does not separate them, and for
    characters where the tokens are phones.
    """
    unit, phones = ctx.cfg.lm.unit, ctx.cfg.tokens.type == "phone"
    if unit == "auto":
        return "token" if phones else "char"
    if unit != "token" and phones:
        raise ConfigError(f"lm.unit={unit}: with tokens.type=phone only phones are known; use lm.unit=token")
    if unit == "word" and not writes_spaces(ctx.cfg.lang):
        raise ConfigError(
            f"lm.unit=word: {ctx.cfg.lang} is written without spaces between words; use lm.unit=char"
        )
    return unit


def _space(unit: str) -> str | None:
    return None if unit == "token" else " "


class _Builder:
    """Estimates the parts of a model. What is of words is spelled by a mixture of characters."""

    def __init__(self, ctx: Context, tokenizer: Tokenizer, unit: str, train: list[str]):
        from xlt.lm import sources

        self.ctx, self.unit, self.train, self.tokenizer = ctx, unit, train, tokenizer
        self.spelled = "token" if unit == "token" else "char"
        self.cut: Callable[[str], Sequence[str]] = tokenizer.pieces if unit == "token" else list
        self.order = ctx.cfg.lm.order or ORDERS[unit]
        self.by_word = self.spelled == "char" and writes_spaces(ctx.cfg.lang)
        if tokenizer.type == "phone" and ctx.cfg.lm.text:
            raise ConfigError("lm.text: holds letters, but tokens.type=phone models phones; leave it out")
        alphabet = tokenizer.symbols()
        self.texts = sources.read_texts(ctx, alphabet)
        self.list = sources.word_list(ctx.cfg, alphabet) if self.spelled == "char" else None

    def _estimate(self, sentences: Any, order: int, weights: Any = None, **smoothing: Any) -> NGram:
        from xlt.lm.estimate import estimate

        model = estimate(sentences, order, weights, **smoothing)
        limit = self.ctx.cfg.lm.max_ngrams
        if sum(model.counts) <= limit:
            return model
        from xlt.lm.prune import prune

        return prune(model, limit)

    def mixture(self, dev: list[str]) -> Mixture:
        from xlt.lm.mixture import Mixture, Part

        order = self.order if self.unit != "word" else ORDERS["char"]
        longer = max(order, LONGEST)
        texts = [*self.train, *(line for text in self.texts for line in text.lines)]
        parts: list[Part] = [Part("texts", self._estimate(map(self.cut, self.train), order))]
        for number, text in enumerate(self.texts, 1):
            parts.append(Part(f"text{number}", self._estimate(map(self.cut, text.lines), order)))
        if self.by_word:
            counts: dict[str, int] = {}
            for line in texts:
                for word in line.split():
                    counts[word] = counts.get(word, 0) + 1
            parts.append(Part("vocabulary", self._estimate(counts, longer, list(counts.values())), True))
        if self.list:
            words, weights = list(self.list.words), list(self.list.words.values())
            longer = longer if self.by_word else order
            model = self._estimate(words, longer, weights, smoothing="power_law")
            parts.append(Part("words", model, self.by_word))
        symbols = sorted(self.tokenizer.symbols() | {c for line in texts for c in self.cut(line)})
        ends = len(self.train) / max(1, sum(len(line.split()) for line in self.train))
        space, lines = _space(self.unit), [self.cut(line) for line in dev]
        weights = self._learned(Mixture(parts, [1 / len(parts)] * len(parts), symbols, space, ends), lines)
        useful = [place for place, weight in enumerate(weights) if weight > LEAST or not place]
        if len(useful) < len(parts):
            parts = [parts[place] for place in useful]
            weights = self._learned(
                Mixture(parts, [1 / len(parts)] * len(parts), symbols, space, ends), lines
            )
        return Mixture(parts, weights, symbols, space, ends)

    @staticmethod
    def _learned(mixture: Mixture, lines: list[Sequence[str]]) -> list[float]:
        from xlt.lm.mixture import learn_weights

        return learn_weights(mixture.probabilities(lines))

    def words(self, dev: list[str], out: Path) -> dict:
        """The n-grams of words of all texts."""
        lines = [*self.train, *(line for text in self.texts for line in text.lines)]
        model = self._estimate((line.split() for line in lines), self.order)
        model.save(out / "words.npz")
        return {"order": self.order, "ngrams": sum(model.counts)}

    def facts(self, mixture: Mixture, dev: list[str]) -> dict:
        """What lm.json says."""
        parts = [
            {
                "name": part.name,
                "restart": part.restart,
                "weight": round(weight, 6),
                "order": part.model.order,
                "ngrams": sum(part.model.counts),
            }
            for part, weight in zip(mixture.parts, mixture.weights, strict=True)
        ]
        logp = sum(mixture.logp(self.cut(line)) for line in dev)
        symbols = sum(len(self.cut(line)) + 1 for line in dev)
        words = [word for line in dev for word in line.split()] if self.by_word else []
        texts = {word for line in self.train for word in line.split()}
        texts |= {word for text in self.texts for line in text.lines for word in line.split()}
        listed = self.list.words if self.list else {}
        return {
            "unit": self.unit,
            "symbols": mixture.symbols,
            "end_share": mixture.end_share,
            "parts": parts,
            "sources": [
                {"what": "training texts", "lines": len(self.train)},
                *(text.facts._asdict() for text in self.texts),
                *([self.list.facts._asdict()] if self.list else []),
            ],
            "dev": {
                "perplexity": round(math.exp(-logp / max(1, symbols)), 3),
                "symbols": symbols,
                "words": len(words),
                "not_in_texts": sum(word not in texts for word in words),
                "not_in_texts_or_list": sum(word not in texts and word not in listed for word in words),
            },
        }


def _say(facts: dict) -> None:
    dev = facts["dev"]
    sources = ", ".join(
        f"{row['what']} ({row.get('words') or row.get('lines'):,} {'words' if row.get('words') else 'lines'})"
        for row in facts["sources"]
    )
    say(f"  from {sources}")
    unit = {"char": "character", "word": "character", "token": "token"}[facts["unit"]]
    say(f"  perplexity of dev: {dev['perplexity']:.2f} a {unit}")
    if dev["words"]:
        share = 100 * dev["not_in_texts_or_list"] / dev["words"]
        say(f"  words of dev that neither texts nor list have: {share:.0f}% of {dev['words']}")


def _link(ctx: Context, path: Path, train: list[str], out: Path) -> dict:
    """Put lm.model beside the others; what it is of."""
    from xlt.lm.kenlm import open_lm, unit_of

    unit = unit_of(open_lm(path), train)
    (out / (USER_MODEL + "".join(path.suffixes[-2:]))).symlink_to(path.resolve())
    return {"given": ctx.display_path(path), "unit": unit}


def _open_users(folder: Path, unit: str, mixture: Mixture, tokenizer: Tokenizer) -> LanguageModel:
    from xlt.lm.kenlm import open_lm
    from xlt.lm.spelled import Spelled, asked_by
    from xlt.lm.words import Words

    paths = sorted(folder.glob(f"{USER_MODEL}*"))
    if not paths or not paths[0].exists():
        raise DataError(f"{folder / FACTS}: its lm.model is not there; {_AGAIN}")
    model = open_lm(paths[0])
    if unit == "word":
        return Words(model, mixture, tokenizer)
    return Spelled(asked_by(model, mixture.symbols), tokenizer, unit)


NGRAM = NGrams()
