"""ESPnet's dataset over the features of stage 3: compressed too, and checked."""

import numpy as np
import pytest

from tests.formats.test_archives import matrices, write_all
from xlt.core.errors import DataError
from xlt.features.speech import FEATS
from xlt.formats.matrix import round_trip

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("storage", ["f32", "cm2", "cm1"])
def test_dataset_gives_what_was_stored_and_notices_damage(tmp_path, storage):
    from espnet2.train.dataset import ESPnetDataset

    import xlt.models.espnet.task  # noqa: F401 (registers the loader)

    mats = matrices(4)
    entries = write_all(tmp_path, mats, storage).entries
    dataset = ESPnetDataset([(str(tmp_path / "feats.scp"), "speech", FEATS)])
    for utt, matrix in mats.items():
        found = dataset[utt][1]["speech"]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, round_trip(matrix, storage))
    data = bytearray((tmp_path / "feats.ark").read_bytes())
    data[entries["u2"].offset + 30] ^= 1
    (tmp_path / "feats.ark").write_bytes(data)
    with pytest.raises(DataError, match="u2: checksum differs"):
        dataset["u2"]
