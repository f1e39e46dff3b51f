"""IPA → phones: segments with their diacritics and length, without stress, syllable marks and tones."""

from __future__ import annotations

import re

from xlt.phones.choice import Choice

_TIE = "\u0361"
_VOWELS = "iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒ"
_TIED_VOWELS = re.compile(f"([{_VOWELS}][\u0300-\u0360\u0362-\u036fː]*){_TIE}([{_VOWELS}])")
_TIE_AT_VOWEL = re.compile(f"{_TIE}(?=[{_VOWELS}])|(?<=[{_VOWELS}]){_TIE}")
_FALLING = {"ɪ": "j", "i": "j", "ʊ": "w", "u": "w"}
_RISING = {"e": "e\u032f", "ɛ": "e\u032f", "o": "o\u032f", "ɔ": "o\u032f"}

# Where espeak's IPA is not the IPA that the language's phonetics is written in, or is wrong. In this order.
_MENDS: dict[str, list[tuple[str, str]]] = {
    "espeak be": [("iʲ", "i")],
    "espeak bg": [("iː", "i"), ("uː", "u")],  # Bulgarian vowels have no length
    "espeak cmn": [
        ("ɜ", ""),  # the third tone
        ("t͡s.͡h", "ʈ͡ʂʰ"),
        ("t͡s.", "ʈ͡ʂ"),
        ("s.", "ʂ"),
        ("i.", "ɻ̩"),
        ("i̪", "ɹ̩"),
        ("͡h", "ʰ"),
        ("o͡n͡ɡ", "ʊŋ"),
        ("χ", "x"),
    ],
    "espeak da": [
        ("ʔ͡", ""),
        ("?͡", ""),
        ("ʔ", ""),
        ("?", ""),
    ],  # not stød: it stands before vowels that have none
    "espeak el": [("r", "ɾ")],
    "espeak ro": [("y͡ɪ", "ɨj"), ("ɾ", "r")],  # one rhotic, written two ways
    "espeak yue": [("ɜ", ""), ("a͡a", "aː"), ("͡n͡ɡ", "ŋ"), ("n͡ɡ", "ŋ")],
    "espeak ru": [
        ("ɭʲ", "lʲ"),
        ("ɭ", "ɫ"),
        ("t͡ʃʲ", "t͡ɕ"),
        ("d͡ʒʲ", "d͡ʑ"),
        ("ʃ", "ʂ"),
        ("ʒ", "ʐ"),
        ('u"', "ʉ"),
        ('"', ""),
        ("^", ""),
        ("y", "ɨ"),
        ("ʌ", "ɐ"),
        ("ɑ", "a"),
        ("jj", "j"),
    ],
}


def _diphthong(match: re.Match) -> str:
    """Two tied vowels are a vowel and a glide, in that order or the other."""
    first, second = match.groups()
    if second in _FALLING:
        return first + _FALLING[second]
    return _RISING.get(first, first) + second


def segment(ipa: str, choice: Choice) -> list[str]:
    """The phones of ``ipa``, as ``choice``'s converter wrote it.

    Affricates stay tied, diphthongs become vowel and glide, so that languages compare. What is no IPA stays
    as a phone.

    >>> segment("ɡˈe͡at͡sə", Choice("ron_Latn", "espeak", "ro"))
    ['ɡ', 'e̯', 'a', 't͡s', 'ə']
    """
    import ipatok

    ipa = (
        re.sub(f"{_TIE}+", _TIE, ipa).replace("ε", "ɛ").replace("ʲʲ", "ʲ")
    )  # ε: the Greek letter, for IPA's own
    for old, new in _MENDS.get(str(choice), []):
        ipa = ipa.replace(old, new)
    ipa = _TIE_AT_VOWEL.sub("", _TIED_VOWELS.sub(_diphthong, ipa))
    ipa = re.sub(
        "[ˈˌ.'‿|‖0-9\u200b-\u200d-]", "", ipa
    )  # espeak's digits are tones; Sinhala and Persian write joiners
    phones = ipatok.tokenise(ipa, strict=False, replace=True, diphthongs=False, tones=False, unknown=True)
    return [phone.replace("l\u0334", "ɫ") for phone in phones]  # ipatok takes it apart
