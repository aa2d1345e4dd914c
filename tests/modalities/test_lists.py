"""Lists of examples of different sizes: each example has the outputs that it has alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import AUDIO, VIDEO, tiny_classifier

from perceivers.core import AxialPosition, LayerOptions, layers
from perceivers.core.separable import SeparableGrid
from perceivers.core.sources import ChunkedKeyValues, StoredKeyValues
from perceivers.modalities import (
    ArrayConfig,
    AudioConfig,
    FusionConfig,
    ImageConfig,
    MelConfig,
    PointsConfig,
    TextConfig,
    VideoConfig,
)

CLOSE = {"rtol": 0, "atol": 1e-5}
MEL = {"sample_rate": 8000, "n_fft": 40, "hop_length": 20, "n_mels": 3, "num_bands": 2}

CONFIGS = {
    "image": ImageConfig(image_size=6, num_bands=3),
    "patches": ImageConfig(image_size=8, patch_size=4, patch_stride=2, projection_dim=5),
    "audio": AudioConfig(**AUDIO),
    "mel": MelConfig(num_samples=160, patch_frames=2, **MEL),
    "video": VideoConfig(**VIDEO),
    "points": PointsConfig(num_points=8, channels=4, num_bands=3),
    "text": TextConfig(max_length=20, embedding_dim=6),
    "n-grams": TextConfig(max_length=20, embedding_dim=6, ngrams=(2, 3), ngram_rows=32),
    "fusion": FusionConfig(parts={"audio": AudioConfig(**AUDIO), "video": VideoConfig(**VIDEO)}),
}
MODELS = {name: tiny_classifier(config) for name, config in CONFIGS.items()}


def example(kind, *sizes):
    """Return a random example with about these numbers of elements along up to three axes."""
    a, b, c = sizes
    if kind == "image":
        return torch.randint(0, 256, (a, b, 3), dtype=torch.uint8)
    if kind == "patches":
        return torch.randint(0, 256, (2 * a, 2 * b, 3), dtype=torch.uint8)
    if kind == "audio":
        return torch.randn(4 * a, 1)
    if kind == "mel":
        return torch.randn(40 * a + b)  # b samples more than needed for whole patches
    if kind == "video":
        return torch.randn(2 * a, 2 * b, 2 * c, 3)
    if kind == "points":
        return 2 * torch.rand(a * b, 4) - 1
    return torch.randint(6, 262, (a * b - 1,))  # a text, possibly empty


def random_batch(kind, sizes):
    """Return a list of random examples, and a batch of one for each of them."""
    torch.manual_seed(len(sizes))
    if kind != "fusion":
        examples = [example(kind, *size) for size in sizes]
        return examples, [x[None] for x in examples]
    parts = {name: [example(name, *size) for size in sizes] for name in ("audio", "video")}
    present = torch.rand(len(sizes)) < 0.7
    alone = [
        {name: xs[i][None] for name, xs in parts.items() if name == "audio" or present[i]}
        for i in range(len(sizes))
    ]
    return {**parts, "video.present": present}, alone


sizes_of_examples = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=5
)


@pytest.mark.parametrize("kind", CONFIGS)
@settings(max_examples=15)
@given(sizes=sizes_of_examples)
def test_outputs_equal_those_of_each_example_alone(kind, sizes):
    model = MODELS[kind]
    batch, alone = random_batch(kind, sizes)
    with torch.no_grad():
        torch.testing.assert_close(model(batch), torch.cat([model(x) for x in alone]), **CLOSE)


@pytest.mark.parametrize("kind", ["image", "mel", "text", "fusion"])
def test_gradients_equal_those_of_each_example_alone(kind):
    model = MODELS[kind]
    batch, alone = random_batch(kind, [(1, 1, 1), (3, 2, 1), (2, 3, 2), (3, 2, 1)])
    got = gradients(model, model(batch).square().sum())
    expected = gradients(model, sum(model(x).square().sum() for x in alone))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def gradients(model, loss):
    """Return the gradients of all weights as one vector."""
    weights = list(model.parameters())
    grads = torch.autograd.grad(loss, weights, materialize_grads=True)
    return torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("kind", ["image", "audio", "mel", "video", "points"])
def test_examples_of_equal_size_need_no_mask(kind):
    examples = [example(kind, 2, 3, 1) for _ in range(3)]
    adapter = MODELS[kind].adapter
    got, expected = adapter(examples), adapter(torch.stack(examples))
    assert got.mask is None
    assert type(got.position) is type(expected.position)
    assert torch.equal(got.joined(), expected.joined())


def test_each_example_has_its_own_positions():
    adapter = MODELS["image"].adapter
    images = [example("image", 2, 3, 1), example("image", 3, 1, 1), example("image", 2, 3, 1)]
    got = adapter(images)
    assert got.content.shape[:2] == got.position.shape[:2] == (3, 6)
    assert got.mask.sum(1).tolist() == [6, 3, 6]
    for i, image in enumerate(images):
        alone = adapter(image[None])
        elements = alone.content.shape[1]
        assert torch.equal(got.content[i, :elements], alone.content[0])
        assert torch.equal(got.position[i, :elements], alone.dense_position[0])
        assert not got.content[i, elements:].any()
    transposed = adapter([images[0], images[0].permute(1, 0, 2)])  # as many, other positions
    assert transposed.mask is None
    assert not torch.equal(*transposed.position)
    scaled = adapter([images[0], images[0] / 255])  # as many, equal positions
    assert isinstance(scaled.position, AxialPosition)
    torch.testing.assert_close(*scaled.content)


def test_texts_share_their_positions():
    got = MODELS["text"].adapter([torch.tensor([7, 8, 9]), torch.tensor([7])])
    assert got.position.shape == (1, 3, 6)
    assert got.mask.tolist() == [[True, True, True], [True, False, False]]


@pytest.mark.parametrize("source", [SeparableGrid, ChunkedKeyValues])
def test_every_way_of_reading_gives_the_same_outputs(source, monkeypatch):
    """Images of one size form a grid, a list does not; many elements are read in chunks."""
    torch.manual_seed(0)
    model = tiny_classifier(CONFIGS["image"])
    wide = layers.CrossAttend(16, model.adapter.dim, LayerOptions(qk_dim=64))
    model.perceiver.cross_attends[0] = model.perceiver.cross_attends[1] = wide
    images = [torch.randint(0, 256, (*size, 3), dtype=torch.uint8) for size in ((24, 22), (30, 18))]
    one, both = model.adapter(images[0][None]), model.adapter(images)
    if source is ChunkedKeyValues:
        monkeypatch.setattr(layers, "CHUNK_ELEMENTS_ON_CPU", 50)
        monkeypatch.setattr(layers, "MAX_STORED_IN_CPU_TRAINING", 0)
        assert isinstance(wide.source(both), ChunkedKeyValues)
    else:
        assert isinstance(wide.source(both), StoredKeyValues)
        assert isinstance(wide.source(one), SeparableGrid)
    got, expected = model(images), torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(got, expected, **CLOSE)
    grads, expected_grads = gradients(model, got.sum()), gradients(model, expected.sum())
    atol = 1e-5 * float(expected_grads.abs().max())
    torch.testing.assert_close(grads, expected_grads, rtol=0, atol=atol)


def test_learned_positions_need_examples_of_one_size():
    model = tiny_classifier(ImageConfig(image_size=4, position="learned", position_dim=3))
    small, large = torch.rand(4, 4, 3), torch.rand(4, 6, 3)
    torch.testing.assert_close(model([small, small]), model(torch.stack([small, small])), **CLOSE)
    with pytest.raises(ValueError, match="4×6; this model learned positions for 4×4 only: resize"):
        model([small, large])


@pytest.mark.parametrize(
    ("kind", "batch", "message"),
    [
        ("image", [], "the batch is an empty list; expected at least one example"),
        ("image", [[1, 2]], "example 0 of the list is a list; expected tensors"),
        (
            "image",
            [torch.tensor(1.0)],
            "example 0 of the list is a single number",
        ),
        ("image", [torch.rand(2, 2)], r"image batch has shape \(1, 2, 2\)"),
        ("text", [torch.ones(1, 2).long()], r"a text in the list has shape \(1, 2\); expected ids"),
        ("text", [], "empty list"),
        ("fusion", [{}], "got a list; expected a dictionary of raw batches"),
        (
            "fusion",
            {"audio": [torch.rand(4, 1)] * 2, "video": [torch.rand(2, 2, 2, 3)]},
            "batch sizes disagree",
        ),
    ],
)
def test_invalid_lists(kind, batch, message):
    with pytest.raises(ValueError, match=message):
        MODELS[kind](batch)


def test_normalising_constants_of_a_list_use_all_examples():
    for kind in ("image", "mel"):
        adapter = MODELS[kind].adapter
        examples = [example(kind, n, 1, 1) for n in (1, 3)]
        each = [adapter.values_to_normalise(x[None]).flatten(0, -2) for x in examples]
        assert torch.equal(adapter.values_to_normalise(examples), torch.cat(each))
    mono = [torch.ones(4), torch.zeros(8)]  # without a channel axis
    assert MODELS["audio"].adapter.values_to_normalise(mono).shape == (12, 1)
    adapter = MODELS["fusion"].adapter
    batch = {"audio": [torch.ones(4, 1), torch.zeros(8, 1)]}
    flagged = {**batch, "audio.present": torch.tensor([True, False])}
    assert adapter.values_to_normalise(batch)["audio"].shape == (12, 1)
    assert torch.equal(adapter.values_to_normalise(flagged)["audio"], torch.ones(4, 1))


def test_lists_of_arrays_with_many_axes():
    model = tiny_classifier(ArrayConfig(shape=(2, 2, 2, 2), num_bands=1))
    arrays = [torch.rand(1, 2, 3, 1, 1), torch.rand(2, 1, 1, 2, 1)]
    torch.testing.assert_close(
        model(arrays), torch.cat([model(array[None]) for array in arrays]), **CLOSE
    )
