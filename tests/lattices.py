"""Reading lattices, for tests."""

from pathlib import Path

from xlt.formats.slf import NULL, Lattice, Link


def read(path: Path) -> Lattice:
    """An SLF file without quoted words."""
    rows = [dict(part.split("=", 1) for part in line.split()) for line in path.read_text("utf-8").split("\n")]
    times = [float(row["t"]) for row in rows if "I" in row]
    links = [
        Link(int(row["S"]), int(row["E"]), row["W"], float(row["a"]), float(row["l"]))
        for row in rows
        if "J" in row
    ]
    assert any(row.get("N") == str(len(times)) and row["L"] == str(len(links)) for row in rows)
    return Lattice(times, links)


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
