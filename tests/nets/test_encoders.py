import pytest

from tests.lazy import Lazy, torch
from xlt.core.config import ROOT, load
from xlt.core.errors import ConfigError

task = Lazy("xlt.models.espnet.task")
blstm = Lazy("xlt.nets.encoders.blstm")
networks = Lazy("xlt.nets.encoders.deepspeech2")
stems = Lazy("xlt.nets.encoders.stem")

pytestmark = pytest.mark.trains


def test_blstm_equals_torch_bidirectional_lstm_on_each_utterance_alone():
    torch.manual_seed(0)
    ours = blstm.BlstmEncoder(6, hidden_size=5, num_layers=2, dropout=0.0).eval()
    torchs = torch.nn.LSTM(6, 5, num_layers=2, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for layer in range(2):
            for suffix, lstm in (("", ours.ahead[layer]), ("_reverse", ours.back[layer])):
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(torchs, f"{kind}_l{layer}{suffix}").copy_(getattr(lstm, f"{kind}_l0"))
    lengths = torch.tensor([9, 4, 1])
    x = torch.randn(3, 9, 6)  # what stands behind an utterance's end must not matter: left as noise
    got, got_lengths, _ = ours(x, lengths)
    assert got_lengths.tolist() == [9, 4, 1]
    for row, length in enumerate(lengths.tolist()):
        alone, _ = torchs(x[row : row + 1, :length])
        torch.testing.assert_close(got[row, :length], alone[0], atol=1e-6, rtol=1e-5)


def test_stem_stacks_frames_and_rounds_lengths_up():
    stem = stems.Stem(2, stack=2).eval()
    x = torch.arange(10.0).reshape(1, 5, 2)
    out, lengths = stem(x, torch.tensor([5]))
    assert lengths.tolist() == [3]
    assert out.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]]


def test_stem_does_not_let_padding_into_the_last_stack():
    stem = stems.Stem(1, stack=2).eval()
    out, _ = stem(torch.tensor([[[1.0], [2.0], [3.0], [7.0]]]), torch.tensor([3]))
    assert out.tolist() == [[[1, 2], [3, 0]]]


def test_masks_only_act_in_training_and_stay_within_their_limits():
    torch.manual_seed(1)
    stem = stems.Stem(40, time_mask=10, feature_mask=0.25, num_masks=1)
    x, lengths = torch.ones(200, 50, 40), torch.full((200,), 50)
    assert torch.equal(stem.eval()(x, lengths)[0], x)
    masked = stem.train()(x, lengths)[0] == 0
    rows = masked.all(dim=2).sum(dim=1)  # frames masked whole
    columns = masked.all(dim=1).sum(dim=1)  # dimensions masked whole
    assert 0 < rows.max() <= 10 and 0 < columns.max() <= 10
    assert rows.float().mean() == pytest.approx(5, abs=1)  # widths are uniform up to 10


def test_spans_never_leave_the_utterance():
    torch.manual_seed(0)
    spans = stems._spans(torch.full((500,), 8.0), torch.full((500,), 3.0), 2, 12)
    assert not spans[:, 8:].any() and spans.any()


def test_unknown_encoder_and_argument_are_named():
    with pytest.raises(ConfigError, match="train.encoder=blsmt: no such encoder"):
        task.check_arguments("encoder", "blsmt", {})
    with pytest.raises(
        ConfigError, match="blstm has no argument 'hiden_size'; it has hidden_size, num_layers, dropout"
    ):
        task.check_arguments("encoder", "blstm", {"hiden_size": 3})
    task.check_arguments("encoder", "transformer", {"output_size": 64})


def deepspeech2():
    torch.manual_seed(0)
    encoder = networks.DeepSpeech2Encoder(2 * 8, mels=8, channels=4, hidden_size=5, num_layers=2, dropout=0.0)
    for norm in encoder.norms:  # as after some training: not the identity
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2.0)
    return encoder


def test_deepspeech2_gives_an_utterance_the_same_result_in_every_batch():
    encoder, lengths = deepspeech2().eval(), torch.tensor([9, 4, 1])
    x = torch.randn(3, 12, 16)  # noise behind each end, and frames behind the longest
    got, got_lengths, _ = encoder(x, lengths)
    assert got_lengths.tolist() == [9, 4, 1] and got.shape == (3, 9, 10)
    for row, length in enumerate(lengths.tolist()):
        alone, _, _ = encoder(x[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(got[row, :length], alone[0], atol=1e-6, rtol=1e-5)


def test_deepspeech2_stacked_frames_are_a_stride_over_frames():
    # the first layer over 2 channels of 6 frames = a layer of kernel 10 and stride 2 over 12 frames in one
    # channel
    conv = deepspeech2().convs[0]
    x = torch.randn(1, 12, 8)
    stacked = conv(x.reshape(1, 6, 2, 8).transpose(1, 2))
    weight = conv.weight.permute(0, 2, 1, 3).reshape(2, 1, 10, 21)  # (C, 5 stacks, 2 frames, bands)
    strided = torch.nn.functional.conv2d(x[:, None], weight, stride=(2, 2), padding=(4, 10))
    torch.testing.assert_close(stacked, strided[:, :, :6], atol=1e-5, rtol=1e-5)


def test_deepspeech2_learns_in_all_its_parts_and_not_from_padding():
    encoder = deepspeech2().train()
    x = torch.randn(2, 6, 16, requires_grad=True)
    out, _, _ = encoder(x, torch.tensor([6, 3]))
    (
        out[0].square().sum() + out[1, :3].square().sum()
    ).backward()  # the sum of what is normalised would be constant
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    assert (x.grad[1, :3] != 0).any() and (x.grad[1, 3:] == 0).all()


def test_deepspeech2_says_what_it_needs():
    with pytest.raises(ConfigError, match="512 dimensions.*features.upstream=fbank and train.projection=0"):
        networks.DeepSpeech2Encoder(512)


def test_masked_batch_norm_is_torchs_on_speech_without_padding():
    torch.manual_seed(0)
    ours, torchs = networks.MaskedBatchNorm(3), torch.nn.BatchNorm1d(3)
    x, lengths = torch.randn(2, 3, 7, 4), (7, 2)
    inside = torch.zeros(2, 1, 7, 1, dtype=torch.bool)
    for row, length in enumerate(lengths):
        inside[row, :, :length] = True
    flat = torch.cat(
        [x[row, :, :n].reshape(3, -1) for row, n in enumerate(lengths)], dim=1
    ).T  # ((7 + 2) · 4, 3)
    expected = torchs(flat)
    got = ours(x, inside)
    torch.testing.assert_close(got[0].reshape(3, -1).T, expected[:28], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got[1, :, :2].reshape(3, -1).T, expected[28:], atol=1e-5, rtol=1e-5)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(torchs, name))
    torch.testing.assert_close(ours.eval()(x, inside)[0].reshape(3, -1).T, torchs.eval()(flat)[:28])


def test_the_preset_fits_the_encoder_and_its_size():
    cfg = load(ROOT / "egs" / "ron", ["preset=deepspeech2", "features.upstream=fbank"])
    assert (cfg.train.encoder, cfg.train.projection, cfg.features.upstream) == ("deepspeech2", 0, "fbank")
    task.check_arguments("encoder", cfg.train.encoder, cfg.train.encoder_conf)
    encoder = networks.DeepSpeech2Encoder(round(100 / cfg.train.frame_rate) * 80, **cfg.train.encoder_conf)
    assert 1e6 < sum(p.numel() for p in encoder.parameters()) < 2e6
