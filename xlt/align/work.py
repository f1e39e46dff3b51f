"""The alignment of recordings in one process: of this machine, or a task of a cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.align.sources import Job
from xlt.align.spelling import Spelling
from xlt.align.write import Result
from xlt.audio.files import audio_header
from xlt.core.errors import DataError
from xlt.core.executor import Work
from xlt.core.files import sha256
from xlt.speakers.option import Teller, teller

if TYPE_CHECKING:
    from xlt.align.listen import Track
    from xlt.bundle.transcribe import Transcriber
    from xlt.core.log import Progress

USUAL = "generic-v2"  # normaliser of a language that is not known
SURE, FITS = 0.2, 0.25  # below this confidence and share of speech with text, it is another recording's
_UTTERANCE_S = 5.0  # about so long is one, by which a cluster's tasks are cut


@dataclass(frozen=True)
class Setup:
    """What is asked for; ``model``: the folder of the bundle."""

    model: Path
    lang: str | None
    longest_s: float
    min_confidence: float
    speakers: str | None = None


@dataclass(frozen=True)
class Task:
    """A recording; ``states``: change when it, the bundle or what is asked for does; ``seconds``: its
    length."""

    job: Job
    states: tuple
    seconds: float


def task(job: Job, setup: Setup) -> Task:
    """The message for a job. DataError if its recording is none."""
    from xlt.bundle.manifest import MANIFEST

    recording = job.recording.absolute()
    state = recording.stat()
    states = (state.st_size, state.st_mtime_ns, setup, sha256(setup.model / MANIFEST))
    return Task(replace(job, recording=recording), states, seconds(job))


def seconds(job: Job) -> float:
    """The length of its recording. DataError if it is none."""
    return audio_header(job.recording).duration_s


class Aligner:
    """``transcriber``: the model; ``tell``: what tells speakers apart, if that is wanted."""

    def __init__(self, setup: Setup, transcriber: Transcriber, tell: Teller | None):
        self.setup, self.transcriber, self.tell = setup, transcriber, tell

    def __call__(self, job: Job, bar: Progress | None = None) -> Result:
        """One recording; DataError if its text does not fit it."""
        from xlt.align.listen import listen
        from xlt.align.pieces import Aligned, cut
        from xlt.align.texts import transcript
        from xlt.align.words import find, scale

        setup = self.setup
        spell = Spelling(self.transcriber.recogniser.tokenizer)
        normal = self._normal(job, spell)
        texts = [transcript(job.path, part.paragraphs, spell, normal) for part in job.stretches]
        track = listen(str(job.recording), self.transcriber, bar)
        if not len(track.values):
            raise DataError(f"{job.recording}: nobody speaks in it; name the recording of {job.path.name}")
        voices = self.tell(str(job.recording), bar) if self.tell else None
        known = scale(track.values, [unit for text in texts for unit in text.units])
        whole = Aligned(confidence=0.0)
        placed = total = 0
        for text, part in zip(texts, job.stretches, strict=True):
            own = track if part.start_s is None else track.part(part.start_s, part.end_s or track.duration_s)
            found = find(own, text.units, known)
            made = cut(own, text, found, setup.longest_s, setup.min_confidence, voices)
            size = sum(len(unit.labels) for unit in text.units)
            placed += sum(
                len(one.unit.labels) for one in found.said if one.confidence >= setup.min_confidence
            )
            total += size
            whole.confidence += made.confidence * size
            whole.pieces += made.pieces
            whole.left_out += made.left_out
            whole.moved += made.moved
        whole.confidence /= max(1, total)
        spoken_s = len(track.values) / track.rate
        covered = sum(piece.end_s - piece.start_s for piece in whole.pieces) / spoken_s
        if (whole.confidence < SURE and covered < FITS) or not whole.pieces:
            raise DataError(
                f"{job.path}:{job.stretches[0].paragraphs[0].line}: does not fit {job.recording}:"
                f" {100 * placed / max(1, total):.0f}% of it has a place there, in {100 * covered:.0f}% of"
                f" the speech, with confidence {whole.confidence:.2f}, where a wrong text has 0; name the"
                " transcript of this recording, or a --model of a nearer language"
            )
        return Result(job, whole, track.duration_s, _notes(track, spell), voices.count if voices else 0)

    def _normal(self, job: Job, spell: Spelling) -> Callable[[str], str]:
        """How texts are normalised: as the language's are, else as the model's, if it has their letters."""
        from xlt.text import languages
        from xlt.text.normalise import normalise

        if self.setup.lang:
            return functools.partial(normalise, normaliser=languages.get(self.setup.lang).normaliser)
        usual = functools.partial(normalise, normaliser=USUAL)
        if spell.foreign(usual(one.text) for part in job.stretches for one in part.paragraphs):
            return usual
        return lambda text: next(iter(self.transcriber.recogniser.spell(text)))


def _notes(track: Track, spell: Spelling) -> list[str]:
    """What a person should know of sound and letters."""
    notes = [track.sound.told] if track.sound.told else []
    if spell.strange:
        shown = " ".join(char for char, _ in spell.strange.most_common(12))
        notes.append(f"letters that the model lacks, and others stand for: {shown}")
    if spell.lost:
        notes.append(f"letters that nothing stands for, left out: {' '.join(sorted(spell.lost)[:12])}")
    return notes


class Align(Work):
    """A :class:`Task` → its :class:`Result`, or why there is none, in words."""

    label = "align"
    setup: Setup

    @functools.cached_property
    def aligner(self) -> Aligner:
        from xlt.bundle import open_bundle

        transcriber = open_bundle(self.setup.model).head(None)
        return Aligner(self.setup, transcriber, teller(self.setup.speakers))

    def run(self, message: Task, prepared: None) -> Result | str:
        try:
            return self.aligner(message.job)
        except DataError as err:
            return str(err)

    @staticmethod
    def describe(message: Task) -> str:
        return str(message.job.recording)

    @staticmethod
    def utterances(message: Task) -> int:
        return max(1, round(message.seconds / _UTTERANCE_S))
