import pytest
import torch

from xlt.errors import ConfigError
from xlt.train.encoders.blstm import BlstmEncoder
from xlt.train.encoders.stem import Stem, _spans
from xlt.train.espnet_task import check_arguments


def test_blstm_equals_torch_bidirectional_lstm_on_each_utterance_alone():
    torch.manual_seed(0)
    ours = BlstmEncoder(6, hidden_size=5, num_layers=2, dropout=0.0).eval()
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
    stem = Stem(2, stack=2).eval()
    x = torch.arange(10.0).reshape(1, 5, 2)
    out, lengths = stem(x, torch.tensor([5]))
    assert lengths.tolist() == [3]
    assert out.tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0]]]


def test_stem_does_not_let_padding_into_the_last_stack():
    stem = Stem(1, stack=2).eval()
    out, _ = stem(torch.tensor([[[1.0], [2.0], [3.0], [7.0]]]), torch.tensor([3]))
    assert out.tolist() == [[[1, 2], [3, 0]]]


def test_masks_only_act_in_training_and_stay_within_their_limits():
    torch.manual_seed(1)
    stem = Stem(40, time_mask=10, feature_mask=0.25, num_masks=1)
    x, lengths = torch.ones(200, 50, 40), torch.full((200,), 50)
    assert torch.equal(stem.eval()(x, lengths)[0], x)
    masked = stem.train()(x, lengths)[0] == 0
    rows = masked.all(dim=2).sum(dim=1)  # frames masked whole
    columns = masked.all(dim=1).sum(dim=1)  # dimensions masked whole
    assert 0 < rows.max() <= 10 and 0 < columns.max() <= 10
    assert rows.float().mean() == pytest.approx(5, abs=1)  # widths are uniform up to 10


def test_spans_never_leave_the_utterance():
    torch.manual_seed(0)
    spans = _spans(torch.full((500,), 8.0), torch.full((500,), 3.0), 2, 12)
    assert not spans[:, 8:].any() and spans.any()


def test_unknown_encoder_and_argument_are_named():
    with pytest.raises(ConfigError, match="no encoder 'blsmt'"):
        check_arguments("encoder", "blsmt", {})
    with pytest.raises(ConfigError, match="blstm has no argument 'hiden_size'; it has hidden_size, num_layers, dropout"):
        check_arguments("encoder", "blstm", {"hiden_size": 3})
    check_arguments("encoder", "transformer", {"output_size": 64})
