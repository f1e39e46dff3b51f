"""A bundle with another language model and the same acoustic model."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from xlt.bundle.manifest import LM, MANIFEST, PARTNER, check_files, read_manifest, write_manifest
from xlt.core.errors import ConfigError
from xlt.core.log import say
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode import transducer
from xlt.decode.combination import LM_MORE
from xlt.decode.fusion import COMBINED
from xlt.formats.model_folder import CTC, TRANSDUCER, parts_of, read_info
from xlt.lm.adapt import Adapted
from xlt.lm.adapt import adapt as adapt_model
from xlt.lm.build import ORDERS
from xlt.lm.sources import Reading, fitting, in_words, sentences
from xlt.text.normalise import normalise
from xlt.tokens.tokenizer import Tokenizer

KIND = "ngram"  # lm.type of what is made
WEIGHT, BONUS = 1.5, 3.0  # where a bundle had no language model, and none could be tuned


def _normaliser(bundle: Path, info: dict) -> Callable[[str], str]:
    """ConfigError for a bundle of several languages with normalisers of their own."""
    name = info["normaliser"]
    if "+" in name:
        raise ConfigError(
            f"{bundle}: knows languages that are normalised differently ({name}); adapt a bundle of one"
            " language"
        )
    return lambda text: normalise(text, name)


def with_lm(decode: DecodeConfig, parts: Sequence[str]) -> DecodeConfig:
    """The settings of a bundle that has a language model now: by the beam search, by the transducer's, or in
    the combination, with the weight against CTC that a combination would give it before a fit. ConfigError
    for a model without CTC.
    """
    if CTC not in parts:
        raise ConfigError(
            "BUNDLE: this model has no CTC head, whose search could use a language model; adapt one that has"
        )
    given = decode.combination
    if TRANSDUCER in parts:
        return dataclasses.replace(
            decode, method=TRANSDUCER, lm_weight=transducer.WEIGHT, length_bonus=transducer.BONUS
        )
    if given is None:
        return dataclasses.replace(decode, method="beam", lm_weight=WEIGHT, length_bonus=BONUS)
    share = LM_MORE * (given["weights"].get("ctc", 0.0) + given["weights"].get("partner", 0.0))
    weights = given["weights"] | {"lm": [WEIGHT * share], "chars": BONUS * share}
    return dataclasses.replace(
        decode,
        method=COMBINED,
        lm_weight=WEIGHT,
        length_bonus=BONUS,
        combination=given | {"weights": weights},
    )


def adapt(bundle: Path, texts: Sequence[Path], out: Path) -> Adapted:
    """Write ``bundle`` with a language model that knows ``texts`` into the empty folder ``out``.

    DataError or ConfigError for a damaged bundle, texts that are none or in another script, and language
    models that are not of characters.
    """
    manifest = read_manifest(bundle)
    check_files(bundle, manifest)
    info, tokenizer = read_info(bundle, "copy the bundle again"), Tokenizer(bundle)
    alphabet = tokenizer.symbols()
    reading = Reading("TEXT", info["lang"], _normaliser(bundle, info), fitting(ORDERS["char"]))
    found = [sentences(path, path.name, reading, alphabet) for path in texts]
    for text in found:
        say(f"  {in_words(text.facts)}")
    for name in manifest["files"]:
        if not name.startswith(f"{LM}/"):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / name, out / name)
    (out / LM).mkdir()
    old = bundle / LM if manifest.get("lm") == KIND else None
    lines = [line for text in found for line in text.lines]
    made = adapt_model(old, lines, [text.facts for text in found], alphabet, info["lang"], out / LM)
    if old is None:
        decode = from_json(DecodeConfig, "decode", manifest["decode"], str(bundle / MANIFEST))
        decode = with_lm(decode, (CTC,) if (bundle / PARTNER).is_dir() else parts_of(info))
        manifest |= {"decode": dataclasses.asdict(decode), "lm": KIND}
        say(f"  the bundle had no language model: its weight is {WEIGHT:g}, the bonus {BONUS:g}, untuned")
    write_manifest(out, manifest)
    return made
