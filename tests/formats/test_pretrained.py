"""Which value of features.upstream takes the folder of a pre-training."""

import pytest

from xlt.formats.pretrained import takes, write_facts


@pytest.mark.parametrize(
    ("made_for", "given", "needed"),
    [
        ("hf", "hf", None),
        ("hf_wav2vec2_custom", "hf", None),  # of older versions
        ("hf", "hf_wav2vec2_custom", None),
        ("hf", "whisper_base", "hf"),
        ("bestrq", "hf", "bestrq"),
        ("whisper_base", "whisper_base", None),
    ],
)
def test_takes(tmp_path, made_for, given, needed):
    write_facts(tmp_path, "m", made_for, {})
    assert takes(tmp_path, given) == needed


def test_folders_of_others(tmp_path):
    assert takes(tmp_path, "hf") is None
