"""The weights of a combination; values are worked out by hand."""

import numpy as np
import pytest

from xlt.decode.combination import Combination
from xlt.decode.combined import Pool


def test_the_second_ctc_has_half_of_what_the_attention_decoder_leaves():
    found = Combination.prior([2.0], 3.0, share=0.6, second=True)
    # 0.4 for both CTCs; 1.3 times 0.4 times the weights of the search for the language model and the bonus
    assert found.vector == pytest.approx([0.2, 0.2, 1.04, 0.6, 0.0, 1.56])
    assert found.acoustic == pytest.approx(1.0)
    alone = Combination.prior([2.0], 3.0, share=0.6)
    assert alone.vector == pytest.approx([0.4, 1.04, 0.6, 0.0, 1.56]) and alone.partner is None


@pytest.mark.parametrize("second", [False, True])
def test_what_fusion_json_has_is_read_again(second):
    found = Combination.prior([2.0, 0.5], 3.0, second=second)
    stored = found.to_json()
    assert ("partner" in stored["weights"]) == second
    again = Combination.of(stored, 2)
    assert again.vector == pytest.approx(found.vector) and again.partner == found.partner
    assert found.with_vector(found.vector).vector == pytest.approx(found.vector, abs=1e-4)


def test_a_pool_without_its_partner():
    features = np.arange(18.0).reshape(3, 6)  # ctc, partner, lm, attention, words, chars
    pool = Pool(["a", "b", "c"], [[1], [2], [3]], features, "a", "b", [], [], own=2, partner="c")
    found = pool.without_partner()
    assert found.texts == ["a", "b"] and found.labels == [[1], [2]] and found.partner is None
    assert found.features.tolist() == [[0, 2, 3, 4, 5], [6, 8, 9, 10, 11]]
    assert found.without_partner() is found
