"""Corpus readers, one a file. A reader finds the utterances of one language; it neither decodes audio nor
changes text.

``read(cfg) -> Corpus``; DataError if the corpus cannot be had or lacks the language. ``recognise(place) ->
bool``, in the same file: whether a folder or file is a corpus of this form; cheap, and it never raises.
``recipes`` alone reads no corpus: it joins what other recipes have made of theirs, ``unit(ctx) -> Unit``.

A new reader is a file such as this and a line of :data:`xlt.core.registry.READERS`,
``"pairs": "xlt.data.corpora.pairs:read"``; docs/extend.md has a longer one, which a test runs::

    # xlt/data/corpora/pairs.py
    def recognise(place):
        return (place / "pairs.txt").is_file()

    def read(cfg):
        folder = corpus_place(cfg, "a folder with pairs.txt, lines of FILE TEXT")
        corpus = Corpus("pairs", [])
        for line in (folder / "pairs.txt").read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            utt = f"anyone-{Path(name).stem}"
            corpus.utterances.append(Utterance(utt, "anyone", cfg.lang, text, folder / name, utt))
        return corpus
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Utterance:
    """One clip with its text as the corpus gives it.

    ``id`` starts with ``speaker``. ``start_s``/``end_s``: the part of ``audio`` that is meant, seconds; None
    = all. ``content``: the same for all utterances that the corpus knows to say the same, also in other
    languages; the split follows it. ``split``: train, dev, test or a further set, where the corpus has its
    own split. ``tags``: what else is known, e.g. ``{"accent": "scottish"}``; stage 1 writes it as
    ``utt2accent``.
    ``command``: a shell command that writes the audio to its standard output; ``audio`` is then the folder
    that it is run in. ``channel``: the one that is meant, counted from 0; None = all, averaged. ``where``:
    the file and row of the user's own table, ``corpus.tsv:12``; stage 1 writes it as ``utt2row``, and the
    path of ``audio`` as ``utt2path``.
    """

    id: str
    speaker: str
    lang: str
    text: str
    audio: Path
    content: str
    start_s: float | None = None
    end_s: float | None = None
    split: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    channel: int | None = None
    where: str = ""


@dataclass
class Corpus:
    """What a reader found. ``left_out``: reason → ids of what it did not take; ``facts`` go into the
    report; ``unread``: further sets of the corpus that nobody has asked for, with their sizes
    (:mod:`xlt.data.sets`).
    """

    name: str
    utterances: list[Utterance]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
