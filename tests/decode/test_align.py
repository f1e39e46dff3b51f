"""How well texts fit, beside others of like length."""

from types import SimpleNamespace

from tests.lazy import Lazy, torch
from xlt.tokens.tokenizer import UNK

align = Lazy("xlt.decode.align")


def test_a_right_text_fits_better_than_others_and_a_wrong_one_does_not():
    """Frames that say a a - b b -, and texts ab, cc."""
    ids = {UNK: 1, "a": 2, "b": 3, "c": 4}
    tokenizer = SimpleNamespace(
        tags=(), ids=ids, encode=lambda text: [ids[c] for c in text], decode=lambda labels: str(list(labels))
    )
    probs = torch.full((6, 5), 0.02)
    for frame, token in enumerate([2, 2, 0, 3, 3, 0]):
        probs[frame, token] = 0.92
    network = SimpleNamespace(
        tokenizer=tokenizer, log_probs=lambda feats: (probs.log().expand(2, -1, -1), torch.tensor([6, 6]))
    )
    wanted = [("u", "ab", False), ("v", "cc", False)]
    right, wrong = align._compare(network, [None, None], wanted, [[(4, 4)], [(2, 3)]], "m")
    assert (right.score, right.others) == (0.0, 0.0)
    assert wrong.score > 1 and wrong.others == 1.0
