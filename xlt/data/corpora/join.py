"""Several corpora of one language as one: ``data.parts``, each with its reader and place. Ids, texts and
splits stay theirs.

Each utterance gets the tag ``corpus``, the name of its reader, so that scores are sliced by it, and those
of the part's own ``tags``, such as ``{accent: Mexico}``.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from xlt.core.config import Config
from xlt.core.errors import ConfigError, DataError, XltError
from xlt.core.registry import READERS
from xlt.core.schema import check_setting
from xlt.data.corpora import Corpus
from xlt.data.corpora.tagged import check_tags, tagged
from xlt.data.groups import SPLITS

# settings of the whole recipe, which a part cannot have for itself
_WHOLE = (
    "cache",
    "normaliser",
    "keep",
    "digits",
    "train_minutes",
    "train_speakers",
    "min_dur_s",
    "max_dur_s",
    "max_chars_per_s",
    "min_chars_per_s",
    "parts",
    "further",
    "sources",
)


def parts(cfg: Config) -> dict[str, Config]:
    """The settings of each part by its name: that of its reader, with a number from the second of the same
    reader on.

    ConfigError unless ``data.parts`` lists corpora.
    """
    given = cfg.data.parts
    if not given or not all(isinstance(part, dict) and isinstance(part.get("reader"), str) for part in given):
        raise ConfigError(
            f"data.parts: found {given!r}, expected corpora such as [{{reader: commonvoice, dir: cv/sw}}, "
            "{reader: fleurs, dir: fleurs/sw_ke}]"
        )
    found: dict[str, Config] = {}
    for number, part in enumerate(given, 1):
        same = sum(other["reader"] == part["reader"] for other in given[:number])
        name = part["reader"] + (str(same) if same > 1 else "")
        found[name] = settings_of(part, cfg, f"data.parts, part {number}")
    return found


def settings_of(part: dict, cfg: Config, where: str) -> Config:
    """``cfg`` with the settings of ``part`` in its data section; ConfigError for one that is not for a part.

    ``where``: what lists the part, for the error.
    """
    for key, value in part.items():
        check_setting(f"data.{key}", value, where)
        if key in _WHOLE or (key == "reader" and value in ("join", "recipes")):
            raise ConfigError(f"{where}: {key}: {value} is not for a part; set it in data, or leave it out")
    if "tags" in part:
        check_tags(part["tags"], f"{where}: tags")
    own = dataclasses.replace(cfg.data, parts=None, further=[], dir=None, archive=None, tags={})
    return dataclasses.replace(cfg, data=dataclasses.replace(own, **part))


def read(cfg: Config) -> Corpus:
    """The utterances of all parts; DataError if an id is in two, or some have a split of their own and
    others none.
    """
    whole = Corpus("", [], defaultdict(list))
    owner: dict[str, str] = {}
    split: dict[str, bool] = {}
    for name, own in parts(cfg).items():
        try:
            corpus: Corpus = READERS.get(str(own.data.reader))(own)
        except XltError as err:
            err.args = (f"data.parts: {name}: {err}",)
            raise
        for utt in tagged(corpus.utterances, own.data.tags):
            if utt.id in owner:
                raise DataError(
                    f"data.parts: utterance {utt.id!r} is in {owner[utt.id]} and in {name}; leave one"
                    " part out"
                )
            owner[utt.id] = name
            split[name] = split.get(name, False) or utt.split in SPLITS
            whole.utterances.append(dataclasses.replace(utt, tags={**utt.tags, "corpus": name}))
        for reason, ids in corpus.left_out.items():
            whole.left_out[reason] += ids
        for further, size in corpus.unread.items():
            whole.unread[further] = whole.unread.get(further, 0) + size
        whole.facts[name] = {"corpus": corpus.name, "utterances": len(corpus.utterances), **corpus.facts}
        whole.name += (" + " if whole.name else "") + corpus.name
    if len(set(split.values())) > 1:
        has, none = (sorted(name for name in split if split[name] is kind) for kind in (True, False))
        raise DataError(
            f"data.parts: {', '.join(has)} has a train, dev and test set, {', '.join(none)} has not;"
            " give the latter a split (the reader table takes a column split), or leave it out"
        )
    return whole
