"""One round of `xlt selftrain` for real: letters are tones."""

import json

import numpy as np
import pytest
import soundfile

from tests.tones import RATE, make_corpus, sound
from xlt.cli import main
from xlt.formats.tables import read_table

pytestmark = pytest.mark.trains

TEXTS = ("aei oae", "iao eoa", "oie aoe", "eao iea", "ioa eio")


def test_a_round_learns_the_texts_of_the_first_and_is_done_once(tmp_path, capsys):
    recipe, more = tmp_path / "egs" / "eng", tmp_path / "more"
    make_corpus(tmp_path / "corpus", train=30)
    recipe.mkdir(parents=True)
    more.mkdir()
    for number, text in enumerate(TEXTS):
        soundfile.write(more / f"{number}.wav", sound(text, np.random.default_rng(100 + number)), RATE)
    (recipe / "recipe.yaml").write_text(
        f"lang: eng_Latn\ndata: {{reader: kaldi, dir: {tmp_path / 'corpus'}}}\n"
        "features: {upstream: fbank}\nlm: {words: none}\ndecode: {method: beam}\nscore: {bootstrap: 50}\n"
        "train: {max_epochs: 18, min_updates: 0, projection: 16, lr: 0.01, batch_s: 4, num_masks: 0,"
        " freeze: upstream, encoder_conf: {hidden_size: 16, num_layers: 1}}\n"
    )
    words = ["selftrain", str(more), "--recipe", str(recipe), "--rounds", "1", "train.label_cer=1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith("| main")]
    assert len(rows) == 2 and rows[1].startswith("| main_round1 | ")
    taught = json.loads((recipe / "exp/main_round1/xlt.json").read_text())["teacher"]
    assert taught["tag"] == "main" and f", {taught['labels']['utterances']} | " in rows[1]
    written = read_table(recipe / "data/labels/main/text")
    right = [written[f"unlabelled-{n}"].replace(" ", "") == t.replace(" ", "") for n, t in enumerate(TEXTS)]
    assert sum(right) >= 3 and 1 <= taught["labels"]["utterances"] <= 5
    assert (recipe / "exp/main_round1/bundle/bundle.json").exists()
    before = (recipe / "exp/main_round1/model.pth").stat().st_mtime_ns
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "exp/main_round1 is up to date" in out and rows[1] in out
    assert (recipe / "exp/main_round1/model.pth").stat().st_mtime_ns == before
