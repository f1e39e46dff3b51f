"""The simulation of `xlt suggest`, with made-up trainings: what is learned of what, and what is said."""

import json
from pathlib import Path

import pytest

from tests.bench import suggested
from tests.report.documents import document
from xlt.core.stage import write_json
from xlt.formats.tables import read_table, write_table

UTTS = [f"s-{n}" for n in range(8)]  # of 30 s: the first two are learned, two are held out


@pytest.fixture
def recipe(tmp_path):
    data = tmp_path / "ces" / "data"
    for name, utts in (("all", UTTS), ("train_1min", UTTS[:2])):
        (data / name).mkdir(parents=True)
        write_table(data / name / "text", {utt: f"ano {utt[-1]}" for utt in utts})
    write_table(data / "all/utt2dur", dict.fromkeys(UTTS, "30.0"))
    write_table(data / "all/utt2split", {u: "train" if u < "s-6" else "dev" for u in UTTS})
    write_table(data / "all/wav.scp", {utt: f"data/all/wav/{utt}.wav" for utt in UTTS})
    (tmp_path / "ces/recipe.yaml").write_text("lang: ces_Latn\n")
    return tmp_path / "ces"


@pytest.fixture
def calls(recipe, monkeypatch):
    """What xlt is called with. It suggests s-5 (in two pieces), s-3, s-2 and s-4; a training leaves a score."""
    made = []
    dev = {"sim_0.5min_s0": 50.0, "sim_0.7min_s0": 45.0, "sim_1min_s0": 40.0}
    dev |= {"sim_suggested1_s0": 20.0, "sim_random1_s0": 30.0}

    def run(*words):
        made.append(words)
        if words[0] == "suggest":
            head = "path\tstart\tend\ttext\tconfirmed\tconfidence\trank\n"
            rows = [("s-3", 0, "ano 3", 0.5, 2), ("s-5", 9, "5", 0.4, 3), ("s-5", 0, "ano", 0.4, 1)]
            rows += [("s-2", 0, "ne", 0.8, 4), ("s-4", 0, "ano 4", 0.9, 5)]
            lines = [f"/x/{u}.wav\t{s}\t{s + 9}\t{t}\t\t{c}\t{r}\n" for u, s, t, c, r in rows]
            Path(words[words.index("--out") + 1]).write_text(head + "".join(lines))
            return
        tag = next(word.removeprefix("tag=") for word in words if word.startswith("tag="))
        minutes = [
            float(w.partition("=")[2])
            for w in words
            if w.startswith("data.train_minutes=") and "null" not in w
        ]
        scores = document(tag, dev=dev[tag], **{"data.train_minutes": minutes[0] if minutes else None})
        scores["training"]["speech_min"] = minutes[0] if minutes else 2.0
        errors = [round(dev[tag] / 10)] * 20
        scores["counts"] = {"dev": {"ids": "x", "errors": errors, "n_ref": [10] * 20}}
        if tag.startswith("sim_suggested") or tag.startswith("sim_random"):
            scores["config"]["data.drop"] = "a list"
        for path in (recipe / f"exp/{tag}/score.json", recipe / f"results/{tag}.json"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, scores)

    monkeypatch.setattr(suggested, "run", run)
    return made


def main(recipe, out, *words):
    budget = ["--labelled", "1", "--more", "1", "--curve", "0.5", "0.7"]
    suggested.main([str(recipe), *budget, "--out", str(out), *words])
    return json.loads(out.read_text())


def test_what_was_suggested_and_as_much_by_chance_is_learned(recipe, calls, tmp_path, capsys):
    (found,) = main(recipe, tmp_path / "out.json", "preset=fast")
    kinds = [next((w for w in words if w.startswith("tag=")), words[0]) for words in calls]
    tags = ["tag=sim_0.5min_s0", "tag=sim_0.7min_s0", "tag=sim_1min_s0", "suggest"]
    assert kinds == [*tags, "tag=sim_suggested1_s0", "tag=sim_random1_s0"]
    assert all("preset=fast" in words and "seed=0" in words for words in calls if words[0] == "run")
    pool = {path.stem for path in (recipe / "log/sim_s0/pool").iterdir()}
    assert pool == {"s-2", "s-3", "s-4", "s-5"}
    left_out = read_table(recipe / "log/sim_s0/suggested1.drop")
    assert set(left_out) == {"s-2", "s-4"}  # a minute: s-5 and s-3
    by_chance = set(read_table(recipe / "log/sim_s0/random1.drop"))
    assert len(by_chance) == 2 and by_chance < pool
    assert found["suggested_less_random"] == [-10.0, -10.0, -10.0]
    assert (
        found["forecast"]["minutes"] == 2.0
        and found["forecast"]["low"] < 40
        and found["cer"]["random"]["dev"] == 30.0
    )
    assert "| 0 | 40.0 | 30.0 | 20.0 | -10.0 [-10.0, -10.0] | " in capsys.readouterr().out


def test_drafts_are_compared_without_a_training(recipe, calls, tmp_path, capsys):
    """Of s-5 "ano 5" is right in two pieces, but for nothing; of s-2 "ne" has four of five characters wrong."""
    (found,) = main(recipe, tmp_path / "out.json", "--drafts")
    assert [words[0] for words in calls] == ["run", "suggest"]
    rows = found["drafts"]
    assert rows["suggested"] == {
        "utterances": 2,
        "minutes": 1.0,
        "confidence": 0.45,
        "draft_cer": 0.0,
        "characters": 10,
        "new_words": 2,
    }
    assert rows["all"]["utterances"] == 4 and rows["all"]["draft_cer"] == 20.0
    assert "| 0 | all | 4 |" in capsys.readouterr().out
