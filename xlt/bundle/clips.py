"""What the clips of a training are like, for a bundle that is to hear long recordings in such pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlt.audio.cut import Lengths, phrases
from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.audio.voice import Voice
from xlt.core.context import Context
from xlt.core.errors import DataError
from xlt.core.log import say
from xlt.formats.tables import read_scp, read_table

PROBES = 40  # clips in which voice activity is looked for
USUAL = 0.75  # share of the clips that are no longer than ``usual_s``
HEARD = 0.9  # share of them in which there must be some
SHORTEST_S, LONGEST_S = 5.0, 30.0  # of ``longest_s``: clips of a few words say little; what Whisper can hear


@dataclass(frozen=True)
class Clips:
    """``lengths``: of the pieces that a recording is cut into; ``voice``: whether voice activity detection
    hears what is said in them, which it may not in songs or in a whistled language."""

    lengths: Lengths = Lengths()
    voice: bool = True

    def to_json(self) -> dict[str, Any]:
        """What :meth:`from_json` reads."""
        return {
            "usual_s": self.lengths.usual_s,
            "longest_s": self.lengths.longest_s,
            "voice": self.voice,
        }

    @classmethod
    def from_json(cls, found: Any, where: str) -> Clips:
        """Of bundles that do not say, the defaults; DataError, which begins with ``where``, if damaged."""
        if found is None:
            return cls()
        try:
            usual_s, longest_s, voice = float(found["usual_s"]), float(found["longest_s"]), found["voice"]
            if not (0 < usual_s <= longest_s <= LONGEST_S and isinstance(voice, bool)):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise DataError(f"{where}: damaged, its clips are {found}; run stage 10 (bundle) again") from None
        return cls(Lengths(usual_s, longest_s), voice)


def training_clips(ctx: Context) -> Clips | None:
    """What the training clips of this recipe are like; None where stage 1's tables are gone."""
    table = ctx.data / ctx.cfg.train_set / "utt2dur"
    durs = {utt: float(dur_s) for utt, dur_s in read_table(table).items()} if table.exists() else {}
    if not durs:
        return None
    in_order = sorted(durs.values())
    longest = min(LONGEST_S, max(SHORTEST_S, in_order[-1]))
    usual = min(longest, in_order[min(len(in_order) - 1, int(USUAL * len(in_order)))])
    return Clips(Lengths(round(usual, 2), round(longest, 2)), _voice_is_heard(ctx, sorted(durs)))


def _voice_is_heard(ctx: Context, utts: list[str]) -> bool:
    """Whether there is voice activity in clips of ``utts``, as far as they are still there."""
    table = ctx.data / ctx.cfg.train_set / "wav.scp"
    paths = read_scp(table, ctx.recipe) if table.exists() else {}
    there = [utt for utt in utts if utt in paths and Path(paths[utt]).is_file()]
    chosen = random.Random(0).sample(there, min(PROBES, len(there)))
    heard = 0
    voice = Voice()
    for utt in chosen:
        voice.reset()
        heard += bool(phrases(voice(read_wav(paths[utt], SAMPLE_RATE))))
    if heard >= HEARD * len(chosen):
        return True
    say(
        f"  voice activity detection hears speech in {heard} of {len(chosen)} training clips: xlt transcribe"
        " will cut recordings at quiet places instead"
    )
    return False
