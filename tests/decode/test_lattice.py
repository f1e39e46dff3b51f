from tests.lattices import paths_of
from xlt.decode.lattice import Candidate, lattice
from xlt.formats.slf import render


def test_equal_beginnings_and_endings_are_shared_and_scores_stay():
    """By hand: "o casă mare", "o masă mare" and "casă", of 1.2 s.

    Behind "o", "casă mare" and "masă mare" have the same words to come, at the same times, so that there is
    one node before "mare". "casă" alone has a node of its own.
    """
    found = lattice(
        [
            Candidate(["o", "casă", "mare"], [0.1, 0.5, 1.0], -2.0, -1.0),
            Candidate(["o", "masă", "mare"], [0.1, 0.5, 1.0], -2.5, -1.5),
            Candidate(["casă"], [1.0], -6.0, -0.5),
        ],
        1.2,
    )
    assert render("ana-7", found) == (
        "VERSION=1.0\n"
        "UTTERANCE=ana-7\n"
        "lmscale=1.00\twdpenalty=0.00\n"
        "N=5\tL=6\n"
        "I=0\tt=0.00\n"
        "I=1\tt=0.10\n"
        "I=2\tt=0.50\n"
        "I=3\tt=1.00\n"
        "I=4\tt=1.20\n"
        "J=0\tS=0\tE=1\tW=o\ta=-2.0000\tl=-1.0000\n"
        "J=1\tS=0\tE=3\tW=casă\ta=-6.0000\tl=-0.5000\n"
        "J=2\tS=1\tE=2\tW=casă\ta=0.0000\tl=0.0000\n"
        "J=3\tS=1\tE=2\tW=masă\ta=-0.5000\tl=-0.5000\n"
        "J=4\tS=2\tE=3\tW=mare\ta=0.0000\tl=0.0000\n"
        "J=5\tS=3\tE=4\tW=!NULL\ta=0.0000\tl=0.0000\n"
    )


def test_each_path_is_a_candidate_with_its_score_and_no_other():
    given = [
        Candidate(["a", "b", "c", "d"], [0.1, 0.2, 0.3, 0.4], -1.0, -2.0),
        Candidate(["a", "x", "c", "d"], [0.1, 0.2, 0.3, 0.4], -1.5, -2.0),
        Candidate(["a", "b"], [0.1, 0.2], -3.0, -1.0),  # ends where another goes on
        Candidate(["y", "c", "d"], [0.2, 0.3, 0.4], -3.0, -3.0),
        Candidate(["a", "x", "c", "e"], [0.1, 0.2, 0.3, 0.4], -4.0, -2.5),
        Candidate([], [], -9.0, -0.5),
    ]
    found = lattice(given, 0.5)
    wanted = {tuple(path.words): (path.acoustic, path.lm) for path in given}
    assert paths_of(found) == {words: (round(a, 6), round(b, 6)) for words, (a, b) in wanted.items()}
    # a tree would have a node for each of 1 + 4 + 3 + 3 + 1 words, its root and the end
    assert len(found.times_s) < 14
    assert all(link.start < link.end for link in found.links)
    assert [link.start for link in found.links] == sorted(link.start for link in found.links)


def test_endings_at_other_times_stay_apart():
    given = [Candidate(["a", "c"], [0.1, 0.3], -1.0, 0.0), Candidate(["b", "c"], [0.2, 0.3], -2.0, 0.0)]
    assert [link.word for link in lattice(given, 0.5).links] == ["a", "b", "c", "c", "!NULL"]
    given[1] = Candidate(["b", "c"], [0.1, 0.3], -2.0, 0.0)
    assert [link.word for link in lattice(given, 0.5).links] == ["a", "b", "c", "!NULL"]


def test_words_that_htk_would_read_as_quoted_are_escaped():
    found = render("u", lattice([Candidate(["'n", 'a"b', "c\\d"], [0.1, 0.2, 0.3], 0.0, 0.0)], 1.0))
    assert "W=\\'n\t" in found and 'W=a"b\t' in found and "W=c\\\\d\t" in found
