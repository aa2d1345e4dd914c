"""Several modalities in one array."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perceivers.adapters.audio import AudioAdapter
from perceivers.adapters.fusion import FusionAdapter
from perceivers.adapters.image import ImageAdapter
from perceivers.adapters.points import PointAdapter
from perceivers.adapters.video import VideoAdapter
from perceivers.models.build import build
from perceivers.models.config import ModelConfig
from perceivers.models.inputs import (
    AudioConfig,
    FusionConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
)

AUDIO = {"num_samples": 12, "patch_size": 4, "num_bands": 2}
VIDEO = {"num_frames": 2, "image_size": 4, "patch_size": 2, "num_bands": 2}
M_AUDIO, M_VIDEO = 3, 4


def fusion(**options):
    torch.manual_seed(0)
    return FusionAdapter(
        {"audio": AudioAdapter(**AUDIO), "video": VideoAdapter(**VIDEO)}, **options
    )


def batch(size=2, seed=0):
    torch.manual_seed(seed)
    return {"audio": torch.randn(size, 12), "video": torch.randn(size, 2, 4, 4, 3)}


def classifier(**parts):
    torch.manual_seed(0)
    parts = parts or {"audio": AudioConfig(**AUDIO), "video": VideoConfig(**VIDEO)}
    model = build(
        ModelConfig(
            num_classes=3,
            input=FusionConfig(parts=parts),
            num_latents=4,
            latent_dim=16,
            cross_order=(0, 1),
            block_order=(0, 1),
            num_layers_per_block=1,
            num_self_heads=2,
        )
    )
    torch.nn.init.normal_(model.head.weight)
    return model.eval()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.booleans())
def test_elements_are_content_position_and_embedding(size, embedding_dim, video_first):
    adapter = fusion(min_embedding_dim=embedding_dim)
    raw = batch(size)
    got = adapter(
        dict(reversed(raw.items())) if video_first else raw
    )  # the order given is no matter
    parts = {name: adapter.parts[name](raw[name]) for name in raw}
    widest = max(part.dim for part in parts.values())
    assert adapter.dim == got.dim == widest + embedding_dim
    expected = [
        torch.cat(
            [
                part.content,
                part.dense_position.expand(size, -1, -1),
                adapter.embeddings[name].expand(size, part.content.shape[1], -1),
            ],
            dim=-1,
        )
        for name, part in parts.items()
    ]
    assert torch.equal(got.joined(), torch.cat(expected, dim=1))
    assert torch.equal(got.content[:, :M_AUDIO, :4], parts["audio"].content)
    assert not got.content[:, :M_AUDIO, 4:].any()
    assert got.position.shape[0] == 1
    assert got.mask is None
    assert adapter.num_inputs == M_AUDIO + M_VIDEO == got.content.shape[1]


def test_the_papers_widths():
    """arXiv 2103.03206v2, §4.2: a 4-d embedding for video, audio filled up to the same width."""
    adapter = FusionAdapter({"audio": AudioAdapter(), "video": VideoAdapter()})
    assert adapter.embeddings["video"].shape == (4,)
    assert adapter.dim == 384 + 3 * 129 + 4 == 128 + 129 + len(adapter.embeddings["audio"])
    assert adapter.num_inputs == 480 + 12_544


def test_positions_of_each_example_and_parts_without_or_with_added_positions():
    parts = {
        "points": PointAdapter(channels=5, num_bands=1),
        "audio": AudioAdapter(num_samples=4, patch_size=2, position="none"),
        "image": ImageAdapter(
            image_size=2, position="learned", position_dim=3, projection_dim=3, fusion="add"
        ),
    }
    raw = {
        "points": torch.rand(2, 5, 5),
        "audio": torch.rand(2, 4),
        "image": torch.rand(2, 2, 2, 3),
    }
    adapter = FusionAdapter(parts)
    got = adapter(raw)
    assert got.position.shape == (2, 5 + 2 + 4, 5 + 9 + 4)
    joined = {name: part(raw[name]).joined() for name, part in parts.items()}
    start = 0
    for name, elements in joined.items():
        end = start + elements.shape[1]
        torch.testing.assert_close(got.joined()[:, start:end, : elements.shape[2]], elements)
        rest = got.joined()[:, start:end, elements.shape[2] :]
        assert torch.equal(rest, adapter.embeddings[name].expand_as(rest))
        start = end


@pytest.mark.parametrize("gone", ["audio", "video"])
@pytest.mark.parametrize("how", ["absent", "none"])
def test_a_missing_modality_is_a_masked_one(gone, how):
    model, raw = classifier(), batch()
    elements = {"audio": slice(0, M_AUDIO), "video": slice(M_AUDIO, None)}[gone]
    mask = torch.ones(2, M_AUDIO + M_VIDEO, dtype=torch.bool)
    mask[:, elements] = False
    without = {name: x for name, x in raw.items() if name != gone}
    if how == "none":
        without[gone] = None
    with torch.no_grad():
        got = model(without)
        torch.testing.assert_close(got, model(raw, mask=mask), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(got, model(raw), atol=1e-3)
        # A mask of the user's adds to the adapter's own.
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
def test_each_example_with_its_own_modalities_as_if_alone(data):
    """A mix of examples that have all, and that lack one: the logits of each by itself."""
    size = data.draw(st.integers(1, 4))
    which = st.sampled_from([(True, True), (True, False), (False, True)])
    there = torch.tensor(data.draw(st.lists(which, min_size=size, max_size=size)))
    model, raw = classifier(), batch(size, seed=1)
    mixed = dict(raw)
    for column, name in enumerate(("audio", "video")):
        mixed[f"{name}.there"] = there[:, column]
        mixed[name] = raw[name].clone()
        mixed[name][~there[:, column]] = data.draw(st.sampled_from([0.0, 1e6]))
    with torch.no_grad():
        got = model(mixed)
        for row in range(size):
            names = [name for name in raw if mixed[f"{name}.there"][row]]
            alone = model({name: raw[name][row : row + 1] for name in names})
            torch.testing.assert_close(got[row : row + 1], alone, atol=1e-5, rtol=1e-5)
    inputs = model.adapter(mixed)
    assert inputs.position.shape[0] == 1
    sizes = [M_AUDIO] * size, [M_VIDEO] * size
    assert inputs.mask.sum(1).tolist() == (torch.tensor(sizes).T * there).sum(1).tolist()


def test_what_lies_at_a_missing_part_has_no_gradient_and_no_effect():
    raw = {**batch(2), "audio.there": torch.tensor([True, False])}
    model = classifier()
    raw["audio"].requires_grad_()
    model(raw).square().sum().backward()
    assert raw["audio"].grad[0].any()
    assert not raw["audio"].grad[1].any()
    others = dict(raw, audio=raw["audio"].detach().clone())
    others["audio"][1] = torch.nan
    with torch.no_grad():
        assert torch.equal(model(others), model(raw))


def test_a_mask_of_the_part_and_what_is_missing():
    model = classifier(text=TextConfig(max_length=4, embedding_dim=6), audio=AudioConfig(**AUDIO))
    ids = torch.tensor([[70, 71, 72, 73], [70, 71, 0, 0], [70, 0, 0, 0]])
    raw = {
        "text": ids,
        "text.there": torch.tensor([True, True, False]),
        "audio": torch.randn(3, 12),
        "audio.there": torch.tensor([True, False, True]),
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


def hidden(adapter, raw):
    """Of each example, whether all of its sound, and of its video, is masked."""
    inputs = adapter(raw)
    if inputs.mask is None:
        return torch.zeros(len(inputs.content), 2, dtype=torch.bool)
    audio, video = inputs.mask[:, :M_AUDIO], inputs.mask[:, M_AUDIO:]
    for part in (audio, video):
        assert (part.any(1) == part.all(1)).all()
    return torch.stack([~audio.any(1), ~video.any(1)], dim=1)


def test_modalities_are_dropped_in_training_only():
    """arXiv 2103.03206v2, §4.2: the whole video, at a probability of 0.3."""
    adapter, raw = fusion(dropout={"video": 0.3}), batch(2000)
    torch.manual_seed(0)
    gone = hidden(adapter, raw)
    assert not gone[:, 0].any()
    assert gone[:, 1].float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert not torch.equal(hidden(adapter, raw), gone)
    torch.manual_seed(0)
    assert torch.equal(hidden(adapter, raw), gone)
    adapter.eval()
    assert adapter(raw).mask is None
    assert fusion(dropout={"video": 0.0})(raw).mask is None


def test_nobody_loses_all_modalities():
    adapter, raw = fusion(dropout={"audio": 0.5, "video": 0.9}), batch(2000)
    torch.manual_seed(0)
    gone = hidden(adapter, raw).float()
    assert not gone.all(dim=1).any()
    # 0.45 would have lost both and lost nothing.
    assert gone.mean(0).tolist() == pytest.approx([0.5 * 0.1, 0.9 * 0.5], abs=0.03)
    raw["audio.there"] = torch.arange(2000) % 2 == 0
    torch.manual_seed(0)
    gone = hidden(adapter, raw)
    assert not gone[1::2, 1].any()  # nothing but pictures there
    assert gone[1::2, 0].all()
    assert gone[::2, 1].float().mean().item() == pytest.approx(0.45, abs=0.04)
    assert not hidden(adapter, {"video": raw["video"]})[:, 1].any()


def test_constants_are_measured_where_a_part_is():
    adapter, raw = fusion(), batch(3)
    raw["audio.there"] = torch.tensor([True, False, True])
    measured = adapter.measured(raw)
    assert torch.equal(measured["audio"], raw["audio"][[0, 2]])
    assert torch.equal(measured["video"], raw["video"])
    raw["audio.there"][:] = False
    assert set(adapter.measured(raw)) == {"video"}


def test_missing_points_beside_positions_of_each_example():
    model = classifier(points=PointsConfig(num_points=5, num_bands=1), audio=AudioConfig(**AUDIO))
    raw = {"points": torch.rand(2, 5, 3), "audio": torch.randn(2, 12)}
    mask = torch.arange(8).expand(2, -1) < 5
    with torch.no_grad():
        expected = model(raw, mask=mask)
        got = model({"points": raw["points"]})
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_embeddings_tell_modalities_apart_and_are_learned():
    model, raw = classifier(), batch()
    model(raw).sum().backward()
    before = model(raw)
    for name, embedding in model.adapter.embeddings.items():
        assert embedding.grad.any(), name
        with torch.no_grad():
            embedding += torch.linspace(-1, 1, len(embedding))
        after = model(raw)
        assert not torch.allclose(before, after, atol=1e-4), name
        before = after


def test_normalisation_by_part():
    adapter, raw = fusion(), batch()
    adapter.set_normalisation({"audio": torch.tensor([1.0])}, {"audio": torch.tensor([2.0])})
    got = adapter(raw).content[:, :M_AUDIO, :4]
    torch.testing.assert_close(got, (raw["audio"].reshape(2, M_AUDIO, 4) - 1) / 2)
    assert torch.equal(adapter.parts["video"].mean, torch.zeros(3))
    with pytest.raises(ValueError, match="unknown modality 'sound'"):
        adapter.set_normalisation({"sound": torch.zeros(1)}, {"sound": torch.ones(1)})


def test_fusions_nest():
    inner, raw = fusion(), batch()
    outer = FusionAdapter({"av": inner, "points": PointAdapter(num_bands=1)}, min_embedding_dim=2)
    got = outer({"av": raw, "points": torch.rand(2, 6, 3)})
    assert got.content.shape == (2, M_AUDIO + M_VIDEO + 6, inner.dim + 2)
    torch.testing.assert_close(
        got.joined()[:, : M_AUDIO + M_VIDEO, : inner.dim], inner(raw).joined()
    )
    masked = outer({"av": {"audio": raw["audio"]}, "points": torch.rand(2, 6, 3)}).mask
    assert masked[0].tolist() == [True] * M_AUDIO + [False] * M_VIDEO + [True] * 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vidoe": torch.zeros(2, 2, 4, 4, 3)}, "unknown modality 'vidoe'; did you mean 'video'"),
        (
            {"audio": None, "video": None},
            "the batch has no modality; expected one or more of audio",
        ),
        ({"audio": torch.zeros(3, 12)}, "batch sizes disagree: {'audio': 3, 'video': 2}"),
        ({"audio": torch.zeros(2, 5, 5)}, "audio batch has shape"),
        ({"vidoe.there": torch.ones(2)}, "unknown modality 'vidoe'; did you mean 'video'"),
        ({"audio.there": torch.ones(2)}, "audio.there is torch.float32 of shape .2,.; expected"),
        ({"audio.there": torch.ones(3, dtype=torch.bool)}, r"of shape .3,.; expected .* .2,."),
    ],
)
def test_batches_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        fusion()({**batch(), **change})


def test_a_batch_of_one_tensor():
    with pytest.raises(ValueError, match="got a Tensor; expected a dictionary .* audio, video"):
        fusion()(torch.zeros(2, 12))


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        ({}, {}, "no parts"),
        ({"left.ear": AudioAdapter(**AUDIO)}, {}, "cannot be called 'left.ear'"),
        ({"keys": AudioAdapter(**AUDIO)}, {}, "cannot be called 'keys'"),
        ({"audio": AudioAdapter(**AUDIO)}, {"min_embedding_dim": 0}, "expected at least 1"),
        (
            {"audio": AudioAdapter(**AUDIO)},
            {"dropout": {"audoi": 0.1}},
            "modality 'audoi'; did you mean 'audio'",
        ),
        (
            {"audio": AudioAdapter(**AUDIO)},
            {"dropout": {"audio": 1.0}},
            "dropout of audio=1.0; expected 0 or more, and less than 1",
        ),
    ],
)
def test_impossible_arguments(parts, options, message):
    with pytest.raises(ValueError, match=message):
        FusionAdapter(parts, **options)
