"""Phone texts of a recipe's sets: ``data/tokens/phone/<set>.text``, a Kaldi text whose words are phones."""

from __future__ import annotations

from pathlib import Path

from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.formats.tables import read_table, write_table
from xlt.phones.corpus import languages_of, sets


def write_phone_texts(ctx: Context, out: Path) -> dict:
    """Write ``<set>.text`` into ``out``; returns what each converter met. Speed copies say what their
    utterance says.
    """
    from xlt.features.store import speed_name
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
        speeds = (
            ctx.cfg.features.speed if name == ctx.cfg.train_set and not ctx.cfg.features.on_the_fly else [1.0]
        )
        copies = {speed_name(utt, speed): text for speed in speeds for utt, text in made[path].items()}
        write_table(out / f"{name}.text", dict(sorted(copies.items(), key=lambda item: item[0].encode())))
    return facts
