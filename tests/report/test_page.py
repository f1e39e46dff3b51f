"""report.html without a browser: what it says, that nothing in it is taken for code, that it is the same each
time.
"""

import re

import pytest

from tests.errors import told
from tests.pages import Reader
from tests.report.documents import document, phone_document
from xlt.cli import main
from xlt.core.config import ROOT
from xlt.report import page

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def confused():
    pairs = {"a": {"e": 3, "": 1}, "ș": {"s": 2}, "": {"x": 5}}
    return {"confusions": {"test": {"unit": "char", "n": {"a": 20, "ș": 4}, "pairs": pairs, "left_off": 0}}}


@pytest.fixture
def egs(results):
    """Romanian with all that a result can have, Catalan from before confusions, a recipe of several
    languages, phones.
    """
    five = document("five", cer=30.0, **{"data.train_minutes": 5.0}) | confused()
    five["training"]["speech_min"] = 4.9
    root = results(
        five,
        document("base_s0", 0, 9.5) | confused() | {"alphabet": {" ": 50, "a": 900, "ș": 100}},
        document("base_s1", 1, 9.1),
        phone_document("ph"),
        document("peer", cer=19.5, peer="Whisper-base, zero-shot"),
    ).parent.parent
    results(document("base_s0", cer=22.0, lang=("cat_Latn", "Catalan")), recipe="cat")
    results(document("main", lang=("mul_Zyyy", "Multiple languages")), recipe="multi")
    return root


def test_the_page_is_well_formed_and_its_links_lead_somewhere(egs):
    read = Reader(page.render(egs))
    assert read.open == []
    ids = [attrs["id"] for _, attrs in read.elements if "id" in attrs]
    assert len(ids) == len(set(ids)) and {
        "cer",
        "wer",
        "learning",
        "alphabets",
        "egs/ron",
        "egs/cat",
        "egs/multi",
    } <= set(ids)
    assert {attrs["href"].removeprefix("#") for tag, attrs in read.elements if tag == "a"} <= set(ids)
    assert all(attrs["href"].startswith("#") for tag, attrs in read.elements if tag == "a")


def test_nothing_is_fetched_and_no_script_but_ours_may_run(egs):
    read = Reader(page.render(egs))
    assert [attrs.get("src") for tag, attrs in read.elements if tag in ("script", "img", "iframe")] == [None]
    assert [attrs["href"] for tag, attrs in read.elements if tag == "link"] == ["data:,"]
    (policy,) = [
        attrs["content"]
        for tag, attrs in read.elements
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy and "http" not in policy


def test_what_is_in_results_is_text_and_nothing_else(results):
    evil = document(f"a {EVIL.replace('/', '')}", lang=("ron_Latn", EVIL)) | confused()
    evil["examples"]["test"]["worst"] = [{"id": EVIL, "cer": 40.0, "ref": EVIL, "hyp": f"b{EVIL}"}]
    evil["command"], evil["commit"], evil["versions"] = EVIL, EVIL, {EVIL: EVIL}
    evil["experiment"]["normaliser"] = EVIL
    evil["config"] |= {"features.upstream": EVIL, EVIL: EVIL}
    evil["confusions"]["test"]["n"][EVIL] = 5
    evil["confusions"]["test"]["pairs"][EVIL] = {EVIL: 2}
    evil["alphabet"] = {EVIL: 3}
    text = page.render(results(evil).parent.parent)
    read = Reader(text)
    assert read.open == [] and "img" not in {tag for tag, _ in read.elements}
    assert [tag for tag, _ in read.elements].count("script") == 1
    assert not [name for _, attrs in read.elements for name in attrs if name.startswith("on")]
    assert text.count("&lt;img src=x") > 10


def test_a_number_leads_to_what_is_behind_it(egs):
    text = page.render(egs)
    assert '<a href="#egs/ron/base">9.3</a> <span class="interval">[8.5, 10.5]</span>' in text
    made = text.split('<div id="egs/ron/base"')[1].split("</details>")[0]
    for part in (
        "./run.sh tag=base_s0 seed=0",
        "./run.sh tag=base_s1 seed=1",
        "abc123",
        "xlt 0.1.0",
        "9.9 min",
        "train 60",
        "CER | norm:ron-v1 | n:2 | tok:char | seed:0,1",
    ):
        assert part in made
    assert (
        "<dt><code>data.train_minutes</code></dt><dd><code>10.0</code></dd>" in made
    )  # the phones and five minutes differ
    shared = text.split('<dl id="egs/ron/-shared"')[1].split("</dl>")[0]
    assert "features.upstream" in shared and "train_minutes" not in shared and "seed" not in shared


def test_confusions_with_shares_and_what_the_results_do_not_tell(egs):
    text = page.render(egs)
    romanian, catalan = (
        text.split('<section id="egs/ron"')[1],
        text.split('<section id="egs/cat"')[1].split("</section>")[0],
    )
    rows = re.findall(
        r"<tr[^>]*><th scope=\"row\">(.*?)</th>(.*?)</tr>", romanian.split("Confusions of characters")[1]
    )
    cells = [
        [re.sub("<[^>]+>", "", part).strip() for part in (head, *re.findall(r"<td[^>]*>(.*?)</td>", rest))]
        for head, rest in rows
    ]
    # columns: e, x, s by count and letter (x was inserted), any other, nothing
    assert cells == [
        ["a", "4 of 20", "", "3", "", "", "1"],
        ["ș", "2 of 4", "", "", "2", "", ""],
        ["∅", "5", "5", "", "", "", ""],
    ]
    assert "</b> 3× (15%)" in romanian and "</b> 2× (50%)" in romanian
    assert "no file in results/examples has them" in catalan
    assert "No file in results/examples has the alphabet of Catalan" in text


def test_where_a_system_fails_stands_with_its_language_and_makes_no_links(results):
    outside = {
        "scripts": ["Latin"],
        "hypotheses": {"outside": 3, "chars": 90, "share": 3.33},
        "references": {"outside": 0, "chars": 95, "share": 0.0},
        "offenders": [{"char": "[x](https://example.com)", "name": "<b>a</b>", "count": 3}],
    }
    text = page.render(results(document("main") | {"script": {"test": outside}}).parent.parent)
    part = text.split('<section id="egs/ron"')[1]
    assert (
        "<h3>Where main fails on test, seed 0</h3>" in part and "<h4>Characters of other scripts</h4>" in part
    )
    assert (
        "3 of 90 in the hypotheses, 3.33%" in part
        and "[x](https://example.com) (&lt;b&gt;a&lt;/b&gt;) 3" in part
    )
    assert all(attrs["href"].startswith("#") for tag, attrs in Reader(text).elements if tag == "a")


def test_texts_have_their_language_and_direction(results):
    arabic = document("main", lang=("arb_Arab", "Arabic"))
    arabic["examples"]["test"]["worst"] = [{"id": "s-1", "cer": 50.0, "ref": "با", "hyp": "بت"}]
    text = page.render(results(arabic, recipe="arb").parent.parent)
    assert '<td class="text" lang="ar-Arab" dir="auto">ب<mark>ا</mark></td>' in text


@pytest.mark.slow
def test_the_committed_results_make_a_small_page_the_same_each_time():
    made = [page.render(ROOT / "egs") for _ in range(2)]
    assert made[0] == made[1] and len(made[0].encode()) < 3_000_000
    assert Reader(made[0]).open == []


def test_the_command_writes_all_files_twice_the_same(egs, tmp_path, capsys):
    out = tmp_path / "out"
    for _ in range(2):
        assert main(["report", str(egs), "--out", str(out)]) == 0
        said = capsys.readouterr().out
        found = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
        assert (
            list(found) == ["report.html", "results.csv", "results.tex"]
            and f"wrote {out / 'report.html'}" in said
        )
    assert {path.name: path.read_bytes() for path in sorted(out.iterdir())} == found
    assert (
        main(["report", str(egs)]) == 0
        and (egs / "report" / "report.html").read_bytes() == found["report.html"]
    )


def test_no_results_is_a_page_too(tmp_path):
    text = page.render(tmp_path)
    assert "None yet" in text and Reader(text).open == []


def test_in_a_recipe_report_is_the_stage(tmp_path, monkeypatch, capsys):
    (tmp_path / "recipe.yaml").write_text("lang: ron_Latn\n")
    assert main(["report", "--recipe", str(tmp_path)]) == 2
    told(capsys.readouterr().err, "stage 8 (score)", where="exp/main/score.json")
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 2
    told(capsys.readouterr().err, "stage 8 (score)", where="exp/main/score.json")
