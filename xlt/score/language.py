"""Which language the model told of each utterance (``tokens.language_tag``), against the one that it is
in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from xlt.core.log import say
from xlt.metrics.ser import ser

NONE = "-"  # where the model told no language


def told(
    name: str,
    ids: Sequence[str],
    right: Mapping[str, str],
    found: Mapping[str, str],
    resamples: int,
    seed: int,
) -> dict:
    """``{value, ci95, n, told: {language: {told: utterances}}}``: the accuracy in percent, as ML-SUPERB's,
    with its interval.

    ``right``, ``found``: the language of each utterance of set ``name``, and the one told; says the accuracy.
    """
    pairs = [(right[utt], found.get(utt, NONE)) for utt in ids]
    wrong = ser(pairs, resamples, np.random.default_rng(seed))
    value, ends = round(100 - wrong.value, 3), [round(100 - end, 3) for end in reversed(wrong.ci95)]
    say(f"  {name}: language accuracy {value:.1f} [{ends[0]:.1f}, {ends[1]:.1f}], n:{len(pairs)}")
    counts = Counter(pairs)
    return {
        "value": value,
        "ci95": ends,
        "n": len(pairs),
        "told": {
            lang: {other: count for (of, other), count in sorted(counts.items()) if of == lang}
            for lang in sorted(set(right[utt] for utt in ids))
        },
    }
