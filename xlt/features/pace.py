"""What training of the upstream costs on this machine, measured before stage 3 decides whether it is trained.

Imports torch only where something is measured.
"""

from __future__ import annotations

import random
from statistics import median

from xlt.audio.files import SAMPLE_RATE, read_wav
from xlt.core.context import Context, need
from xlt.core.log import say
from xlt.core.machine import Stopwatch
from xlt.core.settings import Freeze
from xlt.formats.tables import read_scp, read_table
from xlt.upstreams import upstream_class

BATCHES = 2  # that count; a short one before them warms up


def seconds(ctx: Context, freeze: Freeze) -> float:
    """Seconds of training for a second of speech, the network on top left out, with ``train.freeze=freeze``.

    Batches are of training speech, as long as ``train.batch_s``; a step is encoding, gradients and Adam.
    What other programs take of the machine at the moment does not count. MissingInput without speech,
    UpstreamError without weights.
    """
    import torch

    from xlt.features.extract import prepare
    from xlt.fetch.files import cache_root
    from xlt.upstreams.tunable import Net

    cfg, data = ctx.cfg, ctx.data / ctx.cfg.train_set
    need(ctx, data / "wav.scp", data / "utt2dur", stage="data")
    setup = prepare(cfg.features, cache_root(cfg.data.cache))
    say(f"  timing a few steps of training {cfg.features.upstream} on this CPU")
    with torch.random.fork_rng():
        pieces = upstream_class(cfg.features.upstream).pieces(setup.source)
        last = len(pieces.layers)
        if setup.layers != "mix":
            names = setup.layers if isinstance(setup.layers, list) else [setup.layers]
            last = max(last if name == "last" else int(name) for name in names)
        net = Net(pieces, last, cfg.train.upstream_dropout).train()
        net.requires_grad_(True)
        net.front.requires_grad_(freeze == "none")
        optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.0)
        waves, spent = read_scp(data / "wav.scp", ctx.recipe), []
        for batch in _batches(
            {u: float(s) for u, s in read_table(data / "utt2dur").items()}, cfg.train.batch_s
        ):
            clips = [torch.from_numpy(read_wav(waves[utt])) for utt in batch]
            watch = Stopwatch()
            with torch.autocast("cpu", torch.bfloat16, enabled=setup.dtype == "bfloat16"):
                hidden, _ = net(clips, None, cfg.train.checkpointing)
            optimiser.zero_grad()
            sum(states.float().mean() for states in hidden[1:] or hidden).backward()
            optimiser.step()
            spent.append(watch.took() * SAMPLE_RATE / sum(map(len, clips)))
    return median(spent[1:] or spent)


def _batches(durations: dict[str, float], batch_s: float) -> list[list[str]]:
    """One utterance to warm up, then BATCHES batches of ``batch_s`` seconds or a little more, drawn by
    chance, the same each time.
    """
    utts = random.Random(0).sample(sorted(durations), len(durations))
    found, at = [utts[:1]], 0
    for _ in range(BATCHES):
        batch: list[str] = []
        while sum(durations[utt] for utt in batch) < batch_s and len(batch) < len(utts):
            batch.append(utts[at % len(utts)])
            at += 1
        found.append(batch)
    return found
