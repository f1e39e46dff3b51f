"""Several recipes as one: their finished data/all put together; no clip is decoded or copied again.

Utterance ids, speakers, texts, split and content stay those of the sources, and each source keeps its own
settings. Only where two sources have the same utterance id does every id get its language as a prefix. Where
a source's data/all is missing or out of date, its stage 1 is run there first.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from xlt.core.config import Config
from xlt.core.context import Context, find
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.core.stage import Unit, read_json, write_json
from xlt.data.groups import SPLITS
from xlt.data.normalisers import normaliser_of, normalisers
from xlt.data.sources import Source, named, sources
from xlt.data.subsets import TABLES, partial_tables, prefix_ids, write_tags
from xlt.formats.tables import read_table, spk2utt, write_table

_JOINED = (*TABLES, "utt2content", "utt2split")


def bring_up_to_date(name: str, own: Config, ctx: Context, setting: str = "data.sources") -> None:
    """Run stage 1 of the recipe in ``name`` under its settings ``own``."""
    with named(name, setting):
        find("data").run(Context(own.recipe, own, dry_run=ctx.dry_run, command="./run.sh"))


def unit(ctx: Context) -> Unit:
    """The unit that makes data/all; the sources are brought up to date first."""
    found = sources(ctx.cfg)
    for source in found:
        say(f"data: source {source.name}, {source.cfg.lang}")
        bring_up_to_date(source.name, source.cfg, ctx)
    config = {
        "data.reader": "recipes",
        "lang": ctx.cfg.lang,
        **ctx.cfg.section("data.sources"),
        "normalisers": normalisers(ctx.cfg),
    }
    return Unit(
        "data",
        ctx.data / "all",
        config,
        [source.everything for source in found],
        lambda out: join(ctx.cfg, found, out),
    )


def join(cfg: Config, found: list[Source], out: Path) -> dict:
    """Write the tables and the report of all ``found`` into ``out``; returns counts.

    DataError if a content is in different sets: a model would be tested on what it has heard in another
    language.
    """
    tables: dict[str, dict[str, str]] = {table: {} for table in _JOINED}
    owner: dict[str, str] = {}
    tags: dict[str, dict[str, str]] = {}
    parts = [_tables(source) for source in found]
    count = Counter(utt for own in parts for utt in own["text"])
    twice = sorted(utt for utt, times in count.items() if times > 1)
    if twice:
        first = next(source for source, own in zip(found, parts, strict=True) if twice[0] in own["text"])
        say(
            f"  {len(twice)} utterance ids are in several sources, first {twice[0]!r}: each id gets its"
            f" language as a prefix, such as {first.cfg.lang}_{twice[0]}"
        )
    for source, own in zip(found, parts, strict=True):
        if twice:
            own = prefix_ids(own, f"{source.cfg.lang}_")
        owner |= dict.fromkeys(own["text"], source.name)
        for table, rows in own.items():
            (tables if table in _JOINED else tags).setdefault(table, {}).update(rows)
    _refuse_leaks(tables, owner)
    for table, rows in tables.items():
        write_table(out / table, rows)
    write_tags(tags, tables["text"], out)
    write_table(out / "spk2utt", spk2utt(tables["utt2spk"]))
    report = _report(cfg, found)
    write_json(out / "report.json", report)
    say(f"  {len(found)} languages: {report['kept']} utterances, {report['minutes']['all']:.1f} minutes")
    return {"utterances": report["kept"], "minutes": report["minutes"]["all"]}


def _tables(source: Source) -> dict[str, dict[str, str]]:
    """All tables of a source's data/all, tags too; paths count from the recipe that joins, absolute ones stay
    as they are.
    """
    own = {
        table: read_table(source.everything / table)
        for table in (*_JOINED, *partial_tables(source.everything))
    }
    own["wav.scp"] = {
        utt: os.path.normpath(os.path.join(source.name, wav)) for utt, wav in own["wav.scp"].items()
    }
    return own


def _refuse_leaks(tables: dict[str, dict[str, str]], owner: dict[str, str]) -> None:
    first: dict[str, dict[str, str]] = {}  # content → set → an utterance of it
    for utt, content in tables["utt2content"].items():
        place = tables["utt2split"][utt]
        known = first.setdefault(content, {})
        for before, other in known.items():
            if place != before and ({place, before} <= set(SPLITS) or "train" in (place, before)):
                raise DataError(
                    f"{utt!r} of {owner[utt]} is in {place}, but {other!r} of {owner[other]}, which says the"
                    f" same ({content}), is in {before}; run stage 1 (data) of both again with --force, or"
                    " leave one out"
                )
        known.setdefault(place, utt)


def _report(cfg: Config, found: list[Source]) -> dict:
    """As a recipe of one language has it, summed over the sources, and ``languages`` with what differs."""
    parts = {str(source.cfg.lang): read_json(source.everything / "report.json", "data") for source in found}
    whole: dict = {key: sum(part[key] for part in parts.values()) for key in ("seen", "kept", "groups")}
    for key in ("minutes", "utterances"):
        total: Counter = sum((Counter(part[key]) for part in parts.values()), Counter())
        whole[key] = {name: round(value, 3) for name, value in total.items()}
    for key in ("left_out", "reasons", "unreadable"):
        whole[key] = {}
    for part in parts.values():
        for reason, ids in part["left_out"].items():
            whole["left_out"][reason] = sorted(whole["left_out"].get(reason, []) + ids)
        whole["reasons"] |= part["reasons"]
        whole["unreadable"] |= part["unreadable"]
    own = ("corpus", "facts", "normaliser", "seen", "kept", "groups", "split", "minutes", "utterances")
    by_language: dict[str, dict] = {}
    for source, (lang, part) in zip(found, parts.items(), strict=True):
        by_language[lang] = {"recipe": source.name, **{key: part[key] for key in own}}
    return {
        "corpus": " + ".join(sorted({part["corpus"] for part in parts.values()})),
        "lang": cfg.lang,
        "normaliser": normaliser_of(cfg),
        **whole,
        "languages": by_language,
    }
