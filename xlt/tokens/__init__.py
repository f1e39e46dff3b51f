"""Stage 4: the token list of the training text, with proof that every text survives encode → decode unchanged."""

from __future__ import annotations

from pathlib import Path

from xlt.config import load
from xlt.errors import ConfigError, DataError
from xlt.kaldi_io import read_table
from xlt.log import say
from xlt.stage import Context, Unit, need, run_unit, write_json
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer


def run(ctx: Context) -> None:
    """Write ``ctx.tokens``: ``tokens.txt``, ``tokens.json`` and, for bpe, ``bpe.model``."""
    text = ctx.data / ctx.cfg.train_set / "text"
    need(ctx, text, stage="data")

    others = [_text_of(Path(recipe)) for recipe in ctx.cfg.written_too]

    def make(out: Path) -> dict:
        texts = read_table(text)
        if not texts:
            raise DataError(f"{text}: holds no utterances; there is nothing to learn from")
        learned = [line for path in (text, *others) for line in read_table(path).values()]
        train_tokenizer(learned, ctx.cfg.tokens.type, ctx.cfg.tokens.size, out, where=str(text))
        tokenizer = Tokenizer(out)
        prove_round_trip(tokenizer, texts, text)
        facts = {"type": ctx.cfg.tokens.type, "count": len(tokenizer.tokens), "texts": len(texts)}
        write_json(out / "tokens.json", facts)
        say(f"  {facts['count']} tokens ({facts['type']}); {len(texts)} training texts come back unchanged")
        report_unseen(ctx, tokenizer)
        return facts

    run_unit(ctx, Unit("tokens", ctx.tokens, ctx.cfg.section("tokens"), [text, *others], make))


def _text_of(recipe: Path) -> Path:
    """The training text of another recipe; ConfigError if there is none."""
    if not (recipe / "recipe.yaml").exists():
        raise ConfigError(f"tokens.union: {recipe}: no recipe is there (no recipe.yaml); name recipe directories, e.g. [../spa]")
    path = recipe / "data" / load(recipe).train_set / "text"
    if not path.exists():
        raise ConfigError(f"tokens.union: {path}: not there; make it: {recipe / 'run.sh'} --stop_stage data")
    return path


def prove_round_trip(tokenizer: Tokenizer, texts: dict[str, str], path: Path) -> None:
    """Raise DataError with file and line if a text is not the same after encode and decode."""
    for number, (utt, text) in enumerate(texts.items(), 1):
        back = tokenizer.decode(tokenizer.encode(text))
        if back != text:
            raise DataError(f"{path}:{number}: {utt}: the text {text!r} becomes {back!r} as {tokenizer.type} tokens; "
                            "remove double spaces and characters that look like tokens, or use tokens.type=char")


def report_unseen(ctx: Context, tokenizer: Tokenizer) -> None:
    """Say which characters of dev and test these tokens cannot write."""
    known = tokenizer.characters()
    for name in ("dev", "test"):
        path = ctx.data / name / "text"
        if not path.exists():
            continue
        counts: dict[str, int] = {}
        total = 0
        for text in read_table(path).values():
            for char in text:
                total += 1
                if char not in known:
                    counts[char] = counts.get(char, 0) + 1
        if counts:
            listed = " ".join(sorted(counts, key=lambda c: (-counts[c], c)))
            say(f"  {name}: {sum(counts.values())} of {total} characters are not among the tokens and cannot be "
                f"recognised (CER is at least {100 * sum(counts.values()) / total:.1f}): {listed}")
