"""What outputs mean, and their average over the clips of an example."""

import pytest
import torch

from perceivers.models.outputs import average_clips


@pytest.mark.parametrize(
    ("task", "value"),
    [
        ("classification", lambda x: x.softmax(-1)),
        ("multilabel", torch.sigmoid),
        ("regression", lambda x: x),
    ],
)
def test_probabilities_and_numbers_are_averaged(task, value):
    outputs = 5 * torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
    got = average_clips(outputs, task)
    assert got.shape == (3, 6)
    torch.testing.assert_close(value(got), value(outputs).mean(1))
    torch.testing.assert_close(value(average_clips(outputs[:, :1], task)), value(outputs[:, 0]))


def test_extreme_logits_stay_finite():
    outputs = torch.tensor([[[200.0, -200.0], [-200.0, 200.0]]])
    assert average_clips(outputs, "classification").softmax(-1).tolist() == [[0.5, 0.5]]
    assert average_clips(outputs, "multilabel").tolist() == [[0.0, 0.0]]
