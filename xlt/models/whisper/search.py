"""Beam search with Whisper's decoder, and the scores of given texts.

A score is the natural log probability of all tokens behind the prompt and of the end, by the softmax over
the whole vocabulary: tokens that are forbidden in the search take no part, but what they would have had is
not given to the others. So :func:`text_scores` of a text that was found is the score it was found with.

C clips, W rows a clip, V tokens of the vocabulary, K of them that are looked at, M tokens of a tree,
D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from xlt.models.whisper.loops import cut, loop_at_end
from xlt.models.whisper.steps import Steps
from xlt.models.whisper.vocabulary import MAX_POSITIONS

if TYPE_CHECKING:
    from xlt.models.whisper.net import Encoded, Net
    from xlt.models.whisper.vocabulary import Vocabulary

SPARE_TOKENS = 10  # beside one a frame: more than speech has in any script
TREE_TOKENS = 1024  # of texts that are scored together: self-attention is quadratic in them
LOGIT_ROWS = 64  # that are projected to the vocabulary at once: 13 MB
NEVER = float("-inf")


class Found(NamedTuple):
    """Tokens without prompt and end, and their log probability with the end.

    ``looped``: repetitions were cut off, or the text was broken off where a clip cannot hold more;
    ``avoided``: it was taken in place of a likelier one that repeated itself.
    """

    ids: list[int]
    score: float
    looped: bool = False
    avoided: bool = False


@dataclass(frozen=True)
class Rules:
    """How hypotheses are compared and ended.

    ``length_power``: by score / tokens^length_power, the end not counted; with 0 by probability.
    ``published``: as OpenAI's and CTranslate2's decoders do, none of :attr:`Vocabulary.symbols` and no empty
    text, and a clip goes on until as many hypotheses have ended as the beam is wide. ``max_tokens``: None
    for one a frame and SPARE_TOKENS.
    """

    length_power: float = 0.0
    published: bool = False
    max_tokens: int | None = None

    def rank(self, found: Found) -> float:
        return found.score / max(1, len(found.ids)) ** self.length_power


BY_PROBABILITY = Rules()
TUNED = Rules(length_power=1.0)  # by probability alone, some texts would end after a word or two
AS_PUBLISHED = Rules(length_power=1.0, published=True)


@dataclass
class _Clip:
    """A clip that is being decoded: the rows that go on, and what has ended, by its text; ``likely``: the
    texts whose end was among as many of the best continuations as the beam is wide.
    """

    number: int
    room: int  # tokens
    rows: list[Found] = field(default_factory=lambda: [Found([], 0.0)])
    done: dict[str, Found] = field(default_factory=dict)
    likely: set[str] = field(default_factory=set)
    looped: list[Found] = field(default_factory=list)

    def ended(self, beam_size: int, n_best: int, rules: Rules) -> bool:
        live = max((row.score for row in self.rows), default=NEVER)
        if live == NEVER:
            return True
        if len(self.rows[0].ids) >= self.room:
            self.looped += [row for row in self.rows if row.score > NEVER]
            return True
        enough = len(self.likely) >= max(beam_size, n_best)
        if rules.published or (enough and rules.length_power):
            return enough
        ranks = sorted(map(rules.rank, self.done.values()), reverse=True)
        return len(ranks) >= n_best and ranks[n_best - 1] >= max(map(rules.rank, self.rows))


@torch.inference_mode()
def beam_search(
    net: Net,
    vocabulary: Vocabulary,
    encoded: Encoded,
    prompt: Sequence[int],
    beam_size: int = 5,
    n_best: int = 1,
    rules: Rules = BY_PROBABILITY,
) -> list[list[Found]]:
    """At most ``n_best`` texts of each clip, the best one first, no text twice, those that looped last.

    A clip ends when ``n_best`` hypotheses have ended that rank before all rows: by probability, none of these
    can overtake them. With a length_power, it ends when as many have ended as the beam is wide, too: the mean
    of a row that repeats itself with variations may rise for ever.
    """
    clips = [
        _Clip(number, min(rules.max_tokens or frames + SPARE_TOKENS, MAX_POSITIONS - len(prompt)))
        for number, frames in enumerate(encoded.frames.tolist())
    ]
    steps, live = Steps(net, encoded.hidden), clips
    states = steps.begin(prompt)
    while live:
        logits = _allowed(net.logits(states), vocabulary, rules.published, first=not live[0].rows[0].ids)
        going: list[tuple[int, _Clip]] = []
        rows: list[int] = []  # of the next step, as they are counted in this one
        for place, candidates in enumerate(_best_next(logits, live, beam_size)):
            clip, width = live[place], len(live[place].rows)
            parents = _advance(clip, candidates, vocabulary, beam_size, rules)
            if not clip.ended(beam_size, n_best, rules):
                going.append((place, clip))
                rows += [place * width + parent for parent in parents]
        live = [clip for _, clip in going]
        if live:
            steps.choose(rows, [place for place, _ in going])
            last = [row.ids[-1] for clip in live for row in clip.rows]
            states = steps.step(torch.tensor(last, device=net.device))
    return [_results(net, vocabulary, encoded, prompt, clip, n_best, rules) for clip in clips]


def _allowed(logits: Tensor, vocabulary: Vocabulary, suppress: bool, first: bool) -> Tensor:
    """Logits (C × W, V) → log probabilities, of forbidden tokens -inf."""
    total = logits.logsumexp(-1, keepdim=True)
    logits[:, vocabulary.end + 1 :] = NEVER
    if suppress:
        logits[:, vocabulary.symbols] = NEVER
        if first:
            logits[:, [vocabulary.end, *vocabulary.blank]] = NEVER
    return logits - total


def _best_next(scores: Tensor, clips: list[_Clip], beam_size: int) -> list[list[tuple[int, int, float]]]:
    """Log probabilities (C × W, V) of each clip's rows → of each clip the best continuations as (row, token,
    score of the whole), twice as many as go on, since some may end.
    """
    before = torch.tensor(
        [[row.score for row in clip.rows] for clip in clips], device=scores.device
    )  # (C, W)
    best, tokens = scores.topk(min(2 * beam_size, scores.shape[-1]))  # (C × W, K)
    width = best.shape[-1]
    whole = (best.view(*before.shape, width) + before[..., None]).flatten(1)  # (C, W × K)
    values, places = whole.topk(min(2 * beam_size, whole.shape[-1]))
    chosen = tokens.view(len(clips), -1).gather(1, places)
    return [
        list(zip(rows, ids, found, strict=True))
        for rows, ids, found in zip((places // width).tolist(), chosen.tolist(), values.tolist(), strict=True)
    ]


def _advance(
    clip: _Clip,
    candidates: list[tuple[int, int, float]],
    vocabulary: Vocabulary,
    beam_size: int,
    rules: Rules,
) -> list[int]:
    """Give ``clip`` its next rows, ``beam_size`` of them, lacking ones being filled with rows of no
    probability; returns the number of the row that each goes on from.
    """
    rows: list[Found] = []
    parents: list[int] = []
    for place, (parent, token, score) in enumerate(candidates):
        if score == NEVER:
            break
        if token == vocabulary.end:  # costs no row; published decoders look no farther than these
            if rules.published and place >= beam_size:
                continue
        elif len(rows) == beam_size:
            continue
        ids = clip.rows[parent].ids
        if token == vocabulary.end:
            text = vocabulary.decode(ids)
            if place < beam_size:
                clip.likely.add(text)
            if text not in clip.done or clip.done[text].score < score:
                clip.done[text] = Found(ids, score)
            continue
        ids = [*ids, token]
        if loop_at_end(ids):
            clip.looped.append(Found(ids, score))
            continue
        rows.append(Found(ids, score))
        parents.append(parent)
    lacking = beam_size - len(rows)
    clip.rows = rows + [Found([*clip.rows[0].ids, vocabulary.end], NEVER)] * lacking
    return parents + [0] * lacking


def _results(
    net: Net,
    vocabulary: Vocabulary,
    encoded: Encoded,
    prompt: Sequence[int],
    clip: _Clip,
    n_best: int,
    rules: Rules,
) -> list[Found]:
    found = sorted(clip.done.values(), key=rules.rank, reverse=True)[:n_best]
    if found and max((looped.score for looped in clip.looped), default=NEVER) > found[0].score:
        found[0] = found[0]._replace(avoided=True)
    if len(found) == n_best:
        return found
    rest: dict[str, list[int]] = {}
    for looped in sorted(clip.looped, key=lambda row: -row.score):
        ids = cut(looped.ids)
        if (text := vocabulary.decode(ids)) not in clip.done:
            rest.setdefault(text, ids)
    scores = score_ids(net, vocabulary, encoded.row(clip.number), prompt, list(rest.values()))
    more = [Found(ids, score, looped=True) for ids, score in zip(rest.values(), scores, strict=True)]
    return found + sorted(more, key=rules.rank, reverse=True)[: n_best - len(found)]


def text_scores(
    net: Net, vocabulary: Vocabulary, encoded: Encoded, prompt: Sequence[int], texts: Sequence[str]
) -> list[float]:
    """The log probability of each of ``texts`` with its end, given the only clip of ``encoded``. Of a text
    longer than the decoder's positions, what fits is scored.
    """
    return score_ids(net, vocabulary, encoded, prompt, [vocabulary.encode(text) for text in texts])


@torch.inference_mode()
def score_ids(
    net: Net, vocabulary: Vocabulary, encoded: Encoded, prompt: Sequence[int], texts: Sequence[Sequence[int]]
) -> list[float]:
    """:func:`text_scores` of tokens. What texts begin with alike is computed once: they are a tree."""
    ended = sorted((tuple(ids) + (vocabulary.end,))[: MAX_POSITIONS - len(prompt)] for ids in texts)
    found: dict[tuple[int, ...], float] = {}
    while ended:
        tree = _Tree(list(prompt))
        while ended and (not tree.texts or len(tree.ids) + len(ended[-1]) <= TREE_TOKENS):
            tree.add(ended.pop())
        found |= tree.score(net, encoded)
    return [found[(tuple(ids) + (vocabulary.end,))[: MAX_POSITIONS - len(prompt)]] for ids in texts]


class _Tree:
    """Texts behind a prompt; a token is a node, and texts share the nodes that they begin with."""

    def __init__(self, prompt: list[int]):
        self.ids = list(prompt)
        self.parents = list(range(-1, len(prompt) - 1))
        self.root = len(prompt) - 1
        self.children: dict[tuple[int, int], int] = {}  # (node, token) → node
        self.texts: dict[tuple[int, ...], list[int]] = {}  # text → the node before each of its tokens

    def add(self, text: tuple[int, ...]) -> None:
        node, before = self.root, []
        for token in text[:-1]:
            before.append(node)
            child = self.children.setdefault((node, token), len(self.ids))
            if child == len(self.ids):
                self.ids.append(token)
                self.parents.append(node)
            node = child
        self.texts[text] = [*before, node]

    def score(self, net: Net, encoded: Encoded) -> dict[tuple[int, ...], float]:
        states = Steps(net, encoded.hidden).tree(self.ids, self.parents)[self.root :]  # (M, D)
        nodes = [node - self.root for before in self.texts.values() for node in before]
        tokens = [token for text in self.texts for token in text]
        of, token = torch.tensor([nodes, tokens], device=net.device)
        scores = torch.zeros(len(nodes), device=net.device)
        for begin in range(0, len(states), LOGIT_ROWS):
            logits = net.logits(states[begin : begin + LOGIT_ROWS])
            here = (of >= begin) & (of < begin + LOGIT_ROWS)
            row = of[here] - begin
            scores[here] = logits[row, token[here]] - logits.logsumexp(-1)[row]
        parts = scores.split([len(text) for text in self.texts])
        return {text: float(part.double().sum()) for text, part in zip(self.texts, parts, strict=True)}
