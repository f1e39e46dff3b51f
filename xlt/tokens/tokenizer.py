"""Text ↔ token ids. The token list has ESPnet's order: ``<blank> <unk> … <sos/eos>``.

What the tokens are stands beside the list: in ``tokens.json`` of stage 4, in ``xlt.json`` of an experiment or
a bundle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xlt.core import jsons
from xlt.core.errors import ConfigError, DataError
from xlt.core.stage import write_json

BLANK, UNK, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"
TYPES = ("char", "bpe", "phone")
_TAG = re.compile(r"<([a-z]{3}_[A-Z][a-z]{3})>")


def tag_of(lang: str) -> str:
    """The token that says in which language an utterance is: ``ron_Latn`` → ``<ron_Latn>``."""
    return f"<{lang}>"


def is_tag(token: str) -> bool:
    """Whether it is the token of a language."""
    return _TAG.fullmatch(token) is not None


def _type_in(folder: Path) -> str:
    """What the tokens in ``folder`` are; DataError if that stands nowhere."""
    for name, part in (("tokens.json", None), ("xlt.json", "tokens")):
        if (folder / name).exists():
            try:
                facts = jsons.parse((folder / name).read_text(encoding="utf-8"))
                kind = (facts[part] if part else facts)["type"]
            except (ValueError, KeyError, TypeError):
                kind = None
            if kind not in TYPES:
                raise DataError(
                    f"{folder / name}: damaged, it does not say what the tokens are; make it again with"
                    " --force"
                )
            return kind
    raise DataError(
        f"{folder / 'tokens.txt'}: neither tokens.json nor xlt.json beside it says what the tokens are; make"
        " it again with --stage 4 --force"
    )


class Tokenizer:
    """The tokenizer in a folder that :func:`train_tokenizer` wrote, in an experiment or in a bundle.

    The text of ``type`` phone is phones with spaces between them.
    """

    def __init__(self, folder: Path):
        path = folder / "tokens.txt"
        try:
            self.tokens = path.read_text(encoding="utf-8").split("\n")[:-1]
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; stage 4 (tokens) makes it") from None
        except UnicodeDecodeError as err:
            raise DataError(
                f"{path}: damaged, not UTF-8 ({err.reason}); make it again with --stage 4 --force"
            ) from None
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        if UNK not in self.ids:
            raise DataError(f"{path}: damaged, it has no {UNK}; make it again with --stage 4 --force")
        self.tags = {i: token for i, token in enumerate(self.tokens) if is_tag(token)}
        self.bpe_model = folder / "bpe.model"
        self.type = _type_in(folder)
        self._bpe: Any = None  # sentencepiece's processor, once it is needed

    def pieces(self, text: str) -> list[str]:
        """The tokens of a text as they are written, also those that the list does not have."""
        if self.type == "char":
            return [SPACE if c == " " else c for c in text]
        if self.type == "phone":
            return text.split()
        if self._bpe is None:
            import sentencepiece

            self._bpe = sentencepiece.SentencePieceProcessor(model_file=str(self.bpe_model))
        return self._bpe.encode(text, out_type=str)

    def encode(self, text: str) -> list[int]:
        """Token ids; what the list does not have becomes ``<unk>``."""
        unk = self.ids[UNK]
        return [self.ids.get(piece, unk) for piece in self.pieces(text)]

    def decode(self, ids: list[int]) -> str:
        """The text of token ids; ``<blank>``, ``<sos/eos>`` and languages are left out, ``<unk>`` is shown as
        it is.
        """
        pieces = [self.tokens[i] for i in ids if i not in self.tags]
        pieces = [p for p in pieces if p not in (BLANK, SOS_EOS)]
        if self.type == "char":
            return "".join(" " if p == SPACE else p for p in pieces)
        if self.type == "phone":
            return " ".join(pieces)
        return "".join(pieces).replace("▁", " ").removeprefix(" ")

    def language(self, ids: list[int]) -> str | None:
        """The language that token ids say first, e.g. ``ron_Latn``; None if they say none."""
        return next((self.tags[i][1:-1] for i in ids if i in self.tags), None)

    def symbols(self) -> set[str]:
        """The characters, or phones, that the tokens can write."""
        special = {BLANK, UNK, SOS_EOS, *self.tags.values()}
        if self.type == "char":
            return {" " if t == SPACE else t for t in self.tokens if t not in special}
        if self.type == "phone":
            return set(self.tokens) - special
        return {c for t in self.tokens if t not in special for c in t.replace("▁", " ")}


def train_tokenizer(
    texts: list[str], kind: str, size: int, out: Path, where: str, languages: Iterable[str] = (), **facts: Any
) -> dict:
    """Write ``tokens.txt``, ``tokens.json`` (and ``bpe.model``) learned from ``texts`` into ``out``; returns
    tokens.json.

    ``facts`` go into tokens.json as well. ``size`` counts bpe pieces; ``languages`` get a token each beside
    them. Raises ConfigError if that many pieces cannot be learned from these texts; ``where`` names the text
    in the message.
    """
    if kind == "char":
        chars = sorted({c for text in texts for c in text})
        listed = [SPACE if c == " " else c for c in chars]
    elif kind == "phone":
        listed = sorted({phone for text in texts for phone in text.split()} - {UNK})
    else:
        listed = _train_bpe(texts, size, out, where)
    listed = [*map(tag_of, sorted(languages)), *listed]
    (out / "tokens.txt").write_text(
        "".join(f"{t}\n" for t in [BLANK, UNK, *listed, SOS_EOS]), encoding="utf-8", newline="\n"
    )
    found = {"type": kind, "count": len(listed) + 3, "texts": len(texts), **facts}
    write_json(out / "tokens.json", found)
    return found


def _train_bpe(texts: list[str], size: int, out: Path, where: str) -> list[str]:
    import sentencepiece

    # identity: the default normaliser (NFKC) rewrites letters, and the text is normalised already
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_prefix=str(out / "bpe"),
            model_type="bpe",
            vocab_size=size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            bos_id=-1,
            eos_id=-1,
            unk_id=0,
            unk_piece=UNK,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as err:
        chars = len({c for text in texts for c in text})
        reason = str(err).strip().rpartition("] ")[2] or "no reason given"
        raise ConfigError(
            f"tokens.size={size}: bpe pieces cannot be learned from {where}, which has {chars} different "
            f"characters: {reason} Choose another tokens.size, or tokens.type=char"
        ) from None
    (out / "bpe.vocab").unlink(missing_ok=True)
    model = sentencepiece.SentencePieceProcessor(model_file=str(out / "bpe.model"))
    return [model.id_to_piece(i) for i in range(model.get_piece_size()) if model.id_to_piece(i) != UNK]
