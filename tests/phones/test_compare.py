import json
import math

import pytest

from tests.errors import told
from xlt.cli import main
from xlt.core.errors import DataError
from xlt.formats.tables import write_table
from xlt.phones.compare import common, inventory, overlap, rank
from xlt.phones.features import distance, vectors
from xlt.phones.uriel import distances, spearman


def test_distance_is_the_share_of_panphon_s_weights():
    of = vectors(["p", "b", "t͡ʃ", "ж"])
    assert of.keys() == {"p", "b", "t͡ʃ"}
    # panphon's weights sum to 7.25; p and b differ in voice alone, which weighs 0.125
    assert distance(of["p"], of["b"]) == pytest.approx(0.125 / 7.25) and distance(of["p"], of["p"]) == 0


def test_overlap_by_hand():
    # target: 4 a, 3 p, 2 b, 1 ж (which has no features). source: a p s, so b and ж are missing
    target, source = inventory(["a p a b", "a p a b p ж"]), inventory(["p a s"])
    found = overlap(target, source, "x")
    assert found.jaccard == pytest.approx(2 / 5)  # a, p of a, p, b, ж, s
    assert found.exact == pytest.approx(7 / 10)
    assert found.near == pytest.approx(9 / 10)  # b is as near as voice to p
    assert found.cost == pytest.approx((2 * 0.125 / 7.25 + 1 * 1.0) / 10)
    assert [row[:3] for row in found.missing] == [("b", 2, "p"), ("ж", 1, "")]
    assert overlap(target, source, "x", within=0.01).near == pytest.approx(7 / 10)


def test_rare_phones_are_not_a_language_s():
    source = inventory(["a " * 2000 + "p"])
    assert common(source).keys() == {"a"} and common(inventory(["a " * 999 + "p"])).keys() == {"a", "p"}
    assert overlap(inventory(["a p"]), source, "x").exact == 0.5


def test_ranking():
    found = rank(["b a"], {"far": ["u o s"], "same": ["a b"], "near": ["a p"]})
    assert [o.name for o in found] == ["same", "near", "far"]
    with pytest.raises(DataError, match="none: no phones"):
        rank(["a"], {"none": []})


def test_spearman_by_hand():
    assert spearman([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(0.8)  # 1 − 6·2 / (4·15)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2)  # ranks 1.5 1.5 3 and 1 2 3
    assert math.isnan(spearman([1, 1], [1, 2])) and math.isnan(spearman([1], [1]))


def test_uriel_knows_its_languages():
    found, lacking = distances(["ron", "ita", "xyz"], "inventory")
    assert lacking == ["xyz"] and list(found) == [("ron", "ita")] and 0 < found["ron", "ita"] < 1


@pytest.fixture
def egs(tmp_path, monkeypatch):
    """Three recipes as stage 1 leaves them, in an egs/ of their own."""
    from xlt.core import config

    for name, code, text in (
        ("cat", "cat_Latn", "casa"),
        ("spa", "spa_Latn", "casa"),
        ("ron", "ron_Latn", "casă"),
    ):
        data = tmp_path / "egs" / name / "data" / "train"
        data.mkdir(parents=True)
        (tmp_path / "egs" / name / "recipe.yaml").write_text(f"lang: {code}\n")
        write_table(data / "text", {"u1": text})
    monkeypatch.setattr(config, "ROOT", tmp_path)
    return tmp_path / "egs"


def test_command_ranks_and_writes_json_and_a_picture(egs, tmp_path, capsys):
    from PIL import Image

    made, picture = tmp_path / "p.json", tmp_path / "p.png"
    assert (
        main(
            [
                "phones",
                "cat",
                "--sources",
                f"spa,{egs / 'ron'}",
                "--json",
                str(made),
                "--heatmap",
                str(picture),
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    # casa is k a z ə; Spanish k a s a has k a, Romanian k a s ə has k a ə
    document = json.loads(made.read_text())
    assert [(row["name"], row["exact"]) for row in document["ranking"]] == [("ron", 0.75), ("spa", 0.5)]
    assert document["ranking"][0]["missing"][0] | {"distance": 0} == {
        "phone": "z",
        "count": 1,
        "nearest": "s",
        "distance": 0,
    }
    assert "cat: 4 phones" in out and "z 1× → s" in out
    assert document["uriel"]["inventory"]["n"] == 3 and "inventory distances, 3 pairs" in out
    with Image.open(picture) as image:
        assert image.format == "PNG" and len(image.getcolors(100000)) > 5


def test_a_table_of_the_target_is_not_used_for_the_sources(egs, tmp_path, capsys):
    table = tmp_path / "g2p.tsv"
    table.write_text("c\tk\na\ta\ns\tθ\n", encoding="utf-8")
    assert main(["phones", "cat", "--sources", "spa", f"phones.table={table}"]) == 2
    told(capsys.readouterr().err, "g2p.tsv", "cat_Latn, ron_Latn, spa_Latn", where="phones.table")
    table.rename(tmp_path / "cat_Latn.tsv")
    assert main(["phones", "cat", "--sources", "spa", f"phones.table={tmp_path / 'cat_Latn.tsv'}"]) == 0
    assert "θ 1× → s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["nosuch", "--sources", "spa"], "nosuch: no recipe"),
        (["cat", "--sources", "cat"], "no recipe but the target itself"),
        (["cat", "--sources", "spa", "phones.g2p=tsv"], "phones.g2p=tsv: "),
        (
            ["cat", "--sources", "spa", "data.train_minutes=5"],
            "train_5min/text: ",
        ),
    ],
)
def test_command_s_errors(egs, words, part, capsys):
    assert main(["phones", *words]) == 2
    assert part in capsys.readouterr().err
