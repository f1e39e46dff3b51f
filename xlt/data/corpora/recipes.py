"""Several recipes as one: their finished data/all put together; no clip is decoded or copied again.

Utterance ids, speakers, texts, split and content stay those of the sources, and each source keeps its own
settings. Only where two sources have the same utterance id does every id get its language as a prefix. What
says the same as held-out speech of another source, in another language, is left out of train; and of dev,
where that is test speech. Where a source's data/all is missing or out of date, its stage 1 is run there
first.
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
from xlt.data.normalisers import normaliser_of, normalisers
from xlt.data.reasons import HELD_OUT, MEANINGS
from xlt.data.sources import Source, named, sources
from xlt.data.subsets import TABLES, partial_tables, prefix_ids, write_tags
from xlt.formats.tables import read_table, spk2utt, write_table

_JOINED = (*TABLES, "utt2content", "utt2split")
type Lost = dict[str, tuple[list[str], float]]  # set → ids, minutes


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
    """Write the tables and the report of all ``found`` into ``out``; returns counts. DataError if a set is
    empty then.
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
    lost = _held_out_elsewhere(tables, owner)
    report = _report(cfg, found, _sizes(lost, tables))
    for table, rows in tables.items():
        tables[table] = rows = {utt: value for utt, value in rows.items() if utt not in lost}
        write_table(out / table, rows)
    write_tags(tags, tables["text"], out)
    write_table(out / "spk2utt", spk2utt(tables["utt2spk"]))
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


def _held_out_elsewhere(tables: dict[str, dict[str, str]], owner: dict[str, str]) -> set[str]:
    """Utterances of train whose content is in another set of another source, and those of dev whose content
    is in test; it is told how many of each source.

    DataError if a source has nothing left in one of them.
    """
    split = tables["utt2split"]
    places: dict[str, dict[str, str]] = {}  # content → set → an utterance of it
    for utt, content in tables["utt2content"].items():
        places.setdefault(content, {}).setdefault(split[utt], utt)
    lost: dict[tuple[str, str], list[str]] = {}
    rest: Counter = Counter()
    example: dict[tuple[str, str], str] = {}
    for utt, content in tables["utt2content"].items():
        key = (owner[utt], split[utt])
        others = {"train": sorted({*places[content]} - {"train"}), "dev": ["test"]}.get(split[utt], [])
        if hit := next((places[content][name] for name in others if name in places[content]), None):
            lost.setdefault(key, []).append(utt)
            example.setdefault(key, f"{utt!r} says the same as {hit!r} of {owner[hit]}, in {split[hit]}")
        else:
            rest[key] += 1
    for (source, name), utts in lost.items():
        if not rest[source, name]:
            raise DataError(
                f"data.sources: {source}: nothing of its {name} is left, as other sources hold the same"
                f" contents out: {example[source, name]}; run stage 1 (data) of both again with --force, or"
                " leave one out"
            )
        minutes = sum(float(tables["utt2dur"][utt]) for utt in utts) / 60
        say(
            f"  {len(utts)} utterances of {source} ({minutes:.1f} minutes) are left out of {name}: other"
            f" sources hold the same contents out, e.g. {example[source, name]}"
        )
    return {utt for utts in lost.values() for utt in utts}


def _sizes(
    utts: set[str], tables: dict[str, dict[str, str]]
) -> dict[str, dict[str, tuple[list[str], float]]]:
    """``{language: {set: (ids, minutes)}}`` of some utterances."""
    found: dict[str, dict[str, tuple[list[str], float]]] = {}
    for utt in sorted(utts):
        own = found.setdefault(tables["utt2lang"][utt], {})
        ids, minutes = own.get(tables["utt2split"][utt], ([], 0.0))
        own[tables["utt2split"][utt]] = ([*ids, utt], minutes + float(tables["utt2dur"][utt]) / 60)
    return found


def _without(part: dict, lost: Lost) -> dict:
    """A source's report without the utterances ``lost`` of its sets."""
    if not lost:
        return part
    ids = [utt for own, _ in lost.values() for utt in own]
    gone = {name: minutes for name, (_, minutes) in lost.items()} | {
        "all": sum(minutes for _, minutes in lost.values())
    }
    return {
        **part,
        "kept": part["kept"] - len(ids),
        "minutes": {name: round(m - gone.get(name, 0.0), 3) for name, m in part["minutes"].items()},
        "utterances": {name: n - len(lost.get(name, ([],))[0]) for name, n in part["utterances"].items()},
        "left_out": {**part["left_out"], HELD_OUT: ids},
        "reasons": {**part["reasons"], HELD_OUT: MEANINGS[HELD_OUT]},
    }


def _report(cfg: Config, found: list[Source], lost: dict[str, Lost]) -> dict:
    """As a recipe of one language has it, summed over the sources without what is ``lost``, and ``languages``
    with what differs.
    """
    parts = {
        (lang := str(source.cfg.lang)): _without(
            read_json(source.everything / "report.json", "data"), lost.get(lang, {})
        )
        for source in found
    }
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
