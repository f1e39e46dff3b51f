"""Which language token is taken: families as handbooks have them."""

import pytest

from tests.errors import raises, says
from tests.models.whisper.test_vocabulary import REAL, needs_real
from tests.tiny import make_tiny_whisper_tokenizer
from xlt.core.errors import ConfigError
from xlt.models.whisper.languages import check_new, language_token
from xlt.models.whisper.vocabulary import Vocabulary

OWN = {
    "bel_Cyrl": "be",
    "bre_Latn": "br",
    "fao_Latn": "fo",
    "swh_Latn": "sw",
    "mkd_Cyrl": "mk",
    "eus_Latn": "eu",
    "nob_Latn": "no",
    "nno_Latn": "nn",
    "jav_Latn": "jw",
    "fil_Latn": "tl",
    "arb_Arab": "ar",
    "azj_Latn": "az",
    "srp_Latn": "sr",  # Whisper writes both scripts
}
MEMBERS = {"yue_Hant": "zh", "arz_Arab": "ar"}
RELATED = {
    "kir_Cyrl": {"kk"},  # Kipchak
    "chv_Cyrl": {"tt", "kk", "ba"},  # Turkic, of no branch that Whisper has
    "csb_Latn": {"pl"},  # Lechitic
    "hsb_Latn": {"pl", "cs", "sk"},  # West Slavic
    "gsw_Latn": {"de", "lb"},  # High German
    "nap_Latn": {"it"},
    "gle_Latn": {"cy", "br"},  # Celtic
    "sme_Latn": {"fi", "et"},  # Uralic; Hungarian is farther
    "crh_Latn": {"tr", "az"},
    "smo_Latn": {"mi", "haw"},  # Polynesian
    "ceb_Latn": {"tl"},
}
NONE = ["quy_Latn", "epo_Latn", "grn_Latn", "mul_Zyyy", "mhr_Cyrl", "uig_Arab"]  # the last two: other scripts


@pytest.fixture(scope="module")
def real():
    return Vocabulary.load(REAL)


@needs_real
@pytest.mark.parametrize("lang", [*OWN, *MEMBERS])
def test_own_token(real, lang):
    code, why = language_token(lang, real, "auto")
    assert code == (OWN | MEMBERS)[lang] and "does not know" not in why


@needs_real
@pytest.mark.parametrize("lang", RELATED)
def test_related_token(real, lang):
    code, why = language_token(lang, real, "auto")
    assert code in RELATED[lang] and says(why, code)


@needs_real
@pytest.mark.parametrize("lang", NONE)
def test_without_relatives_in_the_script_a_new_one(real, lang):
    code, why = language_token(lang, real, "auto")
    assert code == "" and "does not know" in why
    assert ("script" in why) == (lang in NONE[-2:])


def test_setting(tmp_path):
    make_tiny_whisper_tokenizer(tmp_path)
    tiny = Vocabulary.load(tmp_path)  # knows Romanian, Catalan and others, not Italian
    assert language_token("ita_Latn", tiny, "ro")[0] == "ro"
    assert language_token("ita_Latn", tiny, "<|ca|>")[0] == "ca"
    assert language_token("ita_Latn", tiny, "auto")[0] in {"ro", "ca", "es"}
    assert language_token("ron_Latn", tiny, "new")[0] == ""
    for wrong in ("ron", "Romanian", "ron_Latn", "<|ron|>", "romanina"):
        with raises(ConfigError, "ro", where=f"train.whisper_token={wrong}"):
            language_token("ita_Latn", tiny, wrong)
    with raises(ConfigError, "ca", "de", "auto", where="train.whisper_token=it"):
        language_token("ita_Latn", tiny, "it")


def test_a_model_learns_one_new_token():
    check_new({"ron_Latn": "ro", "quy_Latn": ""}, "ron_Latn", "auto")
    tokens = {"ron_Latn": "ro", "quy_Latn": "", "crk_Cans": ""}
    with raises(ConfigError, "quy_Latn", "crk_Cans", "train.mix", where="train.whisper_token=auto"):
        check_new(tokens, "ron_Latn", "auto")
    with raises(ConfigError, "train.whisper_token=es", where="train.whisper_token=new"):
        check_new(tokens, "quy_Latn", "new")
