"""Clean and altered sets beside each other in RESULTS.md."""

from tests.report.documents import document, entry
from xlt.report.markdown import render
from xlt.report.results import load

FURTHER = [
    {"set": "test_phone", "reader": "asterisk"},
    {"set": "test_room", "of": "test", "augment": "room"},
    {"set": "dev_noise", "of": "dev", "augment": "noise:10"},
]


def with_sets(tag, further=FURTHER, seed=0, test=10.0, dev=8.0, **values):
    own = {"features.augment": ["room"]} if tag == "robust" else {}
    found = document(tag, seed, cer=test, dev=dev, **{"data.further": further}, **own)
    for name, value in values.items():
        found[name] = {"cer": entry(value), "wer": entry(3 * value)}
        found["signature"][name] = {"cer": f"CER {value:.1f} ±1.0 | norm:ron-v1 | n:2 | tok:char | seed:0"}
        found["data"] = {**found["data"], name: found["data"]["test"]}
    return found


def section(page):
    return page.partition("## Clean and altered speech\n")[2].partition("\n## ")[0]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_clean_and_altered_figures_stand_in_one_row(results):
    folder = results(
        with_sets("plain", test_room=15.0, dev_noise=12.0, test_phone=40.0),
        with_sets("robust", test=10.2, test_room=11.22, dev_noise=9.0, test_phone=30.0),
        document("other", cer=9.0, **{"features.upstream": "fbank"}),
    )
    of_test, of_dev = [
        [cells(line) for line in part.splitlines() if line.startswith("|")]
        for part in section(render(load(folder))).split("How they were made")[:2]
    ]
    assert of_test[0] == ["experiment", "model", "test", "test_room", "test_phone"]
    assert [row[0] for row in of_test[2:]] == ["plain", "robust"]
    assert of_test[2][2:] == ["10.0 [9.0, 11.0]", "15.0 [14.0, 16.0] (+50%)", "40.0 [39.0, 41.0]"]
    assert of_test[3][3] == "11.2 [10.2, 12.2] (+10%)"
    assert of_dev[0] == ["experiment", "model", "dev", "dev_noise"]
    assert of_dev[2][2:] == ["8.0 [7.0, 9.0]", "12.0 [11.0, 13.0] (+50%)"]


def test_sets_of_one_name_that_were_made_otherwise_do_not_share_a_column(results):
    loud = [{"set": "test_room", "of": "test", "augment": "room:0.8"}]
    folder = results(with_sets("a", test_room=15.0), with_sets("b", further=loud, test=11.0, test_room=20.0))
    head, _, a, b, *_ = [
        cells(line) for line in section(render(load(folder))).splitlines() if line.startswith("|")
    ]
    assert head[3:] == ["test_room (room)", "test_room (room:0.8)"]
    assert a[4] == "–" and a[3].startswith("15.0") and b[3] == "–" and b[4].startswith("20.0")


def test_without_altered_sets_there_is_no_section(results):
    page = render(load(results(document("a"), with_sets("b", further=FURTHER[:1], test_phone=40.0))))
    assert "altered speech" not in page
