"""Phone texts of a recipe's sets: ``data/tokens/phone/<set>.text``, a Kaldi text whose words are phones."""

from __future__ import annotations

from pathlib import Path

from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.features.copies import copies_of
from xlt.formats.tables import read_table, write_table
from xlt.phones.corpus import languages_of, sets


def write_phone_texts(ctx: Context, out: Path) -> dict:
    """Write ``<set>.text`` into ``out``; returns what each converter met. Altered copies say what their
    utterance says.
    """
    from xlt.phones.g2p import phones_of

    paths = {ctx.data / name / "text": name for name in sets(ctx)}
    tables = {path: read_table(path) for path in paths}
    if not tables[ctx.data / ctx.cfg.train_set / "text"]:
        raise DataError(
            f"{ctx.data / ctx.cfg.train_set / 'text'}: holds no utterances; there is nothing to learn from"
        )
    made, facts = phones_of(
        tables, {path: languages_of(ctx, name) for path, name in paths.items()}, ctx.cfg.phones
    )
    for path, name in paths.items():
        texts = {
            copy.name(utt): text for copy in copies_of(ctx.cfg, name) for utt, text in made[path].items()
        }
        write_table(out / f"{name}.text", dict(sorted(texts.items(), key=lambda item: item[0].encode())))
    return facts
