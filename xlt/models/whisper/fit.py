"""One training of Whisper with its CTC head: the head alone, both together, the mean of the best epochs.

B batch, T frames, D dimensions, U tokens of Whisper, V of CTC.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlt.core.errors import StageError
from xlt.core.log import epochs, left, say, spent
from xlt.core.machine import Stopwatch
from xlt.core.stage import write_json
from xlt.formats.model_folder import ATTENTION, CTC
from xlt.models import checkpoint
from xlt.models.budget import Budget
from xlt.models.whisper import lora, transfer, weights
from xlt.models.whisper.job import Job, prepare
from xlt.models.whisper.net import Encoded
from xlt.models.whisper.speech import Batch, Clip, Clips, mask, plan, some

if TYPE_CHECKING:
    from xlt.models.resolved import Resolved

WEIGHT_DECAY = 0.01
WARM_UP = 0.1  # share of the steps in which learning rates rise
HEAD_CLIPS = 8  # in a step of the head alone, at most; no more of them than train.batch_s holds
HEAD_CLIP = 5.0  # largest gradient norm of the head; train.grad_clip is Whisper's
DEV_S = 600.0  # of dev at most that an epoch is judged by, evenly drawn
TIMED = 6  # batches by which the time is foretold; the first one, which is slow, does not count


def fit(run: Resolved, out: Path) -> dict:
    """Train in ``out``, going on behind the last whole epoch that is there; returns facts for the stamp."""
    torch.manual_seed(run.cfg.seed)
    work = out / "work"
    work.mkdir(exist_ok=True)
    job = prepare(run, out)
    history: list[dict[str, Any]] = []
    if not run.cfg.train.zero_shot:
        history = Training(run, job, work).run()
        if run.source is not None and run.cfg.train.average_source:
            transfer.average_in(run, run.source, job.net)
    lora.merge(job.net.whisper)
    _keep(run, job, history, out)
    shutil.rmtree(work)
    return job.facts


def groups_of(clips: Sequence[Clip], frames: Mapping[str, int], most: float) -> list[list[Clip]]:
    """``clips`` in their order, HEAD_CLIPS together, or fewer where these have more than ``most`` frames with
    their padding; at least one.
    """
    groups: list[list[Clip]] = [[]]
    for clip in clips:
        last = groups[-1]
        longest = max(frames[one.utt] for one in (*last, clip))
        if last and (len(last) == HEAD_CLIPS or longest * (len(last) + 1) > most):
            groups.append([])
        groups[-1].append(clip)
    return groups


class Training:
    """Epochs of one training; what a killed run left in ``work`` is taken up."""

    def __init__(self, run: Resolved, job: Job, work: Path):
        self.run_, self.job, self.work = run, job, work
        self.cfg, self.net = run.cfg.train, job.net
        self.dev = some(job.dev.clips, DEV_S)
        self.history: list[dict[str, Any]] = []
        self.epochs = 0
        groups = job.groups(self.cfg.upstream_lr, self.cfg.lr)
        self.whisper = [p for group in groups[:-1] for p in group["params"]]
        self.peaks = [group["lr"] for group in groups]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY, fused=True)
        self.step = self.steps = 0

    def run(self) -> list[dict[str, Any]]:
        """All epochs, and a row for each; the network is then the mean of the best."""
        state = checkpoint.read(self.work)
        if state is None:
            self.epochs = self._plan(Budget(self.cfg.max_hours, self.net.device.type == "cpu"))
            self._head_alone()
        else:
            self._take_up(state)
        for epoch in range(len(self.history), self.epochs):
            started = time.monotonic()
            losses = self._epoch(epoch)
            row = {"epoch": epoch + 1, **losses, **self._judge()}
            best = not self.history or row["score"] < min(r["score"] for r in self.history)
            self.history.append(row)
            self._store(epoch + 1)
            minutes = (self.epochs - epoch - 1) * (time.monotonic() - started) / 60
            end = " (best so far)" if best else ""
            say(f"  epoch {epoch + 1}/{self.epochs}{left(minutes)}: {_line(row)}{end}")
            since = epoch - min(range(len(self.history)), key=lambda n: self.history[n]["score"])
            if self.cfg.patience is not None and since >= self.cfg.patience:
                say(f"  no better epoch in {since}: training ends here (train.patience)")
                break
        best = sorted(self.history, key=lambda r: r["score"])[: self.cfg.average_best]
        checkpoint.average(self.net, [checkpoint.epoch_file(self.work, r["epoch"]) for r in best])
        self.job.facts |= {"epochs": len(self.history)}
        say(f"  {epochs(len(self.history))}; the model is the mean of the {len(best)} best")
        return self.history

    def _take_up(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"], strict=False)
        self.optimiser.load_state_dict(state["optimiser"])
        self.history, self.epochs = state["history"], state["epochs"]
        self.step, self.steps = state["step"], state["steps"]
        self.job.facts |= state.get("facts", {})  # absent from older checkpoints
        say(f"  goes on behind epoch {len(self.history)}")

    def _store(self, epoch: int) -> None:
        trained = {name for name, p in self.net.named_parameters() if p.requires_grad}
        now = {name: value for name, value in self.net.state_dict().items() if name in trained}
        best = sorted(self.history, key=lambda r: r["score"])[: self.cfg.average_best]
        keep = {r["epoch"] for r in best}
        if epoch in keep:
            checkpoint.write_epoch(self.work, epoch, now)
        checkpoint.drop_others(self.work, keep)
        checkpoint.write(
            self.work,
            {
                "net": now,
                "optimiser": self.optimiser.state_dict(),
                "history": self.history,
                "epochs": self.epochs,
                "step": self.step,
                "steps": self.steps,
                "facts": {"time": self.job.facts["time"]} if "time" in self.job.facts else {},
            },
        )

    def _rng(self, *what: object) -> random.Random:
        """Random numbers of one epoch, whether or not it is reached in one run."""
        seed = "-".join(map(str, (self.run_.cfg.seed, *what)))
        torch.manual_seed(random.Random(seed).getrandbits(31))
        return random.Random(seed)

    def _batches(self, rng: random.Random) -> list:
        clips = list(plan(self.job.train.clips, self.job.shares, rng))
        return self.job.train.batches(self.net, clips, rng)

    def _plan(self, budget: Budget) -> int:
        """How many epochs there is time for behind the head's own steps, by the first batches, which leave no
        trace; StageError if there is none.
        """
        batches = self._batches(self._rng("plan"))
        wanted = max(self.cfg.max_epochs, -(-self.cfg.min_updates // len(batches)))
        before = {name: p.detach().clone() for name, p in self.net.named_parameters() if p.requires_grad}
        self.steps = len(batches) * wanted
        rng, costs = self._rng("timing"), []
        for members in batches[:TIMED]:
            watch = self._watch()
            self._learn(members, rng)
            costs.append((watch.took(), self._size(members)))
        head_s = self._head_seconds()
        self.net.load_state_dict(before, strict=False)
        self.optimiser.state.clear()
        self.step = 0
        epoch_s = _rate(costs) * sum(map(self._size, batches)) + self._dev_seconds()
        if head_s:
            say(f"  the CTC head learns alone first, about {spent(head_s)}")
        plan = budget.plan(wanted, lambda epochs: epochs * epoch_s, begun_s=head_s)
        self.job.facts |= {"time": plan.facts}
        self.steps = len(batches) * plan.epochs
        return plan.epochs

    def _watch(self) -> Stopwatch:
        return Stopwatch(self.net.device.type == "cpu")

    def _dev_seconds(self) -> float:
        watch = self._watch()
        part = self.dev[:: max(1, len(self.dev) // 8)]
        self._judge(part)
        return watch.took() * len(self.dev) / len(part)

    def _size(self, members: list) -> int:
        """Samples of a batch as the encoder sees them: each clip is as long as the window of all."""
        clip, heard = members[0]
        return self.net.window(heard.length(clip.samples)) * len(members)

    def _head_steps(self) -> int:
        """In which the head learns alone."""
        return 0 if self.job.started_head or self.net.head is None else self.cfg.freeze_updates

    def _head_seconds(self) -> float:
        """What :meth:`_head_alone` takes, by a few batches and steps; it changes the head."""
        if not (number := self._head_steps()):
            return 0.0
        net, costs, steps, rng = self.net, [], [], self._rng("timing the head")
        net.eval()
        batches = self.job.train.batches(net)
        known: dict[str, Tensor] = {}
        for members in rng.sample(batches, min(len(batches), TIMED // 2)):
            watch = self._watch()
            known |= self._published([members])
            costs.append((watch.took(), self._size(members)))
        clips = [clip for clip in self.job.train.clips if clip.utt in known]
        frames = {utt: len(row) for utt, row in known.items()}
        optimiser = self._head_optimiser()
        groups = groups_of(clips, frames, self.cfg.batch_s * self.job.frame_rate)
        for group in groups[:TIMED]:
            watch = self._watch()
            self._head_step(group, known, optimiser)
            steps.append((watch.took(), 1))
        return _rate(costs) * sum(map(self._size, batches)) + _rate(steps) * number

    def _published(self, batches: Iterable[list]) -> dict[str, Tensor]:
        """What the encoder gives for clips: utterance → (T, D)."""
        known: dict[str, Tensor] = {}
        with torch.no_grad():
            for members in batches:
                found = self._encode(self.job.train, members)
                for (clip, _), row, length in zip(members, found.hidden, found.frames.tolist(), strict=True):
                    known[clip.utt] = row[:length].half().cpu()
        return known

    def _head_optimiser(self) -> torch.optim.Optimizer:
        params = self.optimiser.param_groups[-1]["params"]
        return torch.optim.AdamW(params, lr=self.cfg.lr, weight_decay=WEIGHT_DECAY)

    def _head_step(
        self, group: list[Clip], known: Mapping[str, Tensor], optimiser: torch.optim.Optimizer
    ) -> None:
        rows = [known[clip.utt].float() for clip in group]
        lengths = torch.tensor([len(row) for row in rows])
        hidden = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.net.device)
        loss = self._ctc(Encoded(hidden, lengths), Batch(group, self.job.vocabulary.end))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], HEAD_CLIP)
        optimiser.step()

    def _head_alone(self) -> None:
        """``train.freeze_updates`` steps in which the head learns what the published encoder gives, which is
        computed once.
        """
        job, net = self.job, self.net
        if not (number := self._head_steps()):
            return
        began, rng = time.monotonic(), self._rng("head")
        net.eval()
        known = self._published(job.train.batches(net))
        frames = {utt: len(row) for utt, row in known.items()}
        optimiser = self._head_optimiser()
        order = sorted(job.train.clips, key=lambda clip: frames[clip.utt])
        done = 0
        job.head.train()
        while done < number:
            mixed = sorted(order, key=lambda clip: frames[clip.utt] * rng.uniform(0.8, 1.2))
            groups = groups_of(mixed, frames, self.cfg.batch_s * job.frame_rate)
            rng.shuffle(groups)
            for group in groups[: number - done]:
                share = min(1.0, (done + 1) / 50) * max(0.1, 1 - done / number)
                for each in optimiser.param_groups:
                    each["lr"] = self.cfg.lr * share
                self._head_step(group, known, optimiser)
                done += 1
        took = (time.monotonic() - began) / 60
        say(f"  the CTC head alone: {number} steps in {took:.1f} min; {_line(self._judge(ctc_only=True))}")

    def _encode(self, clips: Clips, members: list, rng: random.Random | None = None) -> Encoded:
        inputs, frames = clips.encoder_inputs(self.net, members)
        if rng is not None and not clips.stored:
            widest = round(self.cfg.time_mask_s * 100)
            inputs = mask(inputs, frames, widest, self.cfg.feature_mask, self.cfg.num_masks, rng)
        with self.job.arithmetic():
            found = clips.encoded(self.net, inputs, frames)
        return Encoded(found.hidden.float(), found.frames)

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Mean losses of an epoch."""
        rng = self._rng("epoch", epoch)
        batches = self._batches(rng)
        total, count = {"loss_attention": 0.0, "loss_ctc": 0.0}, 0
        for members in batches:
            attention, ctc = self._learn(members, rng)
            total["loss_attention"] += attention * len(members)
            total["loss_ctc"] += ctc * len(members)
            count += len(members)
        return {name: round(value / count, 4) for name, value in total.items()}

    def _learn(self, members: list, rng: random.Random) -> tuple[float, float]:
        """One step; the losses of the attention decoder and of CTC."""
        net, share = self.net, self.cfg.ctc_weight
        net.train()
        batch = Batch([clip for clip, _ in members], self.job.vocabulary.end)
        encoded = self._encode(self.job.train, members, rng)
        with self.job.arithmetic():
            states, _ = net.decode(batch.ids.to(net.device), encoded.hidden)
            kept = batch.targets != -100
            logits = net.logits(states[kept.to(net.device)])
        attention = functional.cross_entropy(
            logits.float(), batch.targets[kept].to(net.device), label_smoothing=self.cfg.label_smoothing
        )
        ctc = self._ctc(encoded, batch) if net.head is not None and share else torch.zeros(())
        loss = (1 - share) * attention + share * ctc.to(attention)
        if not torch.isfinite(loss):
            names = ", ".join(clip.utt for clip, _ in members[:3])
            raise StageError(
                f"training: the loss is not a number at step {self.step + 1} ({names} …); lower"
                " train.upstream_lr, or use features.dtype=float32"
            )
        self.step += 1
        warm = max(1, round(self.steps * WARM_UP))
        scale = min(1.0, self.step / warm) * max(0.0, 1 - self.step / (self.steps + 1))
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = peak * scale
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.whisper, self.cfg.grad_clip)
        nn.utils.clip_grad_norm_(self.optimiser.param_groups[-1]["params"], HEAD_CLIP)
        self.optimiser.step()
        return attention.item(), ctc.item()

    def _ctc(self, encoded: Encoded, batch: Batch) -> Tensor:
        """CTC's loss a label, mean over the clips."""
        log_probs = self.job.head(encoded)  # (B, T, V)
        losses = functional.ctc_loss(
            log_probs.transpose(0, 1).cpu(),
            batch.labels,
            encoded.frames.cpu(),
            batch.label_lengths,
            reduction="none",
            zero_infinity=True,
        )
        return (losses / batch.label_lengths.clamp(min=1)).mean()

    @torch.no_grad()
    def _judge(self, clips: list | None = None, ctc_only: bool = False) -> dict[str, Any]:
        """Error rates of greedy decoding on dev by both decoders, and what epochs are compared by."""
        from xlt.models.whisper.judge import rates

        self.net.eval()
        found = rates(self.job, self._encode, self.dev if clips is None else clips, ctc_only)
        share = self.cfg.ctc_weight if self.net.head is not None else 0.0
        found["score"] = round((1 - share) * found.get("cer", 0.0) + share * found.get("cer_ctc", 0.0), 4)
        return found


def _rate(costs: Sequence[tuple[float, float]]) -> float:
    """Seconds of one unit, of (seconds, units); the first is slow and counts only if alone."""
    timed = costs[1:] or costs
    return sum(seconds for seconds, _ in timed) / sum(units for _, units in timed)


def _line(row: dict[str, Any]) -> str:
    """``14.3% of characters and 36.1% of words wrong on dev (CTC 20.4% and 56.0%)``."""
    said = "{:.1f}% of characters and {:.1f}% of words wrong on dev"
    if "cer" not in row:
        return said.format(row["cer_ctc"], row["wer_ctc"])
    ctc = f" (CTC {row['cer_ctc']:.1f}% and {row['wer_ctc']:.1f}%)" if "cer_ctc" in row else ""
    return said.format(row["cer"], row["wer"]) + ctc


def _keep(run: Resolved, job: Job, history: list[dict[str, Any]], out: Path) -> None:
    """Write the model and, last, ``xlt.json``."""
    run.write_heard(out)
    weights.save(job.net, job.config.parent, job.tokenizer_file, out)
    for name in ("tokens.txt", "bpe.model"):
        if (run.ctx.tokens / name).exists():
            shutil.copyfile(run.ctx.tokens / name, out / name)
    write_json(out / "history.json", history)
    parts = [ATTENTION] if job.net.head is None else [CTC, ATTENTION]
    run.write_info(out, run.info, job.frame_rate, parts=parts, whisper=dataclasses.asdict(job.whisper))
