"""The model card of a bundle: README.md with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from xlt.bundle.card import CARD, Card, Scored
from xlt.text.languages import get

NOT_STATED = "not stated"
PICKLED = (".pth", ".pt", ".bin", ".ckpt")
# identifiers of the hub's list; others go under "other" with a name
_LICENCES = re.compile(
    r"apache-2\.0|mit|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-(2\.0|2\.5|3\.0|4\.0)|l?gpl-3\.0|gpl-2\.0|lgpl-2\.1"
    r"|agpl-3\.0|bsd-[23]-clause|mpl-2\.0|openrail|bigscience-openrail-m|unlicense"
)


@dataclass(frozen=True)
class Part:
    """A model of one language; ``name``: of its head; ``untransformed``: why transformers cannot load it,
    None if it can; ``files``: of the bundle.
    """

    name: str
    info: dict[str, Any]
    manifest: dict[str, Any]
    card: Card | None
    files: list[str]
    untransformed: str | None = None

    @property
    def facts(self) -> Card:
        """Its card; an empty one for bundles without."""
        return self.card or Card()


def lacking(parts: Sequence[Part]) -> list[str]:
    """What the card cannot say, and how to mend it, a line each."""
    found = []
    for part in parts:
        if part.card is None:
            found.append(
                f"{part.name}: has no {CARD}, it was made by an older xlt; make it again with --stage 10"
            )
            continue
        for name in ("licence", "consent", "contact"):
            if getattr(part.card, name) is None:
                found.append(
                    f"{part.name}: bundle.{name} is {NOT_STATED}; set it in recipe.yaml, then --stage 10"
                )
        if not part.card.scores:
            found.append(f"{part.name}: has no error rates; run stages 7 to 10")
    return found


def text(name: str, parts: Sequence[Part]) -> str:
    """README.md of the model called ``name``."""
    front = yaml.safe_dump(front_matter(name, parts), allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{front}---\n\n" + "\n".join(_body(name, parts)) + "\n"


def front_matter(name: str, parts: Sequence[Part]) -> dict[str, Any]:
    """What stands between the lines of dashes, with scores as the hub's ``model-index`` has them."""
    codes = (get(part.info["lang"]) for part in parts)
    names = ("multilingual" if lang.iso == "mul" else lang.iso1 or lang.iso for lang in codes)
    found: dict[str, Any] = {"language": list(dict.fromkeys(names))}
    stated = {part.facts.licence for part in parts}
    if len(stated) == 1 and (licence := stated.pop()):
        known = _LICENCES.fullmatch(licence.lower())
        found |= {"license": licence.lower()} if known else {"license": "other", "license_name": licence}
    elif stated - {None}:  # heads of several licences
        found |= {"license": "other", "license_name": "see-below"}
    ready = all(part.untransformed is None for part in parts)
    found |= {
        "pipeline_tag": "automatic-speech-recognition",
        "library_name": "transformers" if ready else "xlt",
        "tags": ["automatic-speech-recognition", "low-resource", "xlt", *_upstreams(parts)],
    }
    if results := [result for part in parts for result in _results(part)]:
        found["model-index"] = [{"name": name, "results": results}]
    return found


def _upstreams(parts: Sequence[Part]) -> list[str]:
    names = (part.info["features"]["upstream"].get("upstream") for part in parts)
    return list(dict.fromkeys(str(one) for one in names if one))


def _results(part: Part) -> Iterator[dict[str, Any]]:
    corpora = " + ".join(corpus["name"] for corpus in part.facts.corpora) or "own recordings"
    for name, scored in part.facts.scores.items():
        yield {
            "task": {"type": "automatic-speech-recognition", "name": "Automatic speech recognition"},
            "dataset": {
                "name": f"{corpora} ({part.info['lang']}, {name})",
                "type": re.sub(r"[^a-z0-9]+", "-", corpora.lower()).strip("-"),
                "split": name,
            },
            "metrics": [
                {
                    "type": key,
                    "value": value["value"],
                    "name": f"{key.upper()}, 95% interval {_interval(value)}",
                }
                for key, value in scored["metrics"].items()
            ],
        }


def _interval(value: Any) -> str:
    return "{:.1f} to {:.1f}".format(*value["ci95"])


def _body(name: str, parts: Sequence[Part]) -> Iterator[str]:
    named = ", ".join(dict.fromkeys(get(part.info["lang"]).name for part in parts))
    yield from (f"# {name}", "", f"Speech recognition for {named}, trained with xlt.", "")
    yield from ("## Use", "")
    if all(part.untransformed is None for part in parts):
        yield from (
            "```python",
            "from transformers import pipeline",
            "",
            'recognise = pipeline("automatic-speech-recognition", model="DIR")  # this folder',
            'print(recognise("recording.wav")["text"])',
            "```",
            "",
            "This gives greedy texts. With its language model, word confidences and long recordings:",
        )
    else:
        yield "Load it with xlt:"
    lang = f" --lang {parts[0].name}" if len(parts) > 1 else ""
    yield from ("", f"    xlt transcribe DIR{lang} recording.wav", "")
    if why := next((part.untransformed for part in parts if part.untransformed), None):
        yield from (f"transformers cannot load it: {why}.", "")
    if pickled := sorted({file for part in parts for file in part.files if file.endswith(PICKLED)}):
        yield from (
            f"{', '.join(pickled)}: weights of the encoder as PyTorch saves them, the form in which they were"
            " published. xlt reads tensors and plain values of such files and runs no code.",
            "",
        )
    for part in parts:
        yield from _of_part(part, f"## {part.name}: " if len(parts) > 1 else "## ")
    yield from _ends(parts)


def _of_part(part: Part, prefix: str) -> Iterator[str]:
    card = part.facts
    yield from (f"{prefix}Error rates", "")
    if card.scores:
        yield from ("| set | utterances | metric | value, % | 95% interval |", "|---|---|---|---|---|")
        for name, scored in card.scores.items():
            yield from _rows(name, scored)
        yield from (
            "",
            "The intervals come from a bootstrap over the utterances of the set. Epochs and the decoder's",
            "weights were chosen on dev, so that only the other sets say what to expect.",
            "",
        )
    else:
        yield from ("Not measured, or the bundle does not say.", "")
    yield from (f"{prefix}Training data", "")
    for speech in card.speech:
        yield (
            f"- {speech['set']}: {speech['minutes']:.1f} minutes of speech, {speech['utterances']}"
            f" utterances, {speech['speakers']} {'speaker' if speech['speakers'] == 1 else 'speakers'}"
        )
    yield from (f"- corpus {one['name']}, licence: {one['licence'] or NOT_STATED}" for one in card.corpora)
    yield from (
        f"- language model: {one['name']}, licence: {one['licence'] or NOT_STATED}" for one in card.lm
    )
    if not (card.speech or card.corpora):
        yield f"- {NOT_STATED}"
    init = part.info.get("init")
    if isinstance(init, dict):
        origin = f"{init.get('recipe')}/{init.get('tag')} ({init.get('lang')})"
        yield f"- training began with another model, {origin}"
    yield f"- encoder: {part.info['features']['upstream'].get('upstream', NOT_STATED)}"
    heard = f"`heard` lists the hashes of the audio of {card.heard} clips" if card.heard else None
    yield from (f"- training manifest: {heard or NOT_STATED}", "")
    yield from (f"{prefix}Licence, consent, contact", "")
    for label, value in (("licence", card.licence), ("consent", card.consent), ("contact", card.contact)):
        yield f"- {label}: {value or NOT_STATED}"
    yield ""


def _rows(name: str, scored: Scored) -> Iterator[str]:
    for key, value in scored["metrics"].items():
        rate = f"{value['value']:.1f} | {_interval(value)}"
        yield f"| {name} | {scored['utterances']} | {key.upper()} | {rate} |"


def _ends(parts: Sequence[Part]) -> Iterator[str]:
    yield from (
        "## Intended use",
        "",
        "Drafts of transcripts that a person corrects: subtitles, field recordings, archives, search.",
        "It is not meant for decisions about people, or for telling who speaks.",
        "",
        "## Limits",
        "",
    )
    fewest = min((sum(s["minutes"] for s in p.facts.speech) for p in parts if p.facts.speech), default=None)
    if fewest is not None:
        yield f"- It has learned from little speech: {fewest:.1f} minutes" + (
            " in the language with the least." if len(parts) > 1 else "."
        )
    speakers = [speech["speakers"] for part in parts for speech in part.facts.speech]
    if speakers and min(speakers) < 5:
        yield "- It has heard few voices; with others it makes more errors than the table says."
    yield from (
        "- The error rates are of recordings like those of the training. Noise, telephones, other accents and"
        " other topics raise them.",
        "- It writes the letters of its training texts only, without capitals and most punctuation.",
        "- Rare names and words of other languages are often wrong.",
    )
