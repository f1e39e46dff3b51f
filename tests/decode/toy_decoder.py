"""A decoder in one file, with a language model in the same file; neither is known to xlt. For tests."""

from __future__ import annotations

import dataclasses

from xlt import lm
from xlt.decode.decoder import Decoded
from xlt.decode.greedy import Greedy


@dataclasses.dataclass
class Repeats:
    """A language model that thinks nothing of a token that it has been told to dislike."""

    disliked: int

    def start(self):
        return ()

    def score(self, state, token):
        return (-100.0 if token == self.disliked else 0.0), state

    def end(self, state):
        return 0.0


class RepeatsKind:
    settings = ("tokens",)

    def inputs(self, ctx):
        return [ctx.recipe / "disliked.txt"]

    def make(self, ctx, out):
        (out / "disliked.txt").write_bytes((ctx.recipe / "disliked.txt").read_bytes())
        return {"tokens": 1}

    def load(self, folder, tokenizer):
        return [Repeats(tokenizer.ids[(folder / "disliked.txt").read_text().strip()])]


class Picky:
    """The best path without the tokens that its language models dislike."""

    settings = ("lm",)
    batched = True
    uses_lm = True

    @classmethod
    def files(cls, ctx):
        return [*lm.files(ctx), *sorted(ctx.recipe.glob("picky.txt"))]

    def __init__(self, model, decode, lms):
        self.greedy, self.lms = Greedy(model, decode, lms), lms

    def __call__(self, inputs):
        def liked(token):
            return all(model.score(model.start(), token)[0] > -1 for model in self.lms)

        return [Decoded(list(filter(liked, found.ids)), found.score) for found in self.greedy(inputs)]


REPEATS = RepeatsKind()
