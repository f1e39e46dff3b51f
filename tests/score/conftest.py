import pytest

from xlt.core.stage import write_json
from xlt.formats.tables import write_table

TEXTS = {  # set → utterance → (reference, hypothesis); raw spelling, which the normaliser mends on both sides
    "dev": {"s-1": ("O broască.", "o broască"), "s-2": ("Un papagal", "un papaga")},
    "test": {
        "s-1": ("O broască!", "o broasca"),
        "s-2": ("unu doi trei", "unu trei"),
        "s-3": ("Mulţumesc", "mulțumesc"),
    },
}


@pytest.fixture
def recipe(tmp_path):
    """A recipe directory that has been decoded: what stages 1 to 7 leave, as far as scoring reads it."""
    root = tmp_path / "recipe"
    root.mkdir()
    (root / "recipe.yaml").write_text("lang: ron_Latn\nscore: {bootstrap: 50}\n")
    for name, texts in TEXTS.items():
        data, decoded = root / "data" / name, root / "exp" / "main" / f"decode_{name}"
        data.mkdir(parents=True)
        decoded.mkdir(parents=True)
        write_table(data / "text", {utt: ref for utt, (ref, _) in texts.items()})
        write_table(data / "utt2dur", dict.fromkeys(texts, "30.0"))
        write_table(decoded / "text", {utt: hyp for utt, (_, hyp) in texts.items()})
    train = root / "data" / "train"
    train.mkdir()
    write_table(train / "text", {"s-9": "o broască", "s-8": "un papagal"})
    write_table(train / "utt2dur", {"s-9": "45", "s-8": "45"})
    stamp = {
        "config": {"train.lr": 0.004, "made.up": 1},
        "seed": 0,
        "wall_s": 12.3,
        "cpu_s": 8.1,
        "time": {"wanted": 9, "epoch_s": 1.5},
        "git": "abc123",
        "epochs": 7,
        "parameters": 1234,
        "versions": {"torch": "9.9"},
    }
    write_json(root / "exp" / "main" / "stage.json", stamp)
    return root
