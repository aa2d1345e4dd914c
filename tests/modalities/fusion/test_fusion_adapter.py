"""The adapter of several modalities in one input array."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import AUDIO, M_AUDIO, M_VIDEO, batch, classifier, fusion

from perceivers.modalities.fusion.adapter import FusionAdapter
from perceivers.modalities.image.adapter import ImageAdapter
from perceivers.modalities.points.adapter import PointAdapter
from perceivers.modalities.sound.adapter import AudioAdapter
from perceivers.modalities.video.adapter import VideoAdapter


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.booleans())
def test_elements_are_content_position_and_embedding(size, embedding_dim, video_first):
    adapter = fusion(min_embedding_dim=embedding_dim)
    raw = batch(size)
    got = adapter(
        dict(reversed(raw.items())) if video_first else raw
    )  # the order of the dictionary does not matter
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
    """arXiv 2103.03206v2, §4.2: 4 channels of embedding for video, audio padded to its width."""
    adapter = FusionAdapter({"audio": AudioAdapter(), "video": VideoAdapter()})
    assert adapter.embeddings["video"].shape == (4,)
    assert adapter.dim == 384 + 3 * 129 + 4 == 128 + 129 + len(adapter.embeddings["audio"])
    assert adapter.num_inputs == 480 + 12_544


def test_parts_with_positions_per_example_without_positions_and_with_added_ones():
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


def test_embeddings_change_the_output_and_are_learned():
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
            "the batch has none of the modalities; expected one or more of audio",
        ),
        ({"audio": torch.zeros(3, 12)}, "batch sizes disagree: {'audio': 3, 'video': 2}"),
        ({"audio": torch.zeros(2, 5, 5)}, "audio batch has shape"),
        ({"vidoe.present": torch.ones(2)}, "unknown modality 'vidoe'; did you mean 'video'"),
        (
            {"audio.present": torch.ones(2)},
            "audio.present is torch.float32 of shape .2,.; exp",
        ),
        ({"audio.present": torch.ones(3, dtype=torch.bool)}, r"of shape .3,.; expected .* .2,."),
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
        ({"get": AudioAdapter(**AUDIO)}, {}, "cannot be called 'get'"),
        ({"audio": AudioAdapter(**AUDIO)}, {"min_embedding_dim": 0}, "expected at least 1"),
        (
            {"audio": AudioAdapter(**AUDIO)},
            {"dropout": {"audoi": 0.1}},
            "modality 'audoi'; did you mean 'audio'",
        ),
        (
            {"audio": AudioAdapter(**AUDIO)},
            {"dropout": {"audio": 1.0}},
            "dropout of audio is 1.0; expected at least 0 and less than 1",
        ),
    ],
)
def test_impossible_arguments(parts, options, message):
    with pytest.raises(ValueError, match=message):
        FusionAdapter(parts, **options)
