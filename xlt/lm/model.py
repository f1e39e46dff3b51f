"""What a language model is, for the stages that make one and decode with it.

A new one is a module with a class as :class:`Kind`, and a line of LMS in :mod:`xlt.core.registry`. The
smallest that there is, which finds all tokens alike::

    class Uniform:
        settings = ("seed",)

        def inputs(self, ctx):
            return [ctx.tokens / "tokens.txt"]

        def make(self, ctx, out):
            count = len((ctx.tokens / "tokens.txt").read_text().split())
            (out / "count").write_text(str(count))
            return {"tokens": count}

        def load(self, folder, tokenizer):
            return [Loaded(math.log(1 / int((folder / "count").read_text())))]


    @dataclass
    class Loaded:
        each: float

        def start(self):
            return ()

        def score(self, state, token):
            return self.each, state

        def end(self, state):
            return self.each

    UNIFORM = Uniform()  # LMS: "uniform": "my.module:UNIFORM"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from xlt.core.context import Context
from xlt.tokens.tokenizer import Tokenizer


class LanguageModel(Protocol):
    """A loaded model of token sequences; states are values, which a search may keep many of."""

    def start(self) -> Any:
        """The state before the first token."""

    def score(self, state: Any, token: int) -> tuple[float, Any]:
        """log p(token | what came before), natural, and the state behind it."""

    def end(self, state: Any) -> float:
        """log p(the text ends here)."""


class Kind(Protocol):
    """A kind of language model: how stage 5 makes one, and how it is loaded for decoding."""

    settings: tuple[str, ...]  # keys or sections beside ``lm`` that it reads: for the stamp

    def inputs(self, ctx: Context) -> list[Path]:
        """The files that it is made from."""

    def make(self, ctx: Context, out: Path) -> dict:
        """Write it into ``out``; returns facts for the stamp."""

    def load(self, folder: Path, tokenizer: Tokenizer) -> Sequence[LanguageModel]:
        """What :meth:`make` left in ``folder``, for the tokens of an acoustic model: one model, or several
        that a search gives a weight each.
        """
