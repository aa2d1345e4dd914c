"""Modalities that a batch or some examples lack, and modalities dropped in training."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import AUDIO, M_AUDIO, M_VIDEO, batch, classifier, fusion

from perceivers.modalities import AudioConfig, PointsConfig, TextConfig


@pytest.mark.parametrize("missing", ["audio", "video"])
@pytest.mark.parametrize("how", ["absent", "none"])
def test_a_missing_modality_is_masked(missing, how):
    model, raw = classifier(), batch()
    elements = {"audio": slice(0, M_AUDIO), "video": slice(M_AUDIO, None)}[missing]
    mask = torch.ones(2, M_AUDIO + M_VIDEO, dtype=torch.bool)
    mask[:, elements] = False
    without = {name: x for name, x in raw.items() if name != missing}
    if how == "none":
        without[missing] = None
    with torch.no_grad():
        got = model(without)
        torch.testing.assert_close(got, model(raw, mask=mask), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(got, model(raw), atol=1e-3)
        # A mask of the user is combined with the adapter's.
        everything = torch.ones_like(mask)
        assert torch.equal(model(without, mask=everything), got)
    inputs = model.adapter(without)
    assert torch.equal(inputs.mask, mask)
    assert inputs.position.shape[0] == 1


def test_missing_from_some_examples_only():
    model, raw = classifier(), batch()
    mask = torch.ones(2, M_AUDIO + M_VIDEO, dtype=torch.bool)
    mask[1, M_AUDIO:] = False
    with torch.no_grad():
        got = model(raw, mask=mask)
        alone = [model({n: x[:1] for n, x in raw.items()}), model({"audio": raw["audio"][1:]})]
    torch.testing.assert_close(got, torch.cat(alone), atol=1e-5, rtol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_examples_with_different_modalities_give_the_logits_they_give_alone(data):
    """Some examples of a batch have both modalities, others lack one."""
    size = data.draw(st.integers(1, 4))
    which = st.sampled_from([(True, True), (True, False), (False, True)])
    present = torch.tensor(data.draw(st.lists(which, min_size=size, max_size=size)))
    model, raw = classifier(), batch(size, seed=1)
    mixed = dict(raw)
    for column, name in enumerate(("audio", "video")):
        mixed[f"{name}.present"] = present[:, column]
        mixed[name] = raw[name].clone()
        mixed[name][~present[:, column]] = data.draw(st.sampled_from([0.0, 1e6]))
    with torch.no_grad():
        got = model(mixed)
        for row in range(size):
            names = [name for name in raw if mixed[f"{name}.present"][row]]
            alone = model({name: raw[name][row : row + 1] for name in names})
            torch.testing.assert_close(got[row : row + 1], alone, atol=1e-5, rtol=1e-5)
    inputs = model.adapter(mixed)
    assert inputs.position.shape[0] == 1
    sizes = [M_AUDIO] * size, [M_VIDEO] * size
    assert inputs.mask.sum(1).tolist() == (torch.tensor(sizes).T * present).sum(1).tolist()


def test_values_of_a_missing_part_have_no_gradient_and_no_effect():
    raw = {**batch(2), "audio.present": torch.tensor([True, False])}
    model = classifier()
    raw["audio"].requires_grad_()
    model(raw).square().sum().backward()
    assert raw["audio"].grad[0].any()
    assert not raw["audio"].grad[1].any()
    others = dict(raw, audio=raw["audio"].detach().clone())
    others["audio"][1] = torch.nan
    with torch.no_grad():
        assert torch.equal(model(others), model(raw))


def test_masks_of_parts_and_missing_parts_are_combined():
    model = classifier(text=TextConfig(max_length=4, embedding_dim=6), audio=AudioConfig(**AUDIO))
    ids = torch.tensor([[70, 71, 72, 73], [70, 71, 0, 0], [70, 0, 0, 0]])
    raw = {
        "text": ids,
        "text.present": torch.tensor([True, True, False]),
        "audio": torch.randn(3, 12),
        "audio.present": torch.tensor([True, False, True]),
    }
    alone = [
        {"text": ids[:1], "audio": raw["audio"][:1]},
        {"text": ids[1:2, :2]},
        {"audio": raw["audio"][2:]},
    ]
    with torch.no_grad():
        got, expected = model(raw), torch.cat([model(one) for one in alone])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert model.adapter(raw).mask.sum(1).tolist() == [4 + 3, 2, 3]


def masked_parts(adapter, raw):
    """Whether each example has its audio, and its video, masked, (B, 2)."""
    inputs = adapter(raw)
    if inputs.mask is None:
        return torch.zeros(len(inputs.content), 2, dtype=torch.bool)
    audio, video = inputs.mask[:, :M_AUDIO], inputs.mask[:, M_AUDIO:]
    for part in (audio, video):
        assert (part.any(1) == part.all(1)).all()
    return torch.stack([~audio.any(1), ~video.any(1)], dim=1)


def test_modalities_are_dropped_in_training_only():
    """arXiv 2103.03206v2, §4.2: the whole video with probability 0.3."""
    adapter, raw = fusion(dropout={"video": 0.3}), batch(2000)
    torch.manual_seed(0)
    masked = masked_parts(adapter, raw)
    assert not masked[:, 0].any()
    assert masked[:, 1].float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(masked_parts(adapter, raw), masked)
    torch.manual_seed(0)
    assert torch.equal(masked_parts(adapter, raw), masked)
    adapter.eval()
    assert adapter(raw).mask is None
    assert fusion(dropout={"video": 0.0})(raw).mask is None


def test_no_example_loses_all_modalities():
    adapter, raw = fusion(dropout={"audio": 0.5, "video": 0.9}), batch(2000)
    torch.manual_seed(0)
    masked = masked_parts(adapter, raw).float()
    assert not masked.all(dim=1).any()
    # The 0.45 of the examples that would have lost both lose nothing.
    assert masked.mean(0).tolist() == pytest.approx([0.5 * 0.1, 0.9 * 0.5], abs=0.03)
    raw["audio.present"] = torch.arange(2000) % 2 == 0
    torch.manual_seed(0)
    masked = masked_parts(adapter, raw)
    assert not masked[1::2, 1].any()  # these examples have only video
    assert masked[1::2, 0].all()
    assert masked[::2, 1].float().mean().item() == pytest.approx(0.45, abs=0.04)
    assert not masked_parts(adapter, {"video": raw["video"]})[:, 1].any()


def test_constants_are_measured_on_the_examples_that_have_a_part():
    adapter, raw = fusion(), batch(3)
    raw["audio.present"] = torch.tensor([True, False, True])
    measured = adapter.values_to_normalise(raw)
    assert measured["audio"].shape[-1] == 1  # channels
    assert torch.equal(measured["audio"].flatten(), raw["audio"][[0, 2]].flatten())
    assert torch.equal(measured["video"], raw["video"])
    raw["audio.present"][:] = False
    assert set(adapter.values_to_normalise(raw)) == {"video"}


def test_a_missing_part_beside_positions_per_example():
    model = classifier(points=PointsConfig(num_points=5, num_bands=1), audio=AudioConfig(**AUDIO))
    raw = {"points": torch.rand(2, 5, 3), "audio": torch.randn(2, 12)}
    mask = torch.arange(8).expand(2, -1) < 5
    with torch.no_grad():
        expected = model(raw, mask=mask)
        got = model({"points": raw["points"]})
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
