"""Empty batches, examples without elements, NaN, and dtypes whose range is not known."""

import math

import pytest
import torch
from test_lists import CONFIGS, MODELS, random_batch
from tests.tiny import tiny_classifier

from perceivers.modalities import TabularConfig

TABLE = tiny_classifier(
    TabularConfig(numeric=("a", "b"), categorical=("c",), categories=(("x", "y"),))
)
ALL = {**MODELS, "table": TABLE}
FLOATS = sorted(set(ALL) - {"text", "n-grams"})


def batch_of(kind, size=2):
    """Return a batch of examples of one size; the parts of a fusion are all present."""
    torch.manual_seed(0)
    if kind == "table":
        return torch.tensor([[0.5, -1.0, 1.0], [2.0, 0.3, 0.0]])[:size]
    _, alone = random_batch(kind, [(2, 2, 2)] * size)
    if kind == "fusion":
        return {name: torch.cat([x[name] for x in alone[:1] * size]) for name in alone[0]}
    return torch.cat(alone)


def changed(batch, change):
    """Return the batch, or each of its parts, changed."""
    if isinstance(batch, dict):
        return {name: change(x) for name, x in batch.items()}
    return change(batch)


@pytest.mark.parametrize("kind", ALL)
def test_an_empty_batch_is_refused(kind):
    empty = changed(batch_of(kind), lambda x: x[:0])
    with pytest.raises(ValueError, match="the batch has no examples; expected at least one"):
        ALL[kind](empty)


@pytest.mark.parametrize("kind", ALL)
def test_examples_whose_elements_are_all_masked(kind):
    """Their outputs are those of the latents alone: finite, and the same for all examples."""
    model, batch = ALL[kind], batch_of(kind)
    elements = model.adapter(batch).content.shape[1]
    got = model(batch, mask=torch.zeros(2, elements, dtype=torch.bool))
    assert got.isfinite().all()
    assert torch.equal(got[0], got[1])
    one = torch.tensor([True, False])[:, None].expand(2, elements)
    torch.testing.assert_close(model(batch, mask=one)[1], got[1])
    torch.testing.assert_close(model(batch, mask=one)[0], model(batch)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("kind", FLOATS)
def test_nan_gives_nan_for_its_example_alone(kind, number):
    """In a table it is a missing number."""
    model = ALL[kind]
    batch = changed(batch_of(kind), lambda x: x.float())
    expected = model(batch)

    def poke(x):
        x = x.clone()
        x[1].view(-1)[0] = number
        return x

    got = model(changed(batch, poke))
    torch.testing.assert_close(got[0], expected[0], rtol=0, atol=1e-5)
    assert got[1].isfinite().all() if kind == "table" else got[1].isnan().all()


INTEGERS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint16, torch.bool]


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.uint8, torch.complex64], ids=str)
@pytest.mark.parametrize("kind", FLOATS)
def test_dtypes_whose_range_is_not_known_are_refused(kind, dtype):
    batch = changed(batch_of(kind), lambda x: x.to(dtype))
    if dtype == torch.uint8 and kind in ("image", "patches", "video"):
        return  # pixels
    with pytest.raises(ValueError, match="expected .*float"):
        ALL[kind](batch)


@pytest.mark.parametrize("kind", ["text", "n-grams"])
def test_ids_of_any_integer_type_that_holds_them(kind):
    ids = batch_of(kind)
    expected = MODELS[kind](ids)
    for dtype in (torch.int32, torch.int16):
        assert torch.equal(MODELS[kind](ids.to(dtype)), expected)
    for dtype in (torch.uint8, torch.float32, torch.bool):
        with pytest.raises(ValueError, match="expected int64 ids"):
            MODELS[kind](ids.to(dtype))


def test_every_kind_of_input_is_tested():
    assert set(ALL) == {*CONFIGS, "table"}
