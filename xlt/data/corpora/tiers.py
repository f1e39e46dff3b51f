"""Which tiers of annotations hold the texts: those that data.tier names; else the only one, or one whose name
or whose labels leave no doubt. Tiers that speak by turns are one speaker each.
"""

from __future__ import annotations

import fnmatch
import re
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

from xlt.core.errors import DataError
from xlt.text.scripts import UNDETERMINED, UNSPACED, script

_SHOWN = 40  # tiers in an error
_TEXT, _UNKNOWN, _WORDS, _OTHER = range(4)  # kinds of tiers, those that are taken first first
_NAMES = {  # words in names of tiers → their kind
    _TEXT: """utterance utterances utt utts sentence sentences sent phrase phrases text texts txt tx trn ort
        orth ortho orthography orthographic orthographe transcript transcripts transcription transcriptions
        transcripción transcrição transcricao transkription transkript transkripce speech said satz sätze
        äußerung oración oracion frase frases enunciado énoncé texte texto tekst zdanie ipu ipus""",
    _WORDS: """word words wrd wort wörter palabra palabras mot mots parola parole palavra palavras slovo slova
        orthographicword token tokens ortmau""",
    _OTHER: """phone phones phoneme phonemes phon phn segment segments seg mau sampa ipa syllable syllables
        syll syl silbe silben mora moras kan kas kanmau mas gloss glosses gl glo ge morph morphs morpheme
        morphemes mb mrp pos ps ft translation translations übersetzung traducción traduction tradução english
        note notes nt comment comments remark remarks kommentar comentario tone tones pitch tobi break breaks
        intonation stress misc noise noises event events gesture gestures silence silences vowel vowels
        consonant consonants closure burst confirmed""",
}
_KIND_OF = {word: kind for kind, words in _NAMES.items() for word in words.split()}
_PERSON = "speakers?|spk|sp|s|tier|track|channel|chan|ch|voice|participant|person|informant"
_NAME_OF_ANYBODY = re.compile(  # of a tier, so that in each file it may be somebody else
    rf"(?:{_PERSON})[\s_.-]*\d*|(?:{_PERSON})[\s_.-]+[a-z]|\d+|[a-z]", re.IGNORECASE
)
_SINGLE = 1.2  # words of a label, on average, up to which they are words; in scripts that part none,
_SINGLE_LETTERS = 3.5  # letters
_SOUND = 2  # letters of a label, in the middle, up to which they are sounds, in scripts that spell sounds
_FEW = 5  # labels that tell nothing
_SPELLING = {"Latn", "Cyrl", "Grek"}
_AT_ONCE = 0.5  # of the time of the smaller tier; below, two tiers are two speakers by turns


class Piece(NamedTuple):
    """A label with text of a tier; ``place``: its file; ``speaker``: "" if the file does not name one."""

    place: str
    tier: str
    start_s: float
    end_s: float
    text: str
    speaker: str = ""


@dataclass
class Chosen:
    """``tiers``: those with the texts, by file; ``speakers``: whose each is, by file and tier, where a file
    has several; ``words``: those whose labels are single words; ``why``: for people, nothing if there was no
    choice.
    """

    tiers: dict[str, list[str]]
    speakers: dict[tuple[str, str], str] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    why: str = ""


def fits(tier: str, pattern: object) -> bool:
    """Whether a tier is meant by a name or pattern of data.tier."""
    return tier == pattern or fnmatch.fnmatchcase(tier, str(pattern))


def table(texts: Mapping[str, Sequence[str]]) -> str:
    """The tiers, ``{tier: its texts}``, with number and example, a line each."""
    return "\n".join(
        f"  {tier!r}: {len(texts[tier])} annotations, e.g. {texts[tier][0][:60]!r}"
        for tier in sorted(texts)[:_SHOWN]
    )


def named(texts: Mapping[str, Sequence[str]], setting: str | list, where: object) -> list[str]:
    """The tiers that ``setting``, data.tier, names among those with texts; DataError if there is none."""
    patterns = [setting] if isinstance(setting, str) else setting
    wrong = [pattern for pattern in patterns if not any(fits(tier, pattern) for tier in texts)]
    if wrong:
        raise DataError(f"data.tier: no tier {wrong[0]!r} with text in {where}; there are:\n{table(texts)}")
    return [tier for tier in texts if any(fits(tier, pattern) for pattern in patterns)]


def not_set(texts: Mapping[str, Sequence[str]], where: object) -> DataError:
    """That data.tier is needed."""
    return DataError(
        f"data.tier: not set, and {where} has {len(texts)} tiers; name the one with the texts (or several:"
        f" data.tier='tx@*', data.tier=[A, B]):\n{table(texts)}"
    )


def choose(
    pieces: Iterable[Piece], setting: str | list | None, scripts: Collection[str], where: object
) -> Chosen:
    """The tiers to read of each file. ``scripts``: those of the language. DataError if data.tier names none,
    or is needed.
    """
    by_tier: dict[str, dict[str, list[Piece]]] = defaultdict(lambda: defaultdict(list))
    for piece in pieces:
        by_tier[piece.tier][piece.place].append(piece)
    texts = {tier: [piece.text for own in files.values() for piece in own] for tier, files in by_tier.items()}
    of_file: dict[str, list[str]] = defaultdict(list)
    for tier, files in by_tier.items():
        for place in files:
            of_file[place].append(tier)
    if setting is not None:
        taken = named(texts, setting, where)
        tiers = {place: [tier for tier in own if tier in taken] for place, own in of_file.items()}
        return Chosen(tiers, _speakers(tiers))
    kinds = {tier: _kind(tier, own, scripts) for tier, own in texts.items()}
    if texts and min(kinds.values()) == _OTHER and all(map(are_sounds, texts.values())):
        raise DataError(
            f"data.tier: not set, and the labels in {where} are sounds of speech rather than words; give the"
            f" texts, or name a tier all the same (data.tier='*'):\n{table(texts)}"
        )
    if len(kinds) > 1 and min(kinds.values()) == _OTHER:
        raise not_set(texts, where)
    tiers = {}
    for place, own in of_file.items():
        best = min(kinds[tier] for tier in own)
        tiers[place] = [tier for tier in own if kinds[tier] == best and (best != _OTHER or len(kinds) == 1)]
        for a, b in combinations(tiers[place], 2):
            if _at_once(by_tier[a][place], by_tier[b][place]):
                raise not_set(texts, where)
    found = Chosen(tiers, _speakers(tiers), {tier for tier in kinds if kinds[tier] == _WORDS})
    taken = [tier for tier in kinds if any(tier in own for own in tiers.values())]
    if others := [tier for tier in kinds if tier not in taken]:
        found.why = f"takes the tier{'s' * (len(taken) > 1)} {_list(taken)}, not {_list(others)}"
    elif found.speakers:
        found.why = f"takes the tiers {_list(taken)} for speakers"
    return found


def _list(tiers: Sequence[str]) -> str:
    more = f" and {len(tiers) - 8} more" if len(tiers) > 8 else ""
    return ", ".join(map(repr, tiers[:8])) + more


def _parts(tier: str) -> tuple[int | None, str]:
    """The kind that a tier's name says, and whose it is: ``words``, ``tx@Ana``, ``Ana - words``,
    ``1 utterances``.
    """
    name = tier.strip()
    if (kind := _KIND_OF.get(re.sub(r"[\W\d_]+", "", name.casefold()))) is not None:
        return kind, re.sub(r"\D+", "", name)
    for pattern in (
        r"(?P<kind>[^@]+)@(?P<who>.+)",
        r"(?P<who>.+?)[\s_:.-]+(?P<kind>\w+)",
        r"(?P<kind>\w+?)[\s_:.-]+(?P<who>.+)",
    ):
        hit = re.fullmatch(pattern, name)
        if hit and (kind := _KIND_OF.get(hit["kind"].strip().casefold())) is not None:
            return kind, hit["who"].strip(" -_")
    return None, ""


def _kind(tier: str, texts: Sequence[str], scripts: Collection[str]) -> int:
    said, _ = _parts(tier)
    if said == _OTHER or _is_foreign(texts, scripts) or (said is None and are_sounds(texts)):
        return _OTHER
    return _WORDS if said == _WORDS or _are_words(texts) else _UNKNOWN if said is None else said


def _scripts(text: str) -> list[str]:
    """The script of each letter."""
    return [code for char in text if char.isalpha() and (code := script(char)) not in UNDETERMINED]


def _is_foreign(texts: Sequence[str], scripts: Collection[str]) -> bool:
    """Whether few of the letters are of the language's scripts."""
    found = [code for text in texts for code in _scripts(text)]
    return bool(found and scripts) and 10 * sum(code in scripts for code in found) < len(found)


def are_sounds(texts: Sequence[str]) -> bool:
    """Whether labels are mostly of one or two letters, of a script whose letters are sounds."""
    sizes = [len(found) for text in texts if (found := _scripts(text)) and set(found) <= _SPELLING]
    return len(sizes) >= _FEW and 2 * len(sizes) > len(texts) and statistics.median(sizes) <= _SOUND


def _are_words(texts: Sequence[str]) -> bool:
    if statistics.mean(len(text.split()) for text in texts) >= _SINGLE:
        return False
    unspaced = [len(found) for text in texts if (found := _scripts(text)) and set(found) & UNSPACED]
    return 2 * len(unspaced) <= len(texts) or statistics.mean(unspaced) < _SINGLE_LETTERS


def _at_once(a: Sequence[Piece], b: Sequence[Piece]) -> bool:
    """Whether two tiers of one file mostly have text at the same time, and not of two speakers."""
    if not {piece.speaker for piece in a} & {piece.speaker for piece in b}:
        return False
    both, at = 0.0, 0
    one, other = (sorted(own, key=lambda piece: piece.start_s) for own in (a, b))
    for piece in one:
        while at < len(other) and other[at].end_s <= piece.start_s:
            at += 1
        for beside in other[at:]:
            if beside.start_s >= piece.end_s:
                break
            both += max(0.0, min(piece.end_s, beside.end_s) - max(piece.start_s, beside.start_s))
    return both > _AT_ONCE * min(sum(p.end_s - p.start_s for p in own) for own in (a, b))


def _speakers(tiers: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """Whose each tier is, by file and tier, of files that have several: as the name says, which several files
    may share unless it is a number or a letter.
    """
    found = {}
    for place, own in tiers.items():
        for tier in own if len(own) > 1 else ():
            who = _parts(tier)[1] or tier
            found[place, tier] = somebody(who, place)
    return found


def somebody(who: str, place: str) -> str:
    """The speaker whom a file, ``place``, calls ``who``: numbers and letters are others in each file.

    >>> somebody("Ana", "call1"), somebody("Speaker 2", "call1")
    ('Ana', 'call1 Speaker 2')
    """
    return f"{place} {who}" if _NAME_OF_ANYBODY.fullmatch(who) else who
