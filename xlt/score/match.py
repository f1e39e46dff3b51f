"""References and hypotheses, joined by utterance id."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from xlt.core.errors import DataError


@dataclass(frozen=True)
class Matched:
    """What is scored: ``ids`` in C order with their (reference, hypothesis) ``pairs``.

    ``empty``: ids whose reference has no text after normalisation. No rate is defined for them and they are
    left out.
    """

    ids: list[str]
    pairs: list[tuple[str, str]]
    empty: list[str]

    def part(self, ids: Collection[str]) -> Matched:
        """Of these utterances only; ``empty`` with it."""
        kept = [(utt, pair) for utt, pair in zip(self.ids, self.pairs, strict=True) if utt in ids]
        return Matched(
            [utt for utt, _ in kept], [pair for _, pair in kept], [utt for utt in self.empty if utt in ids]
        )


def match(
    refs: dict[str, str],
    hyps: dict[str, str],
    normalise: Callable[[str, str], str],
    ref_file: str,
    hyp_file: str,
) -> Matched:
    """Join the tables by id and normalise both sides by ``normalise(id, text)``.

    DataError unless both have the same ids and some text.
    """
    missing = sorted(refs.keys() - hyps.keys())
    if missing:
        raise DataError(
            f"{hyp_file}: no hypothesis for {_some(missing)} of {len(refs)} utterances in {ref_file}; run "
            "stage 7 (decode) again with --force, or add a line `ID` for an utterance with an empty result"
        )
    extra = sorted(hyps.keys() - refs.keys())
    if extra:
        raise DataError(
            f"{hyp_file}: hypotheses without a reference in {ref_file}: {_some(extra)}; they belong to "
            "another set or an older one: run stage 7 (decode) again with --force"
        )
    texts = {
        utt: (normalise(utt, refs[utt]), normalise(utt, hyps[utt])) for utt in sorted(refs, key=str.encode)
    }
    empty = [utt for utt, (ref, _) in texts.items() if not ref]
    ids = [utt for utt, (ref, _) in texts.items() if ref]
    if not ids:
        raise DataError(f"{ref_file}: no utterance has a text to score against (of {len(refs)})")
    return Matched(ids, [texts[utt] for utt in ids], empty)


def _some(ids: list[str]) -> str:
    shown = ", ".join(ids[:5])
    return f"{len(ids)} ({shown}{', …' if len(ids) > 5 else ''})" if len(ids) > 1 else ids[0]
