import pytest

from xlt.data.groups import SPLITS, budget, connect, position, split


def test_links_that_share_a_name_are_one_group():
    names = ["a", "b", "c", "d", "e"]
    assert connect(names, [["c", "b"], ["e", "d"], ["b", "a"]]) == {
        "a": "a",
        "b": "a",
        "c": "a",
        "d": "d",
        "e": "d",
    }


def test_groups_do_not_hang_on_the_order_of_links():
    links = [["n3", "n4"], ["n1", "n2"], ["n2", "n3"], ["n9", "n7"]]
    names = [f"n{i}" for i in range(10)]
    assert connect(names, links) == connect(reversed(names), list(reversed(links)))


def test_position_is_the_same_on_every_machine():
    # sha256("xlt-6 split a"), first 7 bytes, worked out with sha256sum
    assert position("a", "split") == int("4055db85c66c0a", 16) / 2**56


def test_split_has_the_shares_80_10_10():
    found = split(f"g{i}" for i in range(20000))
    shares = {name: sum(v == name for v in found.values()) / 20000 for name in SPLITS}
    assert shares == pytest.approx({"train": 0.8, "dev": 0.1, "test": 0.1}, abs=0.01)


def test_split_of_a_group_hangs_on_nothing_but_its_name():
    many = split(f"g{i}" for i in range(500))
    fewer = split(f"g{i}" for i in range(0, 500, 3))
    assert all(many[name] == fewer[name] for name in fewer)


@pytest.mark.parametrize("count", [3, 4, 7, 12])
def test_no_set_is_empty_while_there_are_three_groups(count):
    for start in range(0, 2000, count):
        assert set(split(f"g{start + i}" for i in range(count)).values()) == set(SPLITS)


def test_budgets_are_nested_and_not_exceeded():
    durations = {f"u{i}": 1.0 + i % 7 for i in range(300)}
    keys = {utt: utt for utt in durations}
    sets = {minutes: budget(durations, keys, minutes) for minutes in (1, 2, 5, 10)}
    for minutes, taken in sets.items():
        assert minutes * 60 - 7 <= sum(durations[u] for u in taken) <= minutes * 60
    assert sets[10][: len(sets[5])] == sets[5]
    assert sets[5][: len(sets[2])] == sets[2]


def test_a_budget_larger_than_the_set_takes_it_whole():
    durations = {"a": 2.0, "b": 3.0}
    assert sorted(budget(durations, {"a": "a", "b": "b"}, 1)) == ["a", "b"]
