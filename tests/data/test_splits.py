"""The split of a corpus: its own, by speaker, by text; and what the tables say of tags, raw text and source
audio.
"""

import json

import pytest

from tests.data.corpus import PHRASES, tone
from tests.errors import raises, told
from xlt.core.errors import ConfigError, DataError
from xlt.data.corpora import Utterance
from xlt.data.groups import split_speakers
from xlt.data.splits import assign
from xlt.formats.tables import read_table


def utterances(speakers: dict[str, int], splits: dict[str, str] | None = None) -> dict[str, Utterance]:
    """So many utterances of each speaker, all of other texts."""
    ids = [(speaker, f"{speaker}-{i:03}") for speaker, count in speakers.items() for i in range(count)]
    return {
        utt: Utterance(utt, speaker, "ron_Latn", utt, None, utt, split=(splits or {}).get(utt))
        for speaker, utt in ids
    }


def done(utts, how="auto", dur_s=1.0):
    return assign(utts, dict.fromkeys(utts, dur_s), {utt: utt for utt in utts}, how)


def test_five_speakers_are_not_parted():
    utts = utterances(dict.fromkeys("abcde", 10))
    found, facts = done(utts)
    where = {speaker: {found[u] for u in utts if u[0] == speaker} for speaker in "abcde"}
    assert all(len(sets) == 1 for sets in where.values())
    assert sorted(list(found.values()).count(part) for part in ("train", "dev", "test")) == [10, 10, 30]
    assert facts == {
        "by": "speaker",
        "why": "5 speakers; no voice is in two sets",
        "speakers": {"train": 3, "dev": 1, "test": 1},
        "question": "new voices",
        "largest": {"a": 0.2, "b": 0.2, "c": 0.2},
    }


def test_four_speakers_are_split_by_text():
    _, facts = done(utterances(dict.fromkeys("abcd", 10)))
    assert (facts["by"], facts["why"]) == ("text", "4 speakers, fewer than 5; no sentence is in two sets")


def test_the_setting_decides():
    assert done(utterances(dict.fromkeys("abcde", 10)), "text")[1]["by"] == "text"
    assert done(utterances(dict.fromkeys("abc", 10)), "speaker")[1]["speakers"] == {
        "train": 1,
        "dev": 1,
        "test": 1,
    }
    with pytest.raises(
        ConfigError, match="data.split: speaker needs at least three speakers, the corpus has 1 speaker; set"
    ):
        done(utterances({"a": 10}), "speaker")


@pytest.mark.parametrize(
    "speech",
    [
        {"huge": 3000.0, **{f"s{i}": 40.0 for i in range(4)}},
        {"huge": 3000.0, **{f"s{i}": 1.0 for i in range(40)}},
        {"huge": 500.0, "large": 300.0, "mid": 100.0, "s": 60.0, "t": 40.0},
        {f"s{i}": 100.0 for i in range(5)},
        {f"s{i}": 100.0 for i in range(9)},
        {f"s{i}": 10.0 + i for i in range(300)},
    ],
)
def test_shares_of_speech_are_reasonable(speech):
    for salt in range(30):  # other names, other hashes
        named = {f"{salt}{speaker}": s for speaker, s in speech.items()}
        found = split_speakers(named)
        share = {
            part: sum(s for speaker, s in named.items() if found[speaker] == part) / sum(named.values())
            for part in ("train", "dev", "test")
        }
        assert 0 < share["dev"] <= 0.2 and 0 < share["test"] <= 0.2 and share["train"] >= 0.6, share
        assert all(found[speaker] == "train" for speaker, s in named.items() if s > 0.2 * sum(named.values()))
        assert split_speakers(dict(reversed(named.items()))) == found


def test_a_further_speaker_of_many_moves_no_other():
    many = {f"s{i}": 10.0 + i % 7 for i in range(300)}
    more = split_speakers({**many, "new": 12.0})
    assert {speaker: more[speaker] for speaker in many} == split_speakers(many)


def test_a_split_without_dev_gets_it_from_train():
    utts = utterances(
        {"a": 40, "b": 5}, {f"a-{i:03}": "train" for i in range(40)} | {f"b-{i:03}": "test" for i in range(5)}
    )
    found, facts = done(utts)
    assert {u for u in found if found[u] == "test"} == {f"b-{i:03}" for i in range(5)}
    assert 1 <= list(found.values()).count("dev") <= 10
    assert facts["by"] == "text" and "the corpus has no dev: taken from its train" in facts["why"]


def test_a_split_without_train_is_refused():
    utts = utterances({"a": 2}, {"a-000": "dev", "a-001": "test"})
    with raises(DataError, "dev", "test", "train"):
        done(utts)


def corpus(folder, speakers):
    """A Kaldi directory in which each phrase is said by another of the speakers, in turn."""
    rows = {"wav.scp": "", "text": "", "utt2spk": ""}
    for number, phrase in enumerate(PHRASES):
        speaker = f"spk{number % speakers}"
        tone(folder / f"{number}.flac", hz=200.0 + 20 * number, rate=22050, channels=2)
        for table, value in (
            ("wav.scp", f"{number}.flac"),
            ("text", phrase.title() + " !"),
            ("utt2spk", speaker),
        ):
            rows[table] += f"{speaker}-{number:02} {value}\n"
    for table, text in rows.items():
        (folder / table).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("speakers", "by"), [(6, "speaker"), (3, "text")])
def test_stage_1_says_how_it_split(recipe, tmp_path, capsys, speakers, by):
    folder = corpus(tmp_path / "kaldi", speakers)
    assert recipe("data.reader=kaldi", f"data.dir={folder}") == 0
    assert f"split by {by}: {speakers} speakers" in capsys.readouterr().out
    how = json.loads((recipe.dir / "data/all/report.json").read_text(encoding="utf-8"))["split"]
    assert how["by"] == by
    where = {}
    for part in ("train", "dev", "test"):
        for speaker in read_table(recipe.dir / "data" / part / "utt2spk").values():
            where.setdefault(speaker, set()).add(part)
    assert all(len(parts) == 1 for parts in where.values()) is (by == "speaker")


def test_raw_text_and_source_audio_are_kept(recipe, tmp_path):
    folder = corpus(tmp_path / "kaldi", 1)
    assert recipe("data.reader=kaldi", f"data.dir={folder}") == 0
    for part in ("all", "train", "dev", "test"):
        data = recipe.dir / "data" / part
        assert set(read_table(data / "utt2format").values()) == {"22050 2 flac"}
        assert read_table(data / "text_raw").keys() == read_table(data / "text").keys()
    assert read_table(recipe.dir / "data/all/text_raw")["spk0-03"] == "Trei Mere Roșii !"
    assert read_table(recipe.dir / "data/all/text")["spk0-03"] == "trei mere roșii"


def test_a_segment_behind_its_recording_is_not_cut_short(recipe, tmp_path):
    folder = corpus(tmp_path / "kaldi", 1)
    scp = (folder / "wav.scp").read_text()
    (folder / "segments").write_text(
        "".join(
            f"{utt} {utt} 0.0 {2.6 if utt.endswith('05') else 1.3}\n"
            for utt in read_table(folder / "wav.scp")
        )
    )  # the files are 1 s long
    (folder / "wav.scp").write_text(scp)
    assert recipe("data.reader=kaldi", f"data.dir={folder}") == 0
    report = json.loads((recipe.dir / "data/all/report.json").read_text(encoding="utf-8"))
    assert list(report["unreadable"]) == ["spk0-05"]
    assert "1.00 s long, the segment ends at 2.6 s" in report["unreadable"]["spk0-05"]


def test_train_and_dev_of_some_speakers(recipe, tmp_path, capsys):
    """Every set has both voices, but train and dev, which have the one that is named."""
    rows = ["path\ttext\tspeaker\tsplit"]
    sets = ("train", "train", "dev", "dev", "test", "test")
    for number, part in enumerate(sets):
        tone(tmp_path / f"c/{number}.wav", hz=200.0 + 20 * number)
        rows.append(f"{number}.wav\t{PHRASES[number]}\t{'ana' if number % 2 else 'ion'}\t{part}")
    (tmp_path / "c/corpus.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    given = ("data.reader=table", f"data.dir={tmp_path / 'c'}")
    assert recipe(*given, "data.train_speakers=[ana]") == 0
    where = {part: read_table(recipe.dir / "data" / part / "utt2spk") for part in ("train", "dev", "test")}
    assert where == {
        "train": {"ana-1": "ana"},
        "dev": {"ana-3": "ana"},
        "test": {"ana-5": "ana", "ion-4": "ion"},
    }
    report = json.loads((recipe.dir / "data/all/report.json").read_text("utf-8"))
    assert sorted(report["left_out"]["another speaker"]) == ["ion-0", "ion-2"]
    assert report["split"]["speakers"] == {"train": 1, "dev": 1, "test": 2}
    assert recipe(*given, "data.train_speakers=[anna]") == 2
    assert "did you mean ana?" in str(
        told(capsys.readouterr().err, "anna", where="data.train_speakers=['anna']")
    )


def sized(utts, dur_s=3.0, how="auto"):
    return assign(utts, dict.fromkeys(utts, dur_s), {utt: utt for utt in utts}, how, (), True)


@pytest.mark.parametrize("count", [12, 58, 200, 400])
def test_dev_and_test_are_filled_up(count):
    found, _ = sized(utterances({"a": count}))
    for part in ("dev", "test"):
        own = list(found.values()).count(part)
        # a tenth and 50 utterances (of 3 s: before 3 minutes); a fifth where the corpus is too small for that
        assert own >= max(count // 10, min(50, count // 5)) and own <= count / 5


def test_a_large_corpus_goes_by_the_hash_alone():
    utts = utterances({"a": 2000})
    assert sized(utts)[0] == done(utts)[0]


def test_four_clips_are_still_three_sets():
    assert sorted(sized(utterances({"a": 4}))[0].values()) == ["dev", "test", "train", "train"]


def test_two_main_voices_are_known_and_some_others_are_new():
    speakers = {"main1": 400, "main2": 400, **{f"small{i}": 15 for i in range(18)}}
    utts = utterances(speakers)
    found, how = sized(utts)
    new = {utts[name].speaker for name, part in found.items() if part == "test_new_voices"}
    assert how["by"] == "text" and how["question"] in ("known voices", "known and new voices")
    assert how["largest"]["main1"] == 0.374  # 400 of 1070
    count = list(found.values()).count("test_new_voices")
    assert new and not {"main1", "main2"} & new and 50 <= count <= 1070 * 0.15
    assert not new & {utts[name].speaker for name, part in found.items() if part != "test_new_voices"}


def test_speakers_of_equal_size_are_split_by_speaker():
    found, how = sized(utterances(dict.fromkeys("abcdefgh", 100)))
    assert (
        how["by"] == "speaker" and how["question"] == "new voices" and "test_new_voices" not in found.values()
    )


def test_one_voice_is_a_known_voice():
    assert done(utterances({"a": 40}))[1]["question"] == "known voices"
