"""``data.tags``: what is known of a whole corpus, such as its accent, as tags of its utterances."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from xlt.core.errors import ConfigError
from xlt.data.corpora import Utterance
from xlt.data.subsets import KNOWN


def check_tags(tags: Any, where: str = "data.tags") -> None:
    """ConfigError, which names ``where``, unless ``tags`` is ``{tag: value}`` and the tags can be tables."""
    for tag, value in tags.items() if isinstance(tags, dict) else [(tags, None)]:
        named = isinstance(tag, str) and re.fullmatch("[a-z0-9_]+", tag) and f"utt2{tag}" not in KNOWN
        if not named or not isinstance(value, (str, int, float)) or not str(value).strip():
            raise ConfigError(
                f"{where}: found {tag!r}: {value!r}, expected a tag and its value, such as {{accent: Mexico}}"
                "; a tag has small letters, digits and _, and is no table of Kaldi's"
            )


def tagged(utterances: Sequence[Utterance], tags: Mapping[str, Any]) -> list[Utterance]:
    """The utterances with ``tags``; of one that the corpus itself gives, its value stays."""
    given = {tag: str(value) for tag, value in tags.items()}
    return [dataclasses.replace(utt, tags={**given, **utt.tags}) for utt in utterances]
