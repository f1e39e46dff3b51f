"""The language of an utterance as its first label (``tokens.language_tag``), as OWSM-CTC has it (Peng et al.
2024).

ESPnet then reads the labels as they are, with spaces between them, since its tokenizers know no such token.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from xlt.features.copies import Source, read_sources, utterance_of
from xlt.features.speech import Speech
from xlt.formats.tables import read_table, write_table
from xlt.models.resolved import Resolved
from xlt.phones.corpus import languages_of
from xlt.tokens.tokenizer import is_tag, tag_of

if TYPE_CHECKING:
    import torch


def tagged(run: Resolved, sets: dict[str, Speech], folder: Path) -> dict[str, Speech]:
    """``sets`` with their labels, written into ``folder``, in place of their texts; a language that has no
    tag gets none.
    """
    tokenizer = run.tokenizer
    known: dict[str, str] = {}
    sources: dict[str, Source] = {}
    for name in run.sets:
        known |= languages_of(run.ctx, name)
        sources |= read_sources(run.ctx.dump / name)
    found = {}
    for name, files in sets.items():
        labels = {}
        for utt, text in read_table(files.text).items():
            tag = tag_of(known[utterance_of(sources, utt)])
            labels[utt] = " ".join([*([tag] if tag in tokenizer.ids else []), *tokenizer.pieces(text)])
        write_table(folder / f"{name}.labels", labels)
        found[name] = dataclasses.replace(files, text=folder / f"{name}.labels")
    return found


def leave_out_of_rates(model: torch.nn.Module) -> None:
    """ESPnet's CER and WER of an epoch count the letters of its tokens; a language has none."""
    rates = getattr(model, "error_calculator", None)
    if rates is not None:
        rates.char_list = ["" if is_tag(token) else token for token in rates.char_list]
