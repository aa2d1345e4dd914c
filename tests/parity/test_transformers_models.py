"""DeepMind's published models in transformers: outputs, gradients, masks and sizes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from PIL import Image
from transformers.models.perceiver.modeling_perceiver import generate_fourier_features
from transformers_models import (
    CLASSES,
    TEXT,
    VISION,
    assert_close,
    batches,
    flat,
    their_inputs,
    theirs_of,
)

import perceivers
from perceivers.interop import from_transformers, to_transformers
from perceivers.interop.transformers_names import UNUSED, names_of, split_state
from perceivers.modalities import build_reader
from perceivers.modalities.text.decode import encode
from perceivers.models.build import build_on_meta
from perceivers.models.presets import PRESETS


@pytest.mark.parametrize("name", CLASSES)
def test_outputs_and_gradients(name):
    theirs = theirs_of(name)
    ours = from_transformers(theirs)
    names = names_of(type(theirs).__name__, dict(ours.named_parameters()))
    trained = dict(theirs.named_parameters())
    assert set(names.values()) == set(split_state(trained))
    for x in batches(name, ours):
        result = flat(theirs(**their_inputs(ours, x)).logits)
        assert_close(flat(ours(x)), result)
        hidden = theirs.perceiver(**their_inputs(ours, x)).last_hidden_state
        torch.testing.assert_close(ours.encode(x), hidden, atol=1e-4, rtol=1e-4)
        weights = torch.randn(result.shape) / result[0].numel() ** 0.5
        expected = torch.autograd.grad(
            (result * weights).sum(), list(trained.values()), materialize_grads=True
        )
        expected = split_state(dict(zip(trained, expected, strict=True)))
        ours.zero_grad()
        (flat(ours(x)) * weights).sum().backward()
        for own, parameter in ours.named_parameters():
            got = expected[names[own]].reshape(parameter.shape)
            torch.testing.assert_close(
                parameter.grad, got, atol=1e-3, rtol=1e-3, msg=lambda m, n=own: f"{n}: {m}"
            )


def test_multimodal_outputs_in_float64():
    theirs = theirs_of("MultimodalAutoencoding")
    ours = from_transformers(theirs).double()
    x = {
        name: part.double() for name, part in next(batches("MultimodalAutoencoding", ours)).items()
    }
    with torch.no_grad():
        result = flat(theirs.double()(**their_inputs(ours, x)).logits)
        torch.testing.assert_close(flat(ours(x)), result, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["OpticalFlow", "ImageClassificationFourier"])
def test_attention_as_wide_as_the_queries(name):
    values = {**CLASSES[name][0], "cross_attention_shape_for_attention": "q"}
    theirs = theirs_of(name, values)
    ours = from_transformers(theirs)
    x = next(batches(name, ours))
    result = theirs(**their_inputs(ours, x)).logits
    torch.testing.assert_close(ours(x), result, atol=1e-4, rtol=1e-4)
    back = to_transformers(ours).state_dict()
    assert all(torch.equal(back[weight], t) for weight, t in theirs.state_dict().items())


@pytest.mark.parametrize("name", VISION)
def test_attention_mask(name):
    theirs = theirs_of(name)
    ours = from_transformers(theirs)
    x = next(batches(name, ours))
    elements = ours.elements(x).content.shape[1]
    mask = torch.arange(elements) < torch.tensor([[elements], [elements // 3]])
    result = theirs(**their_inputs(ours, x), attention_mask=mask.long())
    torch.testing.assert_close(ours(x, mask), result.logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CLASSES)
def test_there_and_back(name):
    theirs = theirs_of(name)
    back = to_transformers(from_transformers(theirs))
    for weight, tensor in theirs.state_dict().items():
        if weight in UNUSED:
            continue
        assert torch.equal(back.state_dict()[weight], tensor), weight


@pytest.mark.parametrize("name", [name for name, (_, preset) in CLASSES.items() if preset])
def test_preset_is_the_configuration_of_the_published_model(name):
    preset = PRESETS[CLASSES[name][1]]()
    ours = build_on_meta(preset)
    with torch.device("meta"):
        back = to_transformers(ours)
        again = from_transformers(back).config
    assert again == preset
    count = sum(p.numel() for p in ours.parameters())
    assert count == sum(p.numel() for n, p in back.named_parameters() if n not in UNUSED)


PUBLISHED = {  # millions of parameters, arXiv 2107.14795, Tables 7, 11, 16 and 17
    "perceiver-io-imagenet-fourier": 48.4,
    "perceiver-io-imagenet-learned": 62.3,
    "perceiver-io-imagenet-conv": 48.6,
    "perceiver-io-language": 201.1,
    "perceiver-io-kinetics": 19.9,  # 20.0 in the paper
    "perceiver-io-flow": 41.1,  # 27.9 in the paper, and 41.1 in the published weights
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_published_size(preset):
    model = build_on_meta(PRESETS[preset]())
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == PUBLISHED[preset]


def test_published_size_with_an_average_in_place_of_the_decoder():
    model = build_on_meta(PRESETS["perceiver-io-imagenet-fourier"]())
    parts = (model.perceiver, model.head)
    assert round(sum(p.numel() for m in parts for p in m.parameters()) / 1e6, 1) == 42.1


def test_each_example_has_its_own_positions_and_not_those_of_the_first():
    coordinates = torch.rand(2, 5, 2) * 2 - 1
    theirs = generate_fourier_features(coordinates, num_bands=3, max_resolution=(8, 8))
    ours = perceivers.fourier_features(coordinates, num_bands=3, max_resolution=(8, 8))
    torch.testing.assert_close(ours[0], theirs[0])
    assert torch.equal(theirs[1, :, 2:], theirs[0, :, 2:])  # the fault
    alone = perceivers.fourier_features(coordinates[1:], num_bands=3, max_resolution=(8, 8))
    assert torch.equal(ours[1:], alone)


def test_outputs_are_as_long_as_the_text_and_so_may_be_labels():
    theirs = theirs_of("MaskedLM")
    ours = from_transformers(theirs)
    ids = torch.tensor([[70, 71, 72, 73], [80, 81, 82, 0]])
    result = theirs(inputs=ids, attention_mask=(ids != 0).long()).logits
    assert result.shape[1] == 9  # the fault: as many as there are positions
    logits = ours(ids)
    assert logits.shape == (2, 4, 262)
    torch.testing.assert_close(logits, result[:, :4], atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match="batch_size"):  # the fault: labels must be padded
        theirs(inputs=ids, attention_mask=(ids != 0).long(), labels=ids)
    assert F.cross_entropy(logits.flatten(0, 1), ids.flatten(), ignore_index=0).isfinite()


def test_chunked_decoding_of_a_model_equals_decoding_at_once():
    ours = from_transformers(theirs_of("MaskedLM"))
    ids = torch.randint(6, 262, (2, 9))
    torch.testing.assert_close(ours(ids, chunk_size=4), ours(ids, chunk_size=None))
    inputs = ours.elements(ids)
    latents, queries = ours.encode(ids), ours.output.queries(inputs)
    some = ours.decode(latents, queries.at(torch.tensor([7, 2])))
    torch.testing.assert_close(some, ours(ids)[:, [7, 2]])


def test_text_longer_than_the_positions_is_refused():
    with pytest.raises(ValueError, match="10 bytes long; this model reads up to 9"):
        from_transformers(theirs_of("MaskedLM"))(torch.full((1, 10), 70))


def test_ids_of_bytes_are_those_of_the_tokenizer():
    texts = ["a Perceiver reads bytes", "Bär 日本 🙂", ""]
    tokenizer = transformers.PerceiverTokenizer()
    for text in texts:
        expected = tokenizer(text, add_special_tokens=False).input_ids
        assert encode([text], 2048)[0].tolist() == (expected or [tokenizer.pad_token_id])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, (_, preset) in CLASSES.items() if preset])
@torch.no_grad()
def test_published_size_gives_equal_outputs(name):
    preset = PRESETS[CLASSES[name][1]]()
    with torch.device("meta"):
        values = to_transformers(build_on_meta(preset)).config.to_dict()
    theirs = theirs_of(name, values)
    for parameter in theirs.parameters():  # as a trained model's, so that nothing overflows
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.03)
    ours = from_transformers(theirs)
    assert ours.config == preset
    x = torch.randint(6, 262, (1, 2048)) if name in TEXT else torch.rand(1, 224, 224, 3)
    if name == "OpticalFlow":
        x = torch.rand(1, 2, 368, 496, 3)
    if name == "MultimodalAutoencoding":  # a run of pixels and samples: 804,721 outputs take long
        check_a_part_of_all_outputs(ours, theirs)
        return
    result = theirs(**their_inputs(ours, x)).logits
    assert result.std() > 0.01
    torch.testing.assert_close(ours(x), result, atol=1e-4, rtol=1e-4)


def check_a_part_of_all_outputs(ours, theirs):
    x = {"audio": torch.randn(1, 30_720), "video": torch.rand(1, 16, 224, 224, 3)}
    some = {"audio": torch.arange(300, 400), "video": torch.arange(400_000, 402_000)}
    inputs = their_inputs(ours, x)
    points = {"audio": some["audio"], "image": some["video"], "label": None}
    result = theirs(**{**inputs, "subsampled_output_points": points}).logits
    queries = ours.output.queries(None)
    asked = {name: queries[name].at(index) for name, index in some.items()}
    out = ours.decode(ours.encode(x), {**asked, "label": queries["label"]})
    for name, other in (("audio", "audio"), ("video", "image"), ("label", "label")):
        assert result[other].std() > 0.001
        torch.testing.assert_close(
            out[name].flatten(1), result[other].flatten(1), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("size", [(300, 400), (224, 224), (97, 53)], ids=str)
def test_images_are_prepared_as_by_the_processor_of_the_library(size, tmp_path):
    from transformers.models.perceiver.image_processing_pil_perceiver import (
        PerceiverImageProcessorPil,
    )

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    values = PerceiverImageProcessorPil()(Image.fromarray(pixels), return_tensors="pt")
    ours = from_transformers(theirs_of("ImageClassificationFourier"))
    example = build_reader(ours.config.input).decode(tmp_path / "x.png")
    prepared = ours.adapter.normalise(torch.from_numpy(example.copy())).movedim(-1, 0)
    torch.testing.assert_close(prepared, values.pixel_values[0], atol=1e-5, rtol=1e-5)
