"""Which language the model predicted for each utterance (``tokens.language_tag``), against the one that it
is in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from xlt.core.log import say
from xlt.formats.results import LanguageAccuracy
from xlt.metrics.bootstrap import Bootstrap
from xlt.metrics.ser import ser

NONE = "-"  # where the model predicted no language


def accuracy(
    name: str, right: Mapping[str, str], predicted: Mapping[str, str], boot: Bootstrap
) -> LanguageAccuracy:
    """The accuracy in percent, as ML-SUPERB's, with its interval and what was predicted; says it.

    ``right``, ``predicted``: the language of each utterance of set ``name``.
    """
    pairs = [(lang, predicted.get(utt, NONE)) for utt, lang in right.items()]
    wrong = ser(pairs, boot.resamples, boot.rng())
    value, ends = round(100 - wrong.value, 3), [round(100 - end, 3) for end in reversed(wrong.ci95)]
    say(
        f"  {name}: language recognised in {value:.1f}% of {len(pairs)} utterances (95% interval"
        f" {ends[0]:.1f} to {ends[1]:.1f})"
    )
    table: dict[str, dict[str, int]] = {lang: {} for lang in sorted(set(right.values()))}
    for (lang, other), count in sorted(Counter(pairs).items()):
        table[lang][other] = count
    return {"value": value, "ci95": ends, "n": len(pairs), "predicted": table}
