"""States of clients whose connection was lost."""

from xlt.stream.kept import Kept


def test_a_state_is_given_back_once():
    kept = Kept(30.0, 2, lambda: 0.0)
    kept.put("a", 1)
    assert (kept.take("a"), kept.take("a"), kept.take("b")) == (1, None, None)


def test_states_are_kept_for_a_time():
    clock = [0.0]
    kept = Kept(30.0, 2, lambda: clock[0])
    kept.put("a", 1)
    clock[0] = 30.0
    assert len(kept) == 1
    clock[0] = 30.5
    assert len(kept) == 0 and kept.take("a") is None


def test_the_oldest_makes_room():
    kept = Kept(30.0, 2, lambda: 0.0)
    for number, token in enumerate("abac"):
        kept.put(token, number)
    assert (kept.take("a"), kept.take("b"), kept.take("c")) == (2, None, 3)


def test_a_client_of_many_states_pushes_out_none_of_others():
    kept = Kept(30.0, 3, lambda: 0.0)
    kept.put("first", 0, "quiet")
    for number in range(5):
        kept.put(f"flood {number}", number, "loud")
    assert [kept.take(f"flood {number}") for number in range(5)] == [None, None, None, 3, 4]
    assert kept.take("first") == 0


def test_a_state_that_was_kept_for_long_enough_makes_room_first():
    clock = [0.0]
    kept = Kept(30.0, 2, lambda: clock[0])
    kept.put("old", 0, "quiet")
    clock[0] = 31.0
    kept.put("a", 1, "loud")
    kept.put("b", 2, "loud")
    assert (kept.take("a"), kept.take("b")) == (1, 2)


def test_none_are_kept_where_none_may():
    kept = Kept(30.0, 0)
    kept.put("a", 1)
    assert kept.take("a") is None


def test_tokens_cannot_be_guessed():
    assert len({Kept.token() for _ in range(100)}) == 100 and len(Kept.token()) >= 20
