"""The messy corpus with melodies in the place of the game's recordings: what is planted, and that judging knows all
of it."""

import csv
import json
import random
from collections import Counter

import pytest
import soundfile

from tests.bench import messy_corpus
from tests.data.corpus import melody
from xlt.data.corpora import Utterance

TEXTS = [
    "to je ale pěkná stará loď",
    "jak se tam asi dostaneme",
    "co tady děláš",
    "podívej se na ten veliký stroj",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messy")
    clips = []
    for n in range(160):
        path = folder / f"clip{n}.ogg"
        soundfile.write(path, melody(n, 1.0), messy_corpus.RATE)
        text = f"{TEXTS[n % 4]} žluťoučký {'abcdefgh'[n % 8] * (n // 8 + 1)}"
        clips.append(Utterance(f"ces_small-{n}", "ces_small", "ces_Latn", text, path, str(n)))
    made = messy_corpus.Corpus(folder / "corpus", clips, random.Random(1))
    messy_corpus.plant(made)
    made.save()
    return made


def test_every_kind_is_planted_and_known_to_the_judge(corpus):
    assert corpus.planted.keys() == messy_corpus.FOUND_BY.keys()
    assert all(corpus.planted.values()) and len(corpus.planted["wrong text"]) == 19
    names = Counter(name for kind in corpus.planted.values() for name in kind)
    assert set(names.values()) == {1}  # no clip has two faults


def test_the_table_is_what_a_spreadsheet_writes(corpus):
    with (corpus.folder / messy_corpus.TABLE).open(encoding="cp1250", newline="") as file:
        head, *rows = csv.reader(file, delimiter=";")
    assert head == messy_corpus.HEAD and len(rows) == len(corpus.rows)
    assert sum(row[5].startswith(messy_corpus.NOTE) for row in rows) == -(-len(rows) // 3)
    there = {f"nahravky/{path.name}" for path in corpus.sounds.iterdir()}
    lacking = {row[0] for row in rows} - there
    assert lacking == {*corpus.planted["no such file"], *corpus.planted["misspelt path"]}


def test_the_judge_counts_what_was_said_and_what_was_not(corpus, tmp_path, capsys):
    planted = {"clipping": ["nahravky/a.wav", "nahravky/b.wav"], "misspelt path": [], "duplicate": []}
    (tmp_path / "planted.json").write_text(json.dumps(planted))
    (tmp_path / "corpus").mkdir()
    names = ["nahravky/a.wav", "nahravky/b.wav", "nahravky/c.wav"]
    table = "Soubor;Poznámka\n" + "".join(f"{name};{messy_corpus.NOTE}\n" for name in names)
    (tmp_path / "corpus" / messy_corpus.TABLE).write_text(table, encoding="cp1250")
    recipe = tmp_path / "recipe"
    for folder in ("all", "check"):
        (recipe / "data" / folder).mkdir(parents=True)
    rows = {utt: f"{messy_corpus.TABLE}:{n}" for n, utt in ((2, "u1"), (3, "u2"), (4, "u3"))}
    (recipe / "data/all/utt2row").write_text("".join(f"{utt} {row}\n" for utt, row in rows.items()))
    (recipe / "data/all/text").write_text("u1 a\nu2 b\nu3 c\n")
    (recipe / "data/all/report.json").write_text(json.dumps({"rows": {}, "left_out": {}, "headers": {}}))
    fault = {
        "severity": "warning",
        "rule": "clipped_audio",
        "rows": [rows["u1"]],
        "ids": ["u1", "u3"],
        "values": {},
    }
    (recipe / "data/check/report.json").write_text(json.dumps({"faults": [fault]}))
    (recipe / "RESULTS.md").write_text(f"| {messy_corpus.NOTE} |")
    messy_corpus.judge(tmp_path, recipe)
    said = capsys.readouterr().out
    assert "clipping                   1 of   2  not: nahravky/b.wav" in said
    assert "not planted: nahravky/c.wav: clipped_audio" in said
    assert f"private notes in: {recipe / 'RESULTS.md'}" in said
