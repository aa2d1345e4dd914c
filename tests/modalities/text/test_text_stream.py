"""The adapter of texts that a model continues: values of bytes, padding moved to the front."""

import pytest
import torch

from perceivers.modalities.text.decode import encode
from perceivers.modalities.text.stream import TextStreamAdapter


def test_bytes_stand_at_the_end_wherever_the_padding_was():
    adapter = TextStreamAdapter(max_length=6)
    behind = encode(["abc", "é", "wxyz"], 6)
    before = torch.stack([row.roll(int((row == 0).sum())) for row in behind])
    for ids in (behind, before, behind.to(torch.int16)):
        inputs = adapter(ids)
        assert inputs.content[..., 0].tolist() == [
            [0, *b"abc"], [0, 0, *"é".encode()], [*b"wxyz"]
        ]  # fmt: skip
        assert inputs.mask.sum(1).tolist() == [3, 2, 4]
    listed = adapter([row[row != 0] for row in behind])
    assert torch.equal(listed.content, adapter(behind).content)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.full((1, 7), 9), "text batch is 7 bytes long; this model reads up to 6"),
        (torch.full((1, 2), 9.0), "text batch is torch.float32 of shape"),
        (torch.full((3,), 9), r"of shape \(3,\); expected int64 ids \(batch, bytes\)"),
        (torch.tensor([[5, 9]]), "ids from 5 to 9; expected 0 for padding and 6 to 261"),
        (torch.tensor([[9, 0], [0, 0]]), "has a text without a byte"),
        (torch.tensor([[9, 0, 9]]), "has padding between bytes"),
    ],
)
def test_bad_batches_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        TextStreamAdapter(max_length=6)(ids)


def test_a_length_of_one_is_refused():
    with pytest.raises(ValueError, match="max_length=1; expected at least 2 bytes"):
        TextStreamAdapter(max_length=1)
