"""Languages: code_Script (ISO 639-3, ISO 15924), name, family, and the name of the text normaliser.

The rules behind a normaliser's name are in ``xlt/text/normalise.py``. A name is never given a new meaning:
a changed rule is a new version.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, replace
from typing import Any

from xlt.core.errors import ConfigError


@dataclass(frozen=True)
class Language:
    """``code`` is code_Script, e.g. ``ron_Latn``; ``iso1`` the two-letter code, or "" where there is none;
    ``g2p`` what turns its text into phones, e.g. ``espeak ro``, or ""."""

    code: str
    name: str
    family: str
    iso1: str
    normaliser: str
    g2p: str = ""

    @property
    def iso(self) -> str:
        """ISO 639-3 code: the first three letters."""
        return self.code[:3]

    @property
    def listed(self) -> bool:
        """Whether the table below has it."""
        return self.family != _UNLISTED


_TABLE = """
afr_Latn af Afrikaans             Germanic
arb_Arab ar Arabic                Semitic
ast_Latn -  Asturian              Romance
aze_Latn az Azerbaijani           Turkic
bel_Cyrl be Belarusian            Slavic
ben_Beng bn Bengali               Indo-Aryan
bul_Cyrl bg Bulgarian             Slavic
cat_Latn ca Catalan               Romance
ces_Latn cs Czech                 Slavic
cmn_Hans zh Mandarin_Chinese      Sinitic
cym_Latn cy Welsh                 Celtic
dan_Latn da Danish                Germanic
deu_Latn de German                Germanic
ell_Grek el Greek                 Hellenic
eng_Latn en English               Germanic
epo_Latn eo Esperanto             constructed
est_Latn et Estonian              Uralic
eus_Latn eu Basque                isolate
fin_Latn fi Finnish               Uralic
fra_Latn fr French                Romance
gle_Latn ga Irish                 Celtic
glg_Latn gl Galician              Romance
heb_Hebr he Hebrew                Semitic
hin_Deva hi Hindi                 Indo-Aryan
hrv_Latn hr Croatian              Slavic
hun_Latn hu Hungarian             Uralic
hye_Armn hy Armenian              Armenian
ind_Latn id Indonesian            Austronesian
isl_Latn is Icelandic             Germanic
ita_Latn it Italian               Romance
jpn_Jpan ja Japanese              Japonic
kat_Geor ka Georgian              Kartvelian
kaz_Cyrl kk Kazakh                Turkic
kir_Cyrl ky Kyrgyz                Turkic
kor_Kore ko Korean                Koreanic
lav_Latn lv Latvian               Baltic
lit_Latn lt Lithuanian            Baltic
mal_Mlym ml Malayalam             Dravidian
mar_Deva mr Marathi               Indo-Aryan
mkd_Cyrl mk Macedonian            Slavic
mlt_Latn mt Maltese               Semitic
mul_Zyyy -  Multiple_languages    several
nld_Latn nl Dutch                 Germanic
nob_Latn nb Norwegian_Bokmål      Germanic
oci_Latn oc Occitan               Romance
pes_Arab fa Persian               Iranian
pol_Latn pl Polish                Slavic
por_Latn pt Portuguese            Romance
quy_Latn qu Ayacucho_Quechua      Quechuan
ron_Latn ro Romanian              Romance
rus_Cyrl ru Russian               Slavic
slk_Latn sk Slovak                Slavic
slv_Latn sl Slovenian             Slavic
spa_Latn es Spanish               Romance
srp_Cyrl sr Serbian               Slavic
swe_Latn sv Swedish               Germanic
swh_Latn sw Swahili               Bantu
tam_Taml ta Tamil                 Dravidian
tat_Cyrl tt Tatar                 Turkic
tel_Telu te Telugu                Dravidian
tha_Thai th Thai                  Kra-Dai
tur_Latn tr Turkish               Turkic
ukr_Cyrl uk Ukrainian             Slavic
urd_Arab ur Urdu                  Indo-Aryan
uzb_Latn uz Uzbek                 Turkic
vie_Latn vi Vietnamese            Austroasiatic
yor_Latn yo Yoruba                Niger-Congo
"""

# Text → phones, by engine and its name for the language; chosen by what it gives, not by which engine it is:
# bel, bul, dan, ell: epitran has none. cat: epitran leaves vowels unreduced and sounds final r. fra: epitran
# sounds silent
# letters (enfants → ɑ̃fɑ̃ts) and has no liaison. ron: epitran has no final ʲ, no kʲ and no glides (ochi →
# oki). rus: epitran has no
# vowel reduction and spells (учиться → utɕitʲsʲa). spa: epitran has neither β ð ɣ nor glides (huevo → uebo),
# which espeak
# gives to its neighbours. Where spelling is close to sound, epitran. arb, heb, pes, urd (unwritten vowels),
# jpn (kanji) and ast
# have none that is good enough; phones.g2p=espeak or phones.g2p=epitran takes what there is.
_G2P = """
epitran aze-Latn ben-Beng ces-Latn deu-Latn epo-Latn est-Latn fin-Latn glg-Latn hin-Deva hrv-Latn hun-Latn ind-Latn ita-Latn
epitran kat-Geor kaz-Cyrl kir-Cyrl lav-Latn lit-Latn mal-Mlym mar-Deva mlt-Latn nld-Latn oci-Latn pol-Latn quy-Latn slv-Latn
epitran srp-Cyrl swh=swa-Latn tam-Taml tel-Telu tha-Thai tur-Latn ukr-Cyrl uzb-Latn vie-Latn yor-Latn
espeak afr=af bel=be bul=bg cat=ca cmn=cmn cym=cy dan=da ell=el eng=en-us eus=eu fra=fr-fr gle=ga hye=hy isl=is kor=ko mkd=mk
espeak nob=nb por=pt ron=ro rus=ru slk=sk spa=es swe=sv tat=tt
"""

OWN_RULES = {"aze", "cat", "ron", "tur"}  # languages whose normaliser does more than the generic one
OF_SCRIPT = {"Hans": "han-v2", "Hant": "han-v2", "Hani": "han-v2", "Jpan": "jpan-v2"}
GENERIC = "generic-v2"
_UNLISTED = "unknown"  # family
MULTIPLE = "mul_Zyyy"  # what ISO 639-2 and 15924 call several languages and undetermined script
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def _normaliser(code: str) -> str:
    return f"{code[:3]}-v2" if code[:3] in OWN_RULES else OF_SCRIPT.get(code[4:], GENERIC)


def _read_g2p(table: str) -> dict[str, str]:
    """``{"swh": "epitran swa-Latn", …}``."""
    found = {}
    for line in table.split("\n"):
        engine, *entries = line.split() or [""]
        for entry in entries:
            iso, _, name = entry.partition("=")
            found[iso[:3]] = f"{engine} {name or iso}"
    return found


def _read(table: str) -> dict[str, Language]:
    found, g2p = {}, _read_g2p(_G2P)
    for line in table.split("\n"):
        if line:
            code, iso1, name, family = line.split()
            found[code] = Language(
                code,
                name.replace("_", " "),
                family,
                iso1.strip("-"),
                _normaliser(code),
                g2p.get(code[:3], ""),
            )
    return found


LANGUAGES = _read(_TABLE)


def iso(code: str) -> str:
    """``ron_Latn`` → ``ron``; ConfigError if the code is malformed."""
    return get(code).iso


def is_code(word: str) -> bool:
    """Whether ``word`` has the form of a language's code, ``ron_Latn``."""
    return _CODE.fullmatch(word) is not None


def get(code: str | None) -> Language:
    """The language ``code``, e.g. ``ron_Latn``.

    A well-formed code that is not in the table gets a plain entry with the generic normaliser, so that a new
    language needs no code; ``azj_Latn`` (North Azerbaijani) gets that of ``aze_Latn``, as :func:`tag` calls
    both ``az``. A malformed code raises ConfigError.
    """
    if code in LANGUAGES:
        return LANGUAGES[code]
    if not isinstance(code, str) or not is_code(code):
        near = meant(str(code))
        raise ConfigError(
            f"lang: found {code!r}, expected language and script such as ron_Latn or swh_Latn "
            f"(ISO 639-3, ISO 15924); " + (f"did you mean {near}?" if near else "write it so")
        )
    own = tag(code[:3])
    same = next(
        (lang for known, lang in LANGUAGES.items() if known[3:] == code[3:] and tag(known[:3]) == own), None
    )
    return (
        replace(same, code=code)
        if same
        else Language(code, code, _UNLISTED, own if len(own) == 2 else "", _normaliser(code))
    )


def meant(word: str) -> str | None:
    """The code that somebody means who writes another form of it: of BCP 47 or ISO 639-2, a language's or a
    country's letters, or the language's name in any language; None if nothing is near.

    >>> [meant(word) for word in ("cs_Latn", "ces-Latn", "czech", "Čeština", "cz", "zh-Hant", "qqq?")]
    ['ces_Latn', 'ces_Latn', 'ces_Latn', 'ces_Latn', 'ces_Latn', 'cmn_Hant', None]
    """
    import langcodes

    first, *rest = re.split(r"[-_\s]+", word.strip()) or [""]
    script = next((part.title() for part in rest if re.fullmatch("[A-Za-z]{4}", part)), "")
    found = None
    if re.fullmatch("[A-Za-z]{2,3}", first):
        found = langcodes.Language.get(first.lower())
        if not found.is_valid():  # cz is a country
            found = langcodes.Language.get(f"und-{first.upper()}").maximize() if len(first) == 2 else None
    if found is None or not found.language or found.language == "und":
        found = _named(word.strip(), *([first] if script else []))
    if found is None:
        near = difflib.get_close_matches(
            word.casefold(), {c.casefold(): c for c in LANGUAGES}, n=1, cutoff=0.8
        )
        return next((c for c in LANGUAGES if near and c.casefold() == near[0]), None)
    short = found.language or ""
    wanted = script or found.maximize().script or ""
    listed = [code for code, lang in LANGUAGES.items() if short in (lang.iso1, lang.iso)]
    iso = listed[0][:3] if listed else found.to_alpha3()
    exact = next((code for code in listed if code[4:] == wanted), None)
    return exact or (listed[0] if listed and not script else f"{iso}_{wanted}" if wanted else None)


def _named(*names: str) -> Any:
    """The language of one of these names, as langcodes has it; None."""
    import langcodes

    for name in names:
        own = next((lang for lang in LANGUAGES.values() if lang.name.casefold() == name.casefold()), None)
        try:
            return langcodes.Language.get(own.iso) if own else langcodes.find(name)
        except LookupError:
            continue
    return None


@functools.cache
def tag(iso: str) -> str:
    """The shortest code of a language (BCP 47): ``fo`` for ``fao``; for ``azj``, the usual member of a
    macrolanguage, that of the macrolanguage, ``az``, as Unicode's CLDR has it. ``iso`` itself where there is
    no shorter one."""
    from langcodes.data_dicts import LANGUAGE_ALPHA3, NORMALIZED_MACROLANGUAGES

    short = {long: code for code, long in LANGUAGE_ALPHA3.items() if len(code) == 2}
    return NORMALIZED_MACROLANGUAGES.get(iso) or short.get(iso, iso)


def names_of(iso: str) -> list[str]:
    """ISO 639-3 codes under which others file a language: its own, then its macrolanguage's: ``["azj",
    "aze"]``.
    """
    from langcodes.data_dicts import LANGUAGE_ALPHA3

    return list(dict.fromkeys([iso, LANGUAGE_ALPHA3.get(tag(iso), iso)]))
