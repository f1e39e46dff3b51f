"""Signs that belong to words though Unicode files them under symbols or punctuation: tone letters, word
signs, marks inside words.

Sources: UAX 29 (Word_Break: ALetter, MidLetter, MidNumLet, Single_Quote, Double_Quote) and the Unicode
Standard's chapters on the scripts.
"""

from __future__ import annotations

import re

# Modifier symbols of category Sk that spell tones, stress and length: ˥˦˧˨˩, ꜀, ꞉; ^ ` ¨ are none
_MODIFIERS = (
    "\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u02ff"
    "\ua700-\ua716\ua720\ua721\ua789\ua78a\uab5b\uab6a\uab6b\u0888"
)
# Signs that are read as a word: ۽ "and", ۾ "in" (Sindhi); ၌ ၍ ၎ ၏ (Burmese: locative, completed, the same,
# genitive) and those of Shan and Aiton; ௳ … ௸ and ௺ (Tamil: day, month, year, debit, credit, as above,
# number); ៘ "and so on" (Khmer); ᙭ "Christ" (Cree); ᥀ (Limbu); ৺ "the late" (Bengali); signs of Malayalam
# dates, of N'Ko, of Hmong; ﷽ and other formulas written as one sign
_WORD_SIGNS = (
    "\u06fd\u06fe\u104c-\u104f\u109e\u109f\uaa77-\uaa79\u0bf3-\u0bf8\u0bfa\u17d8\u166d\u1940\u09fa\u0d4f\u0d79"
    "\u07f6\u0c7f\U00016b3c-\U00016b3f\U00016b45\U0001e14f\ufd40-\ufd4f\ufdcf\ufdfd-\ufdff"
)
_GERESH, _GERSHAYIM = "\u05f3", "\u05f4"
OF_WORDS = re.compile(f"[{_MODIFIERS}{_WORD_SIGNS}{_GERESH}]")
_WORDS_OF_ONE = re.compile(f"[{_WORD_SIGNS}]")
# Armenian puts the marks of a question, a call and of stress above a vowel inside the word (Ինչո՞ւ);
# variation selectors choose a form of the sign before them
SILENT = frozenset("\u055b\u055c\u055e\ufe0e\ufe0f")

_APOSTROPHES = "’‘ʹ′＇`´"
ALIKE_1 = str.maketrans({**dict.fromkeys(_APOSTROPHES, "'"), **dict.fromkeys("‐‑", "-")})
# ʹ is a letter of Skolt Sami and of transliterations; hyphens of Armenian, Hebrew, Mongolian and Cree
ALIKE_2 = str.maketrans(
    {
        **dict.fromkeys(_APOSTROPHES.replace("ʹ", "") + "\u201b\u055a\u2035", "'"),
        **dict.fromkeys("‐‑\u058a\u05be\u1806\u1400\ufe63\uff0d", "-"),
    }
)
# Between letters: one form of the middle dot, of the colon and of the full stop; ՟ and ״ have one
_MIDDLE = {
    **dict.fromkeys("·‧•∙⋅・･", "·"),
    **dict.fromkeys(":：﹕︓", ":"),
    **dict.fromkeys(".․﹒．", "."),
}
MIDDLE = str.maketrans(_MIDDLE)
INSIDE = frozenset({*_MIDDLE.values(), "\u055f", _GERSHAYIM})
_HEBREW = "[\u05d0-\u05ea\ufb1d-\ufb4f\u0591-\u05bd\u05bf-\u05c7]"
_QUOTE_IN_HEBREW = re.compile(f'(?<={_HEBREW})["“”„″](?={_HEBREW})')
_APOSTROPHE_IN_HEBREW = re.compile(f"(?<={_HEBREW})'(?={_HEBREW})")
_FINAL_IN_HEBREW = re.compile(f"(?<!\\S)({_HEBREW}[^\\s']*)'(?![^\\s.,;:!?…)])")
_NEW_SENTENCE = re.compile(r"[^\W\d_]{2}\.[^\W\d_]")

# Cherokee's capitals are its ordinary letters; Unicode added small ones later (Unicode 8, chapter 20.1)
ORDINARY = str.maketrans(
    {
        **{chr(0xAB70 + i): chr(0x13A0 + i) for i in range(0x50)},
        **{chr(0x13F8 + i): chr(0x13F0 + i) for i in range(6)},
    }
)


def is_word(char: str) -> bool:
    """Whether a sign is read as a word of its own.

    >>> is_word("۽"), is_word("&")
    (True, False)
    """
    return _WORDS_OF_ONE.match(char) is not None


def hebrew(text: str) -> str:
    """Geresh and gershayim in the place of the quotes that are typed for them: צה"ל is צה״ל."""
    text = _APOSTROPHE_IN_HEBREW.sub(_GERESH, _QUOTE_IN_HEBREW.sub(_GERSHAYIM, text))
    return _FINAL_IN_HEBREW.sub(rf"\1{_GERESH}", text)


def new_sentence(before: str, behind: str) -> bool:
    """Whether the full stop between two parts of a word ends a sentence, the space behind it forgotten: a
    capital follows small letters.

    >>> new_sentence("end", "New"), new_sentence("e", "g"), new_sentence("U", "S")
    (True, False, False)
    """
    near = f"{before[-2:]}.{behind[:1]}"
    return _NEW_SENTENCE.fullmatch(near) is not None and near[1].islower() and near[3].isupper()
