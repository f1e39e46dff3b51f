import pytest

from xlt.phones.confusion import confusion


def test_a_share_goes_to_phones_in_proportion_to_their_likeness():
    found = confusion(["p", "b", "ж"], ["p", "t", "a"], 0.4, 0.05)
    assert found.sum(axis=1) == pytest.approx([1, 1, 1])
    assert found[0, 0] == pytest.approx(0.6)
    assert found[0, 1] > found[0, 2]  # a stop is more like p than a vowel
    # b is no phone of these words: voice apart from p (0.125 of panphon's weights, 7.25), so it becomes p
    assert found[1].argmax() == 0 and found[1, 0] > 0.5
    assert found[2] == pytest.approx([1 / 3] * 3)  # panphon does not know it: like none more than another


def test_without_a_share_a_known_phone_stays():
    assert confusion(["a", "p"], ["p", "a"], 0.0, 0.05).tolist() == [[0, 1], [1, 0]]
