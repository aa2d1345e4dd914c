"""One step: the permuted-image experiment, compilation, activation checkpointing."""

import dataclasses
import logging

import pytest
import torch

from perceivers import Inputs
from perceivers.models.build import build
from perceivers.recipes import get_recipe
from perceivers.training import task
from perceivers.training.task import Learner, compiled, permutation


def seen(kind: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(content, position) that the Perceiver is given for four images that tell their pixels."""
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, permute=kind))
    model = build(recipe.model)
    given = []
    model.perceiver.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    images = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1).expand(4, 8, 8, 1)
    Learner(model, recipe)._outputs(images, seed)
    [inputs] = given
    return (inputs.content[..., 0] * 255).round().long(), inputs.dense_position


def test_without_permutation_pixels_come_row_by_row():
    content, _ = seen("none")
    assert torch.equal(content, torch.arange(64).expand(4, 64))


def test_fixed_is_one_order_for_all_images_and_steps():
    content, position = seen("fixed")
    assert torch.equal(content, content[:1].expand(4, 64))
    assert not torch.equal(content[0], torch.arange(64))
    assert torch.equal(content, seen("fixed", seed=7)[0])
    assert torch.equal(position, seen("none")[1][:, content[0]])


def test_random_is_an_order_for_each_image_and_step():
    content, position = seen("random")
    assert not torch.equal(content[0], content[1])
    assert torch.equal(content.sort().values, torch.arange(64).expand(4, 64))
    assert torch.equal(content, seen("random")[0])
    assert not torch.equal(content, seen("random", seed=7)[0])
    assert torch.equal(position, seen("none")[1][0][content])


def test_unknown_permutation():
    with pytest.raises(ValueError, match="unknown permutation 'shuffled'"):
        permutation("shuffled", batch=1, elements=2, seed=0)


def learner(**trainer):
    recipe = get_recipe("digits")
    trainer = dataclasses.replace(recipe.trainer, **trainer)
    return Learner(build(recipe.model), dataclasses.replace(recipe, trainer=trainer))


@pytest.mark.parametrize(("asked", "expected"), [("on", True), ("auto", False), ("off", False)])
def test_compilation_is_asked_for_or_not_on_cpu(monkeypatch, asked, expected):
    monkeypatch.setattr(task, "compiled", lambda function: "compiled")
    module = learner(compile=asked)
    module.on_fit_start()
    assert (module.classify == "compiled") is expected


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
def test_compiled_is_the_same_function():
    model = build(get_recipe("digits").model)
    torch.nn.init.normal_(model.head.weight)
    inputs = model.adapter(torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8))
    torch.testing.assert_close(
        compiled(model.classify, "aot_eager")(inputs), model.classify(inputs)
    )


@pytest.mark.filterwarnings("default")
def test_where_nothing_compiles_it_goes_on_and_says_so(caplog):
    calls = []

    def broken(graph, example_inputs):
        calls.append(graph)
        raise RuntimeError("no compiler here")

    function = compiled(lambda inputs: inputs.content * 2, broken)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert torch.equal(function(Inputs(torch.ones(1, 2, 3))), torch.full((1, 2, 3), 2.0))
    assert len(calls) == 1
    [record] = [r for r in caplog.records if r.name == task.__name__]
    assert "going on without torch.compile" in record.message
    assert "no compiler here" in record.message


@pytest.mark.parametrize("asked", [False, True])
def test_activation_checkpointing_reaches_the_model(asked):
    module = learner(activation_checkpointing=asked)
    assert module.model.perceiver.activation_checkpointing is asked


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_smoothing_that_a_task_goes_without_is_said(caplog, smoothing):
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, task="regression"),
        trainer=dataclasses.replace(recipe.trainer, label_smoothing=smoothing),
    )
    with caplog.at_level(logging.INFO):
        Learner(build(recipe.model), recipe).on_fit_start()
    assert ("regression goes without" in caplog.text) is bool(smoothing)


def test_smoothing_of_classes_is_not_remarked_on(caplog):
    with caplog.at_level(logging.INFO):
        learner().on_fit_start()
    assert not caplog.text
