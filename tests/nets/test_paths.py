"""Ways through CTC's frames, against torch and torchaudio."""

import numpy as np
import pytest
import torch
import torchaudio

from xlt.nets.paths import as_array, best_path, forced_path


@pytest.mark.parametrize(
    ("frames", "labels"), [(40, [3, 3, 1, 2, 2, 4]), (9, [1, 2, 3, 4]), (6, [5, 5, 5]), (1, [2])]
)
def test_forced_path_is_torchaudios(frames, labels):
    rng = np.random.default_rng(frames)
    log_probs = torch.log_softmax(torch.from_numpy(rng.normal(size=(frames, 6)).astype(np.float32)), dim=1)
    expected, _ = torchaudio.functional.forced_align(
        log_probs[None], torch.tensor([labels], dtype=torch.int32)
    )
    assert forced_path(log_probs.numpy(), labels) == expected[0].tolist()


def test_forced_path_without_labels_is_all_blank():
    assert forced_path(np.zeros((3, 2), np.float32), []) == [0, 0, 0]


def test_best_path_of_arrays_and_tensors():
    ids = [0, 3, 3, 0, 3, 4, 0, 0]
    assert best_path(np.array(ids)) == best_path(torch.tensor(ids)) == [3, 3, 4]
    assert best_path(np.array([], int)) == []
    assert best_path(np.array(ids), blank=3) == [0, 0, 4, 0]


def test_arrays_of_tensors():
    array = np.ones(2, np.float32)
    assert as_array(array) is array
    assert as_array(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert as_array(torch.tensor([1, 2])).tolist() == [1, 2]
