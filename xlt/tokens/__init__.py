"""Stage 4: the token list of the training text, with proof that every text survives encode → decode
unchanged.

For phones it also writes the phone text of each set, which later stages read in place of ``data/<set>/text``.
"""

from __future__ import annotations

from pathlib import Path

from xlt.audio.augment import values
from xlt.core.config import load
from xlt.core.context import Context, need
from xlt.core.errors import ConfigError, DataError, MissingInput
from xlt.core.log import say
from xlt.core.stage import Unit, run_unit
from xlt.formats.tables import read_table
from xlt.phones import corpus
from xlt.tokens.tokenizer import Tokenizer, train_tokenizer


def run(ctx: Context) -> None:
    """Write ``ctx.tokens``: ``tokens.txt``, ``tokens.json``, for bpe ``bpe.model``, for phones
    ``<set>.text``.
    """
    kind = ctx.cfg.tokens.type
    text = ctx.data / ctx.cfg.train_set / "text"
    need(ctx, text, stage="data")
    config, inputs, versions = ctx.cfg.section("tokens"), [text], {}
    if kind == "phone":
        config |= {
            **ctx.cfg.section("phones", "features.on_the_fly"),
            **{f"features.{key}": value for key, value in values(ctx.cfg.features).items()},
            "g2p": corpus.choices(ctx),
        }
        inputs, versions = corpus.inputs(ctx), corpus.versions()

    others = _others(ctx)
    inputs += others
    mixed = [train for train, _ in ctx.cfg.mixed.values()]
    tagged = [ctx.cfg.train_set, *mixed] if ctx.cfg.tokens.language_tag else []
    inputs += [ctx.data / name / "utt2lang" for name in tagged]

    def make(out: Path) -> dict:
        path, g2p = text, {}
        if kind == "phone":
            from xlt.tokens import phone

            g2p = {"g2p": phone.write_phone_texts(ctx, out)}
            path = out / f"{ctx.cfg.train_set}.text"
        texts = read_table(path)
        if not texts:
            raise DataError(f"{path}: holds no utterances; there is nothing to learn from")
        files = (path, *(out / f"{name}.text" for name in mixed if kind == "phone"), *others)
        learned = [line for file in files for line in read_table(file).values()]
        languages = {lang for name in tagged for lang in corpus.languages_of(ctx, name).values()}
        where = ctx.display_path(path)
        facts = train_tokenizer(learned, kind, ctx.cfg.tokens.size, out, where, languages, **g2p)
        tokenizer = Tokenizer(out)
        prove_round_trip(tokenizer, texts, path)
        say(f"  {facts['count']} tokens ({facts['type']}); {len(texts)} training texts come back unchanged")
        report_unseen(ctx, tokenizer, out)
        return facts

    run_unit(ctx, Unit("tokens", ctx.tokens, config, inputs, make, versions=versions))


def _others(ctx: Context) -> list[Path]:
    """Training texts of the recipes whose characters are tokens as well; ConfigError where that cannot be."""
    if ctx.cfg.tokens.type != "phone":
        return [_text_of(recipe) for recipe in ctx.cfg.written_too]
    if ctx.cfg.tokens.union:
        raise ConfigError(
            "tokens.union: joins characters; with tokens.type=phone name the other recipes in train.mix, or"
            " train on several languages (egs/multi)"
        )
    return []


def _text_of(recipe: Path) -> Path:
    """The training text of another recipe; ConfigError if there is no recipe, MissingInput if it has no data
    yet.
    """
    if not (recipe / "recipe.yaml").exists():
        raise ConfigError(
            f"tokens.union: {recipe}: not a recipe folder (no recipe.yaml); give recipe directories, e.g."
            " [../spa]"
        )
    path = recipe / "data" / load(recipe).train_set / "text"
    if not path.exists():
        raise MissingInput(
            f"tokens.union: {path}: not found; make it: {recipe / 'run.sh'} --stop_stage data", "data"
        )
    return path


def check_kind(ctx: Context, trained: str) -> None:
    """ConfigError unless the settings and the experiment, trained on tokens of type ``trained``, agree on
    phones.
    """
    if (ctx.cfg.tokens.type == "phone") != (trained == "phone"):
        raise ConfigError(
            f"tokens.type={ctx.cfg.tokens.type}: {ctx.display_path(ctx.exp)} was trained on {trained} tokens;"
            f" give tokens.type={trained}, or another tag"
        )


def prove_round_trip(tokenizer: Tokenizer, texts: dict[str, str], path: Path) -> None:
    """Raise DataError with file and line if a text is not the same after encode and decode."""
    for number, (utt, text) in enumerate(texts.items(), 1):
        back = tokenizer.decode(tokenizer.encode(text))
        if back != text:
            raise DataError(
                f"{path}:{number}: {utt}: the text {text!r} becomes {back!r} as {tokenizer.type} tokens; "
                "remove double spaces and characters that look like tokens, or use tokens.type=char"
            )


def report_unseen(ctx: Context, tokenizer: Tokenizer, out: Path | None = None) -> None:
    """Say which characters, or phones, of the held-out sets these tokens cannot write; ``out``: where stage 4
    is writing now.
    """
    known = tokenizer.symbols()
    phones = tokenizer.type == "phone"
    for name in ctx.cfg.checked_sets[1:]:
        path = (out or ctx.tokens) / f"{name}.text" if phones else ctx.data / name / "text"
        if not path.exists():
            continue
        counts: dict[str, int] = {}
        total = 0
        for text in read_table(path).values():
            for symbol in text.split() if phones else text:
                total += 1
                if symbol not in known:
                    counts[symbol] = counts.get(symbol, 0) + 1
        if counts:
            listed = " ".join(sorted(counts, key=lambda c: (-counts[c], c)))
            what, rate = ("phones", "PER") if phones else ("characters", "CER")
            say(
                f"  {name}: {sum(counts.values())} of {total} {what} are not among the tokens and cannot be "
                f"recognised ({rate} is at least {100 * sum(counts.values()) / total:.1f}): {listed}"
            )
