"""Maps of the elements of an example, and the deletion test of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tests.tiny import tiny_classifier

from perceivers.core.layers import SelfAttend
from perceivers.explain import deletion_test, explain_maps, record_attention
from perceivers.explain.maps import k_means, self_attention
from perceivers.modalities.fusion.config import FusionConfig
from perceivers.modalities.image.config import ImageConfig
from perceivers.modalities.table.config import TabularConfig
from perceivers.modalities.text.config import TextConfig
from perceivers.models.build import build
from perceivers.models.config import ModelConfig

LINEAR_TEXT = TextConfig(
    max_length=9, embedding_dim=8, ratio_ngrams=(2,), ratio_words=(1,), ratio_classes=3,
    linear="logistic",
)  # fmt: skip
LINEAR_TABLE = TabularConfig(numeric=("age", "size"), linear="logistic", linear_outputs=3)


def some_linear_model(adapter):
    """Give the linear model of an adapter random weights in place of a fit."""
    torch.nn.init.normal_(adapter.regression.weight)
    if hasattr(adapter.regression, "frequencies"):
        torch.nn.init.ones_(adapter.regression.frequencies)


@pytest.fixture(scope="module")
def model():
    return tiny_classifier(ImageConfig(image_size=6, num_bands=2))


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 6, 6, 3, generator=torch.Generator().manual_seed(0))


def test_maps_are_the_recorded_attention(model, image):
    maps = explain_maps(model, image)
    with record_attention(model) as recorded, torch.no_grad():
        logits = model(image)
    torch.testing.assert_close(maps.outputs, logits[0])
    assert [attention.step for attention in maps.attention] == [0, 1]
    for attention, expected in zip(maps.attention, recorded, strict=True):
        torch.testing.assert_close(attention.mean.values, expected.weights[0].mean((0, 1)))
        content = expected.content.softmax(-1)[0].mean((0, 1))
        torch.testing.assert_close(attention.content.values, content)
    every = [maps.rollout, maps.saliency, *maps.clusters]
    every += [part for a in maps.attention for part in (a.mean, a.content, a.position)]
    for shown in every:
        assert shown.values.shape == (36,)
        assert (shown.values >= 0).all()
        torch.testing.assert_close(shown.values.sum(), torch.ones(()))


def test_rollout_of_one_cross_attend_is_its_attention(image):
    config = ModelConfig(
        input=ImageConfig(image_size=6, num_bands=2), num_latents=4, latent_dim=16,
        cross_order=(0,), block_order=(None,), num_self_heads=2, num_classes=3,
    )  # fmt: skip
    maps = explain_maps(build(config).eval(), image)
    torch.testing.assert_close(maps.rollout.values, maps.attention[0].mean.values)


def test_self_attention_is_what_the_layer_computes(model):
    layer = next(module for module in model.modules() if isinstance(module, SelfAttend))
    z = torch.randn(1, 4, 16)
    attention, x = layer.attention, layer.norm(z)
    values = attention.split_heads(attention.to_v(x))
    read = (self_attention(layer, z) @ values).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention.to_out(read), attention.read_itself(x))


def test_saliency_is_the_gradient_by_finite_differences(model, image):
    model = tiny_classifier(ImageConfig(image_size=6, num_bands=2)).double()
    image = image.double()
    maps = explain_maps(model, image, output=1)
    content = model.elements(image).content
    lengths = []
    for element in (0, 17, 35):
        squared = 0.0
        for channel in range(3):
            step = torch.zeros_like(image)
            step[0, element // 6, element % 6, channel] = 1e-5
            with torch.no_grad():
                difference = (model(image + step) - model(image - step))[0, 1] / 2e-5
            squared += float(difference) ** 2
        lengths.append(squared**0.5)
    assert content.shape == (1, 36, 3)
    got = maps.saliency.values[[0, 17, 35]]
    expected = torch.tensor(lengths)
    torch.testing.assert_close(got / got.sum(), expected / expected.sum(), atol=1e-4, rtol=1e-3)


def test_masked_elements_have_no_share():
    model = tiny_classifier(TextConfig(max_length=9, embedding_dim=8))
    maps = explain_maps(model, torch.tensor([[70, 71, 72, 0, 0]]))
    for shown in (maps.rollout, maps.saliency, maps.attention[0].mean, maps.attention[0].content):
        assert not shown.values[3:].any()
        torch.testing.assert_close(shown.values[:3].sum(), torch.ones(()))


def test_k_means_separates_groups():
    rows = torch.cat([torch.zeros(3, 2), torch.full((4, 2), 5.0), torch.tensor([[9.0, -9.0]] * 2)])
    groups = k_means(rows + torch.rand(9, 2) / 9, 3)
    assert len(set(groups.tolist())) == 3
    for part in (groups[:3], groups[3:7], groups[7:]):
        assert len(set(part.tolist())) == 1


def test_deletion_begins_with_the_output_and_ends_with_all_masked(model, image):
    maps = explain_maps(model, image)
    deletion = deletion_test(model, image, maps.saliency.values, 2)
    with torch.no_grad():
        logits = model(image)
        nothing = model(image, torch.zeros(1, 36, dtype=torch.bool))
    torch.testing.assert_close(deletion.by_map[0], logits.softmax(-1)[0, 2])
    torch.testing.assert_close(deletion.by_map[-1], nothing.softmax(-1)[0, 2])
    torch.testing.assert_close(deletion.at_random[-1], deletion.by_map[-1])


def test_deletion_prefers_a_map_that_points_at_what_matters(model, image):
    with torch.no_grad():
        full = model(image).softmax(-1)[0]
        output = int(full.argmax())
        alone = ~torch.eye(36, dtype=torch.bool)
        without = torch.stack([model(image, mask[None]).softmax(-1)[0, output] for mask in alone])
    matters = (full[output] - without).clamp(min=0)
    good = deletion_test(model, image, matters, output)
    bad = deletion_test(model, image, matters.max() - matters, output)
    assert good.area < bad.area
    assert good.random_area == bad.random_area


def test_deletion_counts_only_elements_that_are_there():
    model = tiny_classifier(TextConfig(max_length=9, embedding_dim=8))
    ids = torch.tensor([[70, 71, 72, 0, 0]])
    maps = explain_maps(model, ids)
    deletion = deletion_test(model, ids, maps.rollout.values, 0)
    with torch.no_grad():
        torch.testing.assert_close(deletion.by_map[0], model(ids).softmax(-1)[0, 0])


def test_explanations_of_several_threads_are_those_alone(model):
    images = [torch.rand(1, 6, 6, 3, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    alone = [explain_maps(model, image) for image in images]
    both_inside = threading.Barrier(2)

    def wait(*_):
        both_inside.wait(timeout=30)

    waiting = model.perceiver.cross_attends[0].norm_latents.register_forward_pre_hook(wait)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda image: explain_maps(model, image), images))
    waiting.remove()
    for expected, got in zip(alone, together, strict=True):
        torch.testing.assert_close(got.outputs, expected.outputs)
        for name in ("rollout", "saliency"):
            torch.testing.assert_close(getattr(got, name).values, getattr(expected, name).values)
        for a, b in zip(expected.attention, got.attention, strict=True):
            torch.testing.assert_close(a.mean.values, b.mean.values)


def test_an_explanation_leaves_no_hook_on_the_model(model, image):
    seen = []
    entered = model.perceiver.register_forward_hook(lambda *_: seen.append(True))
    explain_maps(model, image)
    entered.remove()
    assert len(seen) == 2  # hooks of the user run in both passes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


def test_several_examples_are_refused(model, image):
    with pytest.raises(ValueError, match="2 examples; expected one"):
        explain_maps(model, image.expand(2, -1, -1, -1))


def test_the_linear_model_of_texts_and_tables_gives_a_map_of_its_own(model, image):
    assert explain_maps(model, image).evidence is None
    text = tiny_classifier(LINEAR_TEXT)
    some_linear_model(text.adapter)
    ids = torch.tensor([[70, 71, 72, 40, 75, 0]])
    for output in range(3):
        shown = explain_maps(text, ids, output).evidence.values
        expected = text.adapter.evidence(ids)[0, :, output].clamp(min=0)
        torch.testing.assert_close(shown, expected / expected.sum())
    parts = tiny_classifier(FusionConfig(parts={"cells": LINEAR_TABLE, "words": LINEAR_TEXT}))
    for part in parts.adapter.parts.values():
        some_linear_model(part)
    row = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    evidence = parts.adapter.evidence({"cells": row, "words": ids})
    assert evidence.shape == (1, 3 + 6, 3)
    cells, words = (parts.adapter.parts[part] for part in ("cells", "words"))
    torch.testing.assert_close(evidence[:, :3].float(), cells.evidence(row).float())
    torch.testing.assert_close(evidence[:, 3:].float(), words.evidence(ids))
    without = explain_maps(parts, {"cells": row, "words": None}, 0).evidence
    assert without.values.shape == (3 + 9,)
    assert not without.values[3:].any()


def test_deletion_hides_bytes_from_the_linear_model():
    model = tiny_classifier(LINEAR_TEXT)
    some_linear_model(model.adapter)
    ids = torch.tensor([[70, 71, 72, 40, 75]])
    order = torch.tensor([5.0, 4, 3, 2, 1])
    deletion = deletion_test(model, ids, order, 1)
    with torch.no_grad():
        for step, count in enumerate((5 * deletion.fractions).round().int()):
            masked = ids.clone()
            masked[:, :count] = 0
            expected = model(masked).softmax(-1)[0, 1]
            torch.testing.assert_close(deletion.by_map[step], expected)


def test_deletion_hides_the_parts_of_a_mix():
    model = tiny_classifier(FusionConfig(parts={"cells": LINEAR_TABLE, "words": LINEAR_TEXT}))
    for part in model.adapter.parts.values():
        some_linear_model(part)
    row, ids = torch.tensor([[1.0, 2.0]], dtype=torch.float64), torch.tensor([[70, 71, 72]])
    masks = torch.ones(2, 6, dtype=torch.bool)
    masks[1, [0, 3]] = False
    batch = {"cells": row, "words": ids, "words.present": torch.tensor([True])}
    with torch.no_grad():
        got = model.classify(model.adapter.mask_elements(batch, masks))
        nan = row.new_tensor([[torch.nan, 2.0]])
        hidden = {"cells": nan, "words": torch.tensor([[0, 71, 72]])}
        torch.testing.assert_close(got[0], model(batch)[0])
        torch.testing.assert_close(got[1], model(hidden)[0])
