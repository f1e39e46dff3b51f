"""Words from phones: hand-made probabilities, and all that can be said counted out."""

import itertools
import math

import numpy as np
import pytest

from tests.decode.test_times import said, tokenizer_of
from tests.errors import raises
from xlt.core.errors import ConfigError
from xlt.core.settings import DecodeConfig
from xlt.core.stored import from_json
from xlt.decode.decoder import Decoded, Spelled
from xlt.decode.lexicon import ByLexicon, Spread, WordSearch
from xlt.decode.times import Timed, word_times
from xlt.lm.lexicon import Entry, Lexicon


class Bigrams:
    """As :class:`xlt.lm.lexicon.Written`: ``{(word before, word): log p}``, "" before the first and behind
    the last.
    """

    def __init__(self, lexicon, logp, unknown=-3.0):
        self.lexicon, self.logp, self.unknown = lexicon, logp, unknown

    def _logp(self, before, word):
        return self.logp.get((before, word), self.unknown)

    def start(self):
        return ""

    def word(self, state, word):
        spelled = self.lexicon.words[word]
        return self._logp(state, spelled), spelled

    def last(self, state, word):
        logp, after = self.word(state, word)
        return logp + self._logp(after, "")

    def empty(self, state):
        return self._logp(state, "")


def lexicon_of(**words):
    return Lexicon([Entry(word, tuple(phones), -1.0) for word, phones in words.items()])


def rows(lexicon, path, sure=0.9):
    """Log p of frames that are nearly sure of the phone that ``path`` has there, ``_`` is the blank → (T, P),
    (T,).
    """
    columns = [*lexicon.phones, "_"]
    probs = np.full((len(path), len(columns)), (1 - sure) / (len(columns) - 1))
    for t, phone in enumerate(path):
        probs[t, columns.index(phone)] = sure
    return np.log(probs[:, :-1]), np.log(probs[:, -1])


def words_of(lexicon, path, logp=None, weight=1.0, bonus=0.0, sure=0.9, size=100):
    search = WordSearch([Bigrams(lexicon, logp or {})], [weight], bonus, size)
    found, _ = search(*rows(lexicon, path, sure))
    return [lexicon.words[word] for word in found]


def test_homophones_are_decided_by_the_words_beside_them():
    lexicon = lexicon_of(two="tu", too="tu", me="mi", men="men")
    logp = {("", "me"): -1.0, ("me", "too"): -0.5, ("two", "men"): -0.5}
    assert words_of(lexicon, "mi_tu", logp) == ["me", "too"]
    assert words_of(lexicon, "tumen", logp) == ["two", "men"]  # decided by the word behind


def test_a_word_may_be_the_beginning_of_another():
    lexicon = lexicon_of(can="kan", candle="kandl", d="d")
    assert words_of(lexicon, "k_an") == ["can"]
    assert words_of(lexicon, "kan_dl") == ["candle"]
    assert words_of(lexicon, "kandkan") == ["can", "d", "can"]


def test_what_is_no_word_becomes_words_that_sound_alike():
    lexicon = lexicon_of(kan="kan", sole="sol")
    assert words_of(lexicon, "kon", sure=0.6) == ["kan"]
    assert words_of(lexicon, "k_n", sure=0.6, bonus=2.0) == ["kan"]
    assert words_of(lexicon, "knan", sure=0.6) == ["kan"]


def test_what_is_remembered_is_bounded_and_changes_nothing(monkeypatch):
    lexicon = lexicon_of(ab="ab", ba="ba")
    search = WordSearch([Bigrams(lexicon, {})], [1.0], 0.0, 100)
    first = search(*rows(lexicon, "abba"))
    known = len(search._words)
    assert search(*rows(lexicon, "abba")) == first and len(search._words) == known > 0
    monkeypatch.setattr("xlt.decode.lexicon.REMEMBERED", 0)
    assert search(*rows(lexicon, "ba")) == search(*rows(lexicon, "ba"))
    assert search(*rows(lexicon, "abba")) == first and len(search._words) == known


def test_silence_has_no_words():
    assert words_of(lexicon_of(kan="kan"), "____") == []


def test_half_a_word_is_given_up():
    lexicon = lexicon_of(kan="kan", o="o")
    search = WordSearch([Bigrams(lexicon, {})], [1.0], 0.0, 100)
    assert search(*rows(lexicon, "k", sure=1 - 1e-9))[0] == []


def test_the_bonus_is_for_each_word():
    lexicon = lexicon_of(kana="kana", ka="ka", na="na")
    assert words_of(lexicon, "kana") == ["kana"]
    assert words_of(lexicon, "kana", bonus=4.0) == ["ka", "na"]


@pytest.mark.parametrize("seed", range(6))
def test_all_that_can_be_said_is_considered(seed):
    """Every path of CTC over five frames, cut into words in every way: none scores higher."""
    lexicon = lexicon_of(a="a", ab="ab", ba="ba", abba="abba", b="b", bee="b")
    rng = np.random.default_rng(seed)
    probs = np.log(rng.dirichlet(np.ones(3), size=5))  # a, b, blank
    before = ["", *lexicon.words]
    logp = {(one, other): float(np.log(rng.uniform(0.02, 1))) for one in before for other in before}
    weight, bonus = 0.7, 0.4

    def cut(phones):
        if not phones:
            yield ()
        for word in lexicon.words:
            own = "".join(lexicon.phones[p] for p in lexicon.pronounced(lexicon.words.index(word)))
            if phones.startswith(own):
                for others in cut(phones[len(own) :]):
                    yield (word, *others)

    best = -math.inf, ()
    for path in itertools.product("ab_", repeat=5):
        acoustic = sum(probs[t, "ab_".index(phone)] for t, phone in enumerate(path))
        phones = "".join(phone for phone, _ in itertools.groupby(path)).replace("_", "")
        for words in cut(phones):
            pairs = zip(["", *words], [*words, ""], strict=True)
            score = acoustic + weight * sum(logp[pair] for pair in pairs) + bonus * len(words)
            best = max(best, (score, words))
    search = WordSearch([Bigrams(lexicon, logp)], [weight], bonus, 1000)
    found, score = search(probs[:, :2], probs[:, 2])
    assert tuple(lexicon.words[word] for word in found) == best[1] and score == pytest.approx(best[0])


def test_phones_that_the_words_lack_are_heard_as_those_that_sound_alike(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["b a ʒ"], "phone")
    spread = Spread(tokenizer, ["a", "k", "p"])
    heard = said([tokenizer.ids["b"], 0], len(tokenizer.tokens)).numpy()
    phones, blank = spread(heard)
    assert phones[0].argmax() == 2 and phones[0, 2] > blank[0]  # b: p without its voice
    assert blank[1] > phones[1].max()
    assert tokenizer.tokens[spread.nearest[2]] == "b" and tokenizer.tokens[spread.nearest[0]] == "a"
    # what is lacking is of <unk> and <sos/eos>
    assert np.exp(phones).sum(axis=1) + np.exp(blank) == pytest.approx([1, 1], abs=0.1)


def test_words_have_the_times_of_their_phones(tmp_path):
    tokenizer = tokenizer_of(tmp_path, ["k a n"], "phone")
    k, a, n = (tokenizer.ids[t] for t in "kan")
    path = [0, k, a, a, n, 0, k, a]
    spelled = (Spelled("can", 3), Spelled("ka", 2))
    found = word_times(said(path, len(tokenizer.tokens)), [k, a, n, k, a], tokenizer, 50.0, spelled)
    assert found == [Timed("can", 0.02, 0.1), Timed("ka", 0.12, 0.16)]
    assert word_times(said([0], len(tokenizer.tokens)), [], tokenizer, 50.0, ()) == []
    assert Decoded([k], 0.0, spelled=spelled).text(tokenizer) == "can ka"
    assert Decoded([k, a], 0.0).text(tokenizer) == "k a"


def test_a_language_model_without_a_lexicon_is_refused():
    with raises(ConfigError, "lm.spell=true", where="decode.method=lexicon"):
        ByLexicon(None, from_json(DecodeConfig, "decode", {"method": "lexicon"}, "test"), [])
