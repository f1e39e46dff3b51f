"""``lm.type=ngram``: n-grams of the training texts, of further texts and of a word list, interpolated.

Characters are modelled by up to three parts: the texts; their words, each alone; the words of the list, each
alone. A word that is in none is possible at every place, so nothing is out of reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlt.core.context import Context
from xlt.core.errors import ConfigError, DataError
from xlt.core.log import say
from xlt.core.stage import write_json
from xlt.formats.tables import read_table
from xlt.lm import FACTS, FORMAT, sources
from xlt.text.scripts import writes_spaces
from xlt.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from xlt.lm.build import Builder
    from xlt.lm.mixture import Mixture
    from xlt.lm.model import LanguageModel

USER_MODEL = "model"  # beside it: lm.model, a link in an experiment, a copy in a bundle
UNITS = ("char", "word", "token")
_AGAIN = "make it again with --stage 5 --force; a bundle: copy it again"


class NGrams:
    """See :class:`xlt.lm.model.Kind`."""

    settings = ("tokens.type", "tokens.size", "data.normaliser", "data.keep", "lang", "phones")

    def inputs(self, ctx: Context) -> list[Path]:
        texts = [ctx.reference(ctx.cfg.train_set), ctx.reference("dev"), ctx.tokens / "tokens.txt"]
        held_out = [ctx.reference(name) for name in ctx.cfg.checked_sets[1:]] if ctx.cfg.lm.text else []
        model = [Path(ctx.cfg.lm.model)] if ctx.cfg.lm.model else []
        own = [*map(Path, ctx.cfg.lm.text), *sources.list_files(ctx.cfg)]
        own += [Path(ctx.cfg.phones.table)] if ctx.cfg.lm.spell and ctx.cfg.phones.table else []
        return [*texts, *held_out, *own, *model]

    def make(self, ctx: Context, out: Path) -> dict:
        from xlt.lm.build import Builder
        from xlt.lm.spelled import frequencies

        unit = unit_of(ctx)
        train = list(read_table(ctx.reference(ctx.cfg.train_set)).values())
        dev = list(read_table(ctx.reference("dev")).values())
        tokenizer = Tokenizer(ctx.tokens)
        builder = Builder(ctx, tokenizer, unit, train if ctx.cfg.lm.training_texts else [])
        mixture = builder.mixture(dev)
        for part in mixture.parts:
            part.model.save(out / f"{part.name}.npz")
        facts = builder.facts(mixture, dev)
        if not ctx.cfg.lm.spell:
            facts["frequencies"] = frequencies(train, tokenizer)
        if unit == "word":
            facts["words"] = builder.words(out)
        if ctx.cfg.lm.spell:
            facts["lexicon"] = _write_lexicon(ctx, builder, mixture, out)
        if ctx.cfg.lm.model:
            facts["model"] = _link(ctx, Path(ctx.cfg.lm.model), train, out)
        write_json(out / FACTS, FORMAT.stamped(facts))
        _say(facts)
        return {}

    def load(self, folder: Path, tokenizer: Tokenizer) -> list[Any]:
        """The interpolated model, and the user's own, if there is one; of whole words if it has a lexicon
        (:class:`xlt.lm.lexicon.Written`).
        """
        from xlt.lm.lexicon import LEXICON, Lexicon, Written, read_entries
        from xlt.lm.ngram import NGram
        from xlt.lm.spelled import Spelled, Without
        from xlt.lm.words import Words

        facts, mixture = read_mixture(folder)
        unit = facts["unit"]
        if spells := "lexicon" in facts:
            tokenizer = Tokenizer(folder)
        found: list[LanguageModel] = []
        if unit == "word":
            found.append(Words(NGram.load(folder / "words.npz"), mixture, tokenizer))
        else:
            found.append(Spelled(mixture, tokenizer, unit))
        if facts.get("frequencies"):
            found = [Without(found[0], facts["frequencies"], tokenizer)]
        if facts.get("model"):
            found.append(_open_users(folder, facts["model"]["unit"], mixture, tokenizer))
        if spells:
            lexicon = Lexicon(read_entries(folder / LEXICON))
            return [Written(model, lexicon, tokenizer) for model in found]
        return found


def read_mixture(folder: Path) -> tuple[dict[str, Any], Mixture]:
    """lm.json and the interpolated model in ``folder``; DataError if they are damaged."""
    from xlt.lm.mixture import Mixture, Part
    from xlt.lm.ngram import NGram

    facts = FORMAT.read(folder / FACTS, _AGAIN)
    try:
        names = [row["name"] for row in facts["parts"]]
        if facts["unit"] not in UNITS or not all(name.isidentifier() for name in names):
            raise KeyError
        parts = [
            Part(name, NGram.load(folder / f"{name}.npz"), row["restart"])
            for name, row in zip(names, facts["parts"], strict=True)
        ]
        weights = [row["weight"] for row in facts["parts"]]
        return facts, Mixture(parts, weights, facts["symbols"], space_of(facts["unit"]), facts["end_share"])
    except (KeyError, TypeError, AttributeError):
        raise DataError(f"{folder / FACTS}: damaged; {_AGAIN}") from None


def space_of(unit: str) -> str | None:
    """The symbol that ends a word."""
    return None if unit == "token" else " "


def unit_of(ctx: Context) -> str:
    """What the n-grams are of; ConfigError for words of a language that does not separate them, and for
    characters where the tokens are phones.
    """
    unit, phones = ctx.cfg.lm.unit, ctx.cfg.tokens.type == "phone" and not ctx.cfg.lm.spell
    if unit == "auto":
        return "token" if phones else "char"
    if unit != "token" and phones:
        raise ConfigError(f"lm.unit={unit}: with tokens.type=phone only phones are known; use lm.unit=token")
    if unit == "word" and not writes_spaces(ctx.cfg.lang):
        raise ConfigError(
            f"lm.unit=word: {ctx.cfg.lang} is written without spaces between words; use lm.unit=char"
        )
    return unit


def _write_lexicon(ctx: Context, builder: Builder, mixture: Mixture, out: Path) -> dict:
    """The words with their phones, and the characters that they are spelled with; what lm.json says."""
    from xlt.lm.lexicon import LEXICON, write_entries
    from xlt.lm.pronounce import entries
    from xlt.tokens.tokenizer import train_tokenizer

    found, facts = entries(ctx, builder.vocabulary, mixture)
    write_entries(out / LEXICON, found)
    train_tokenizer(["".join(sorted(builder.symbols))], "char", 0, out, "the lexicon")
    return facts


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
