"""chrF2 by sacrebleu (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"): higher is
better.

The value is sacrebleu's own. Its resampling is seeded through the environment and gives no percentile
interval, so the interval here is computed from sacrebleu's statistics of each utterance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlt.metrics.bootstrap import interval
from xlt.metrics.metric import Metric
from xlt.metrics.result import Score

if TYPE_CHECKING:
    import numpy as np


def f_scores(sums: np.ndarray, beta: int = 2) -> np.ndarray:
    """chrF of each row of ``sums`` (R, 3 n): n-grams of hypothesis, reference and both, for n-gram orders 1 …
    n.

    Precision and recall are averaged over the orders that both sides have; a row without any is 0.
    """
    import numpy as np

    hyp, ref, both = (sums[:, k::3].astype(float) for k in range(3))  # (R, n)
    used = (hyp > 0) & (ref > 0)
    orders = np.maximum(used.sum(axis=1), 1)  # (R,)
    precision = np.divide(both, hyp, out=np.zeros_like(both), where=used).sum(axis=1) / orders
    recall = np.divide(both, ref, out=np.zeros_like(both), where=used).sum(axis=1) / orders
    bottom = beta**2 * precision + recall
    return 100 * np.divide(
        (1 + beta**2) * precision * recall, bottom, out=np.zeros_like(bottom), where=bottom > 0
    )


def chrf(pairs: list[tuple[str, str]], resamples: int, rng: np.random.Generator) -> Score:
    """chrF2 of (reference, hypothesis) texts, 0 to 100; ``n_ref`` counts reference characters without
    spaces.
    """
    import numpy as np
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    refs, hyps = [ref for ref, _ in pairs], [hyp for _, hyp in pairs]
    value = metric.corpus_score(hyps, [refs]).score
    statistics = np.array(metric._extract_corpus_statistics(hyps, [refs]), dtype=np.int64)  # (N, 3 n)
    own = dict(word.split(":", 1) for word in str(metric.get_signature()).split("|"))
    options = {
        "tok": "sacrebleu",
        **{k: v for k, v in own.items() if k != "version"},
        "sacrebleu": own["version"],
    }
    return Score(
        "chrF2",
        value,
        interval(statistics, f_scores, resamples, rng),
        len(pairs),
        sum(len("".join(ref.split())) for ref in refs),
        options,
        rates=tuple(f_scores(statistics)),
    )


CHRF2 = Metric("chrF2", "Character n-gram F-score", chrf, unit="", better="higher")
