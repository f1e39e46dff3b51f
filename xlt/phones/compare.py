"""What a target language's phones have in common with those of source languages, and which source comes
first.

``rank(target_texts, source_texts)`` is all that others need: phone texts in, the sources in order out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from xlt.core.errors import DataError

# share of panphon's feature weights: one step of place or of height, or two of voice, strength and the like
NEAR = 0.035
# share of a language's phone tokens; what is rarer occurs in loan words and names, and teaches nothing
RARE = 0.001


@dataclass(frozen=True)
class Overlap:
    """What source ``name`` has of the target's phones.

    A phone that makes up less than :data:`RARE` of a language's tokens counts as no phone of it. ``jaccard``:
    phones of both / phones of either. ``exact``: share of the target's phone tokens that the source has, too;
    ``near``: that, or one within the distance. ``cost``: mean distance of the target's phone tokens to the
    nearest phone of the source, 0 to 1. ``missing``: the target's phones that the source lacks: (phone, its
    count, the source's nearest phone, their distance), the most frequent first; (…, "", 1.0) for a phone
    without features.
    """

    name: str
    jaccard: float
    exact: float
    near: float
    cost: float
    missing: list[tuple[str, int, str, float]]


def inventory(texts: Iterable[str]) -> Counter:
    """How often each phone occurs in phone texts such as ``"k a t"``."""
    return Counter(phone for text in texts for phone in text.split())


def common(phones: Counter) -> Counter:
    """The phones that are not rare."""
    least = RARE * sum(phones.values())
    return Counter({phone: count for phone, count in phones.items() if count >= least})


def overlap(target: Counter, source: Counter, name: str, within: float = NEAR) -> Overlap:
    """Compare two inventories; DataError if one is empty."""
    if not target or not source:
        raise DataError(f"{name}: no phones to compare")
    source, own = common(source), common(target)
    missing = _missing(target, source)
    total, lost = sum(target.values()), sum(count for _, count, _, _ in missing)
    near = sum(count for _, count, _, far in missing if far <= within)
    return Overlap(
        name,
        len(own.keys() & source.keys()) / len(own.keys() | source.keys()),
        1 - lost / total,
        1 - (lost - near) / total,
        sum(count * far for _, count, _, far in missing) / total,
        missing,
    )


def _missing(target: Counter, source: Counter) -> list[tuple[str, int, str, float]]:
    from xlt.phones.features import distance, vectors

    lacking = sorted(target.keys() - source.keys(), key=lambda phone: (-target[phone], phone))
    of = vectors(target.keys() | source.keys()) if lacking else {}
    known = [phone for phone in sorted(source) if phone in of]
    found = []
    for phone in lacking:
        near = (
            min(((distance(of[phone], of[other]), other) for other in known), default=(1.0, ""))
            if phone in of
            else (1.0, "")
        )
        found.append((phone, target[phone], near[1], near[0]))
    return found


def rank(
    target_texts: Iterable[str], source_texts: dict[str, Iterable[str]], within: float = NEAR
) -> list[Overlap]:
    """The sources, the nearest first: by ``cost``, which needs no limit of what is near, then by ``exact``,
    then by name.

    Texts are phone texts, e.g. the values of ``data/tokens/phone/train.text``. DataError for a language
    without phones.
    """
    target = inventory(target_texts)
    found = [overlap(target, inventory(texts), name, within) for name, texts in source_texts.items()]
    return sorted(found, key=lambda o: (o.cost, -o.exact, o.name))


def as_dict(found: Overlap) -> dict:
    """For JSON, rounded to four places."""
    row = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(found).items()}
    return row | {
        "missing": [
            {"phone": p, "count": n, "nearest": near, "distance": round(far, 4)}
            for p, n, near, far in found.missing
        ]
    }
