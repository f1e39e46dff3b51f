"""Why clips are left out, and what to do about each reason.

The reasons of stage 1 come in the order in which they are tried; those of readers come first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping

from xlt.text.scripts import is_unspaced

DRAFT = "unconfirmed draft"  # of `xlt suggest`
HELD_OUT = "held out elsewhere"  # of data.reader=recipes
_YES = {"yes", "y", "x", "1", "true", "ok", "✓", "✔"}
_LIMIT = "listen to some; `xlt data --help` lists the limits that can be changed"
_TABLE = "correct these rows in the table"
_REASONS = {  # reason → what it means, what to do
    "text without audio": ("the corpus has a text but no clip", "correct the names, or add the sound files"),
    "audio without text": ("the corpus has a clip but no text", "transcribe them, if they are needed"),
    "alphabet": (
        "stamps of letters: the voice often says less than the text",
        "nothing: they are of no use",
    ),
    "empty text": (
        "nothing is left of the text after normalisation",
        "write what is said; name signs that are letters in data.keep",
    ),
    "digits": (
        "the text has digits; how they are said cannot be known",
        "write numbers as they are said; if digits are letters, set data.digits=keep",
    ),
    "cut short": (
        "the sound file ends before its own header says: a copy or download that broke off",
        "copy or fetch these files again",
    ),
    "unreadable": (
        "the clip is missing, empty or not audio",
        "data/all/report.json says why; mend the files",
    ),
    "too short": ("shorter than data.min_dur_s", _LIMIT),
    "too long": (
        "longer than data.max_dur_s",
        "cut them at pauses and give each part its own text (columns start and end); " + _LIMIT,
    ),
    "too fast": ("more text than can be said: over data.max_chars_per_s", _LIMIT),
    "too slow": ("too little text for the clip: under data.min_chars_per_s", _LIMIT),
    "one clip, several texts": (
        "the same audio has different texts; at least one is wrong",
        "correct the texts or the files",
    ),
    "duplicate": ("audio and text are the same as in a clip that was kept", "nothing: once is enough"),
    "another speaker": (
        "would be in train or dev, but data.train_speakers does not name the speaker",
        "name the speaker there, too, if this is to be trained on",
    ),
    "in train": (
        "of a further set, but its voice or its sentence is in the train that was chosen here",
        "give the corpus a split of its own, if these are needed",
    ),
}
_OF_READERS = {
    "sound without a row": (
        "a sound file that no row of a table names",
        "add rows for them, if they belong to the corpus",
    ),
    "another language": (
        "the row, or the name of the label file, says another language",
        "set lang, or data.columns: {language: null}",
    ),
    "row without a path": ("the row names no sound file", _TABLE),
    "row without a set": ("the row says of no set", _TABLE),
    "several files of that name": ("the row could mean several files", "write the path with its folder"),
    "row with more values than columns": ("the row has too many values", _TABLE),
    "start without end, or end without start": ("the row has one time", _TABLE),
    "start or end is not a time": ("the row's times cannot be read", _TABLE),
    "the end is not behind the start": ("the row's times are no part of a recording", _TABLE),
    "channel not understood": (
        "the row's channel is no number, letter or side",
        "write 1 or 2, A or B, L or R",
    ),
    "no speech": ("the text is a remark alone, such as [beep]", "nothing: they are of no use"),
    "not as it is said": (
        "the text has remarks, letters that are said by their names, or addresses",
        "write what is said, if they are needed",
    ),
    "a number is filled in": (
        "the game puts a number where the text has a sign, and says it in another clip",
        "nothing: they are of no use",
    ),
    "two languages": ("the text has letters of another script", "write what is said, if they are needed"),
    HELD_OUT: (
        "another source, in another language, has the same content in dev or test",
        "nothing: a model must not have heard what it is tested on",
    ),
    DRAFT: (
        "a draft of a recogniser, which nobody has confirmed",
        "correct the text and write yes beside it, in the column or tier 'confirmed'",
    ),
    "another label file": (
        "the recording has several label files, and a better one was taken",
        "remove the one that was taken, if this one is meant",
    ),
    "several label files": (
        "label files of one form and one recording say different things",
        "remove or rename those that are not meant",
    ),
    "several recordings of that name": (
        "the label file could belong to several recordings",
        "put it beside its own",
    ),
    "another form of a recording": (
        "the recording is there twice, as wav and mp3 say",
        "nothing: once is enough",
    ),
    "a point in time": (
        "the label marks a point, no stretch of speech",
        "give it a start and an end, if it is what somebody says",
    ),
    "behind the end of the recording": (
        "the label begins or ends behind its recording",
        "see whether they belong together",
    ),
    "annotation without times": ("the annotation is not aligned with the sound", "align it in ELAN"),
}
_ALL = {**_OF_READERS, **_REASONS}
REASONS = {reason: meaning for reason, (meaning, _) in _REASONS.items()}  # those that stage 1 itself has
MEANINGS = {reason: meaning for reason, (meaning, _) in _ALL.items()}
SPELLED = (
    "most words with digits have a letter right beside the digit, e.g. {words}: if these digits spell tones"
    " or letters, set data.digits=keep; `xlt check --fix` replaces digits that only look like letters"
)


CHAPTERS = (
    "these are long recordings with their whole text, which must be aligned and cut first: xlt align FOLDER"
    " -o aligned --model BUNDLE, with a bundle of any language, for recordings and texts called alike, or"
    " ELAN's documents; then name the folder aligned as the corpus (docs/align.md). Labels of another"
    " aligner, such as TextGrid, are read by data.reader=labels"
)
_CHAPTER = 200  # characters of a text from which on it has several sentences


def confirms(value: str) -> bool:
    """Whether a person has written beside a draft that its text is right.

    >>> confirms("Yes"), confirms(" x "), confirms("no"), confirms("later"), confirms("")
    (True, True, False, False, False)
    """
    return value.strip().casefold() in _YES


def remedy(reason: str) -> str:
    """What to do about utterances that were left out for ``reason``."""
    return _ALL[reason][1] if reason in _ALL else "look at them in the corpus"


def spelled_with_digits(texts: Iterable[str]) -> list[str]:
    """The first words whose digits touch letters (``tai5``, ``nkwa²⁴``), if most words with digits in
    ``texts`` are such; else none.
    """
    total, found = 0, []
    for word in (word for text in texts for word in text.split()):
        # 2025年 is a number beside a word, not a tone in one
        kinds = ["" if is_unspaced(char) else unicodedata.category(char)[0] for char in word]
        if "N" in kinds:
            total += 1
            if any({a, b} in ({"N", "L"}, {"N", "M"}) for a, b in zip(kinds, kinds[1:], strict=False)):
                found.append(word)
    return found[:3] if 2 * len(found) > total else []


def remedies(
    left_out: Mapping[str, list[str]], texts: Mapping[str, str], whole: Container[str] = ()
) -> dict[str, str]:
    """What to do about each reason that there is; ``texts``: those of the corpus, by utterance; ``whole``:
    the utterances that are whole recordings, or are cut like them.
    """
    found = {reason: remedy(reason) for reason, ids in left_out.items() if ids}
    if "digits" in found:
        words = spelled_with_digits(texts[utt] for utt in left_out["digits"] if utt in texts)
        if words:
            found["digits"] = SPELLED.format(words=", ".join(map(repr, words)))
    long = left_out.get("too long", [])
    chapters = [utt for utt in long if utt in whole and len(texts.get(utt, "")) >= _CHAPTER]
    if 2 * len(chapters) > len(long):
        found["too long"] = CHAPTERS
    return found
