"""What training of an upstream costs, measured on training speech."""

import pytest
import soundfile

from tests.lazy import torch
from tests.tiny import make_tiny_whisper
from xlt.core.config import load
from xlt.core.context import Context
from xlt.core.errors import MissingInput
from xlt.features import pace
from xlt.formats.tables import write_table


def test_batches_are_as_long_as_those_of_training():
    lengths = {f"u{n}": 1.0 + n % 3 for n in range(40)}
    first, *batches = pace._batches(lengths, 12.0)
    assert len(first) == 1 and len(batches) == pace.BATCHES
    for batch in batches:
        *most, last = (lengths[utt] for utt in batch)
        assert sum(most) < 12 <= sum(most) + last
    assert len({utt for batch in batches for utt in batch}) == sum(map(len, batches))
    assert pace._batches({"u": 1.0}, 12.0) == [["u"]] * (1 + pace.BATCHES)


@pytest.mark.parametrize("freeze", ["extractor", "none"])
def test_seconds_of_a_second_of_speech(tmp_path, freeze, monkeypatch):
    """Of steps that take half a second of the processor each, by a clock that says so, and two of the day;
    1.5 s of speech a batch.
    """
    (tmp_path / "data" / "train").mkdir(parents=True)
    upstream = make_tiny_whisper(tmp_path / "whisper")
    (tmp_path / "recipe.yaml").write_text(
        f"lang: ron_Latn\nfeatures: {{upstream: whisper_base, path: {upstream}}}\ntrain: {{batch_s: 1.5}}\n",
        encoding="utf-8",
    )
    waves, rng = {}, torch.Generator().manual_seed(0)
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, (torch.rand(12000, generator=rng) - 0.5).numpy(), 16000)
        waves[name] = str(path)
    ctx = Context(tmp_path, load(tmp_path, []))
    with pytest.raises(MissingInput):
        pace.seconds(ctx, freeze)
    write_table(tmp_path / "data" / "train" / "wav.scp", waves)
    write_table(tmp_path / "data" / "train" / "utt2dur", dict.fromkeys(waves, "0.75"))
    ticks, days = iter(range(100)), iter(range(0, 200, 2))
    monkeypatch.setattr("time.process_time", lambda: next(ticks) / 2)
    monkeypatch.setattr("time.monotonic", lambda: next(days))
    before = torch.random.get_rng_state()
    assert pace.seconds(ctx, freeze) == pytest.approx(0.5 / 1.5)
    assert torch.equal(before, torch.random.get_rng_state())
