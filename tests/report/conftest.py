import json

import pytest


@pytest.fixture
def results(tmp_path):
    """Function that writes results/<tag>.json into a recipe ``egs/<name>`` and returns the results folder."""

    def write(*documents, recipe="ron"):
        folder = tmp_path / "egs" / recipe / "results"
        folder.mkdir(parents=True, exist_ok=True)
        for made in documents:
            path = folder / f"{made['experiment']['tag']}.json"
            path.write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
        return folder

    return write
