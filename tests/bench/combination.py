"""What share of a combination the attention decoder should have, and how much more the language model should count than
in CTC's beam search, on dev.

    python -m tests.bench.combination egs/ron:main egs/cat:main …

Each argument is a recipe and the tag of an experiment of train.family=whisper_ed that was decoded. Printed are the
characters and words wrong, in percent, of each experiment and on average. The constants SHARES and LM_MORE of
xlt/decode/combination.py are from here.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xlt import lm
from xlt.core.config import load
from xlt.core.context import Context
from xlt.decode import fusion
from xlt.decode.combination import BEST, Combination
from xlt.decode.combined import COMBINED, Combined, Pool
from xlt.decode.ladder import taken_by
from xlt.decode.recognise import Recogniser
from xlt.decode.tuning import Rates, Texts, units_of
from xlt.decode.work import open_speech
from xlt.formats.model_folder import Trained, read_info
from xlt.formats.tables import read_table
from xlt.upstreams.freeze import resolved

SHARES, MORE = (0.4, 0.5, 0.6, 0.7, 0.8), (0.75, 1.0, 1.3)


class Dev(NamedTuple):
    """An experiment's candidates on dev."""

    pools: list[Pool]
    texts: Texts
    lm_weight: list[float]
    length_bonus: float

    def rates(self, share: float, more: float) -> Rates:
        rest = (1 - share) * more
        weights = tuple(rest * weight for weight in self.lm_weight)
        found = Combination(1 - share, weights, share, 0.0, rest * self.length_bonus)
        vectors = np.tile(found.vector, (len(self.pools), 1))
        return self.texts.rates(taken_by(self.pools, vectors, BEST, 1.0))


def dev_of(recipe: Path, tag: str) -> Dev:
    """The candidates of both decoders, with the beam's weights that stage 7 tuned."""
    ctx = resolved(Context(load(recipe, [f"tag={tag}"])))
    model = Trained(ctx.exp, read_info(ctx.exp))
    tuned = fusion.read(ctx, ctx.cfg.decode)
    decode = dataclasses.replace(tuned, method=COMBINED, combination=None)
    load_lms = functools.partial(lm.load, lm.folder(ctx), ctx.cfg.lm.type)
    recogniser = Recogniser(ctx.exp, decode, load_lms)
    speech = open_speech(model.family.needs(ctx, "dev"), ctx.recipe)
    refs = read_table(ctx.reference("dev"))
    combined = Combined(recogniser.model, decode, recogniser.lms)
    pools = [combined.pools([speech[utt]])[0] for utt in refs]
    return Dev(pools, Texts(list(refs.values()), units_of(False)), decode.lm_weight, decode.length_bonus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", metavar="RECIPE:TAG")
    given = [one.rpartition(":") for one in parser.parse_args().experiments]
    devs = [dev_of(Path(recipe).resolve(), tag) for recipe, _, tag in given]
    print("share  more  " + "  ".join(f"{Path(recipe).name:>11}" for recipe, _, _ in given) + "         mean")
    for share in SHARES:
        for more in MORE:
            rows = [
                (found["char"], found["word"]) for found in (dev.rates(share, more).values for dev in devs)
            ]
            cells = [f"{char:.1f} / {word:.1f}" for char, word in [*rows, tuple(np.mean(rows, axis=0))]]
            print(f"{share:5}  {more:4}  " + "  ".join(f"{cell:>11}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
