"""An encoder that learns to hear in chunks: what it hears, what it measures, and that it learns."""

import numpy as np
import pytest

from tests.data.corpus import melody
from tests.errors import raises
from tests.lazy import Lazy, torch
from tests.tiny import make_tiny_wav2vec2, make_tiny_whisper
from tests.upstreams.layouts import make
from xlt.core.errors import ConfigError, UpstreamError
from xlt.nets.chunks import Chunks
from xlt.upstreams import upstream_class

chunked = Lazy("xlt.models.ssl.chunked")
UPSTREAMS = {"whisper": "whisper_base", "wav2vec2": "hf"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("encoders")
    return {
        "whisper": make_tiny_whisper(root / "whisper"),
        "wav2vec2": make_tiny_wav2vec2(root / "wav2vec2"),
    }


def found(name, folder):
    return upstream_class(name).find(name, str(folder), folder.parent / "cache")


def method(folders, kind, **sizes):
    made = chunked.ChunkedMethod(sizes, 0, "cpu", found(UPSTREAMS[kind], folders[kind]))
    made.narrow = False  # float32: compared with what others compute
    return made


def waves(*seconds):
    return [torch.from_numpy(melody(n, dur_s)) for n, dur_s in enumerate(seconds)]


@pytest.mark.parametrize("chunks", [Chunks(8, 20, 0), Chunks(16, 16, 4)])
@pytest.mark.parametrize("kind", UPSTREAMS)
def test_the_student_hears_as_the_upstream_in_chunks(folders, kind, chunks):
    made, wave = method(folders, kind), waves(1.1)[0]
    upstream = upstream_class(UPSTREAMS[kind])(found(UPSTREAMS[kind], folders[kind]), "float32", "cpu")
    expected, (frames,) = upstream.chunked(chunks).encode([wave.numpy()], [1, 2])
    with torch.no_grad():
        states = made._heard(wave, chunks, made.module)  # changes are zero at first
    for ours, theirs in zip(states, expected, strict=True):
        torch.testing.assert_close(ours, theirs[0, :frames], atol=1e-3, rtol=1e-3)


def test_what_is_measured_is_the_variance_of_whole_clips_explained(folders):
    made = method(folders, "whisper", shortest_s=0.32, longest_s=0.32, left_s=0.64)
    made.module.eval()
    first, second, third = waves(1.0, 1.6, 3.0)
    step = made.step([first, second, third], np.random.default_rng(0), 0.0)
    clips = [torch.cat([first, second]).numpy(), third.numpy()]  # all three would not fit into 5 s
    upstream = upstream_class("whisper_base")(found("whisper_base", folders["whisper"]), "float32", "cpu")
    heard = upstream.chunked(Chunks(16, 32))
    shares = []
    for layer in (1, 2):
        whole, parts = (
            np.concatenate(
                [
                    states[0][0, :frames].numpy()
                    for states, (frames,) in (by.encode([c], [layer]) for c in clips)
                ]
            )
            for by in (upstream, heard)
        )
        shares.append(1 - ((parts - whole) ** 2 / whole.var(axis=0)).mean())
    assert step.masked == 130 + 150 and step.codes is None
    assert step.guessed / step.masked == pytest.approx(np.mean(shares), abs=2e-3)
    assert step.right == pytest.approx(step.guessed, abs=1e-2)  # nothing is changed yet


def test_chunks_of_all_lengths_are_drawn(folders):
    made, rng = method(folders, "whisper", look_ahead_s=0.08), np.random.default_rng(0)
    drawn = [made._chunks(rng) for _ in range(300)]
    sizes = [one.chunk for one in drawn]
    assert (min(sizes), max(sizes)) == (16, 64) and {(one.left, one.ahead) for one in drawn} == {(250, 4)}
    assert np.median(sizes) == pytest.approx(32, abs=4)  # the middle of the logarithms


@pytest.mark.trains
def test_a_few_steps_explain_more(folders):
    made = method(folders, "whisper")
    optimiser = torch.optim.Adam(made.module.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        step = made.step(waves(1.0, 1.2), np.random.default_rng(0), 0.5)
        optimiser.zero_grad()
        step.loss.backward()
        optimiser.step()
        losses.append(step.loss.item())
    assert losses[-1] < 0.95 * losses[0]
    assert all(p.grad is None for p in made.net.parameters())


def test_ctc_of_the_texts_is_added_in_nats_a_frame(folders):
    """Short clips are heard together, and so are their texts; the head sees what the student gives."""
    made, plain = method(folders, "whisper", ctc_weight=0.5), method(folders, "whisper")
    made.read(["ab", "ba"])
    clips, rng = waves(1.0, 1.6), np.random.default_rng
    step, alone = made.step(clips, rng(0), 0.5, ["ab", "b"]), plain.step(clips, rng(0), 0.5)
    assert step.masked == alone.masked == 130 and step.right == pytest.approx(alone.right)
    with torch.no_grad():
        states = made._heard(torch.cat(clips), made._chunks(rng(0)), made.changes)
        head = made.letters
        mixed = sum(torch.nn.functional.layer_norm(one, one.shape[-1:]) / 2 for one in states)
        log_probs = head.output(mixed).log_softmax(-1)
    assert head.ids == {" ": 1, "a": 2, "b": 3}
    nats = torch.nn.CTCLoss(reduction="none")(
        log_probs[:, None], torch.tensor([[2, 3, 1, 3]]), torch.tensor([130]), torch.tensor([4])
    )
    assert step.loss.item() == pytest.approx(alone.loss.item() + 0.5 * nats.item() / 130, rel=1e-4)
    step.loss.backward()
    assert head.output.weight.grad.abs().max() > 0
    made.module.eval()
    assert made.step(clips, rng(0), 0.5, ["ab", "b"]).loss.item() == pytest.approx(alone.loss.item())


def test_a_text_longer_than_its_clip_teaches_nothing(folders):
    made = method(folders, "whisper", ctc_weight=0.5)
    made.read(["a"])
    states = [torch.zeros(3, 32)] * 2
    assert made.letters.loss(states, "aaaa").item() == 0 < made.letters.loss(states, "aa").item()


def test_a_share_of_the_clips_is_heard_whole(folders):
    """By the student as by the teacher, so that nothing is lacking before anything is learned."""
    made = method(folders, "whisper", whole_share=0.999)
    step = made.step(waves(1.0, 1.6), np.random.default_rng(0), 0.5)
    assert step.loss.item() == pytest.approx(0.0, abs=1e-6) and step.masked == step.right == 130
    made.module.eval()  # dev is measured in chunks
    expected = method(folders, "whisper")
    expected.module.eval()
    ours, theirs = (one.step(waves(1.0), np.random.default_rng(0), 0.5) for one in (made, expected))
    assert ours.right == theirs.right < 50


def test_an_encoder_taught_by_texts_is_saved_without_the_head(folders, tmp_path):
    made = method(folders, "whisper", ctc_weight=0.5)
    made.read(["ab"])
    made.save(tmp_path)
    with torch.no_grad():
        made.changes[1].b["q"] += 0.1
    (tmp_path / "changed").mkdir()
    made.save(tmp_path / "changed")
    from safetensors.torch import load_file

    before, after = (load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / "changed"))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert before.keys() == after.keys() and len(changed) == 1 and "encoder.layers.1" in changed[0]


def test_sizes_and_encoders_that_cannot_be(folders, tmp_path):
    with raises(ConfigError, "1.28", where="pretrain.model.shortest_s=2"):
        method(folders, "whisper", shortest_s=2.0)
    with raises(ConfigError, "below 1", where="pretrain.model.whole_share=1"):
        method(folders, "whisper", whole_share=1.0)
    with raises(ConfigError, "0.02", where="pretrain.model.left_s=0.03"):
        method(folders, "whisper", left_s=0.03)
    make(tmp_path / "w2v_bert", "w2v_bert")
    with raises(UpstreamError, where="features.chunk_s"):
        chunked.ChunkedMethod({}, 0, "cpu", found("hf", tmp_path / "w2v_bert"))
