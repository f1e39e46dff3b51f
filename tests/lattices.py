"""Reading lattices, for tests."""

from xlt.formats.slf import NULL, Lattice


def paths_of(lattice: Lattice) -> dict[tuple[str, ...], tuple[float, float]]:
    """``{words: (acoustic, lm)}`` of all paths from the first node to the last; each must be there once."""
    found, waiting = {}, [(0, (), 0.0, 0.0)]
    while waiting:
        node, words, acoustic, lm = waiting.pop()
        if node == len(lattice.times_s) - 1:
            assert words not in found
            found[words] = round(acoustic, 6), round(lm, 6)
        for link in lattice.links:
            if link.start == node:
                more = () if link.word == NULL else (link.word,)
                waiting.append((link.end, words + more, acoustic + link.acoustic, lm + link.lm))
    return found
