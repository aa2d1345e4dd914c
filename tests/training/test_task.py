"""Training steps: permuted images, compilation, activation checkpointing, label smoothing."""

import dataclasses
import logging

import pytest
import torch
from tiny_recipes import tiny

from perceivers import Inputs
from perceivers.models.build import build
from perceivers.recipes import get_recipe
from perceivers.training import task
from perceivers.training.task import Learner, compiled, permutation


def model_inputs(kind: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the content and position of four images whose pixels have their index as value."""
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, permute=kind))
    model = build(recipe.model)
    recorded = []
    model.perceiver.register_forward_pre_hook(lambda _, args: recorded.append(args[0]))
    images = torch.arange(64, dtype=torch.uint8).view(1, 8, 8, 1).expand(4, 8, 8, 1)
    Learner(model, recipe)._outputs(images, seed)
    [inputs] = recorded
    return (inputs.content[..., 0] * 255).round().long(), inputs.dense_position


def test_without_permutation_pixels_come_row_by_row():
    content, _ = model_inputs("none")
    assert torch.equal(content, torch.arange(64).expand(4, 64))


def test_fixed_order_is_the_same_for_all_images_and_steps():
    content, position = model_inputs("fixed")
    assert torch.equal(content, content[:1].expand(4, 64))
    assert not torch.equal(content[0], torch.arange(64))
    assert torch.equal(content, model_inputs("fixed", seed=7)[0])
    assert torch.equal(position, model_inputs("none")[1][:, content[0]])


def test_random_order_is_new_for_each_image_and_step():
    content, position = model_inputs("random")
    assert not torch.equal(content[0], content[1])
    assert torch.equal(content.sort().values, torch.arange(64).expand(4, 64))
    assert torch.equal(content, model_inputs("random")[0])
    assert not torch.equal(content, model_inputs("random", seed=7)[0])
    assert torch.equal(position, model_inputs("none")[1][0][content])


def test_unknown_permutation():
    with pytest.raises(ValueError, match="unknown permutation 'shuffled'"):
        permutation("shuffled", batch=1, elements=2, seed=0)


def learner(**trainer):
    recipe = get_recipe("digits")
    trainer = dataclasses.replace(recipe.trainer, **trainer)
    return Learner(build(recipe.model), dataclasses.replace(recipe, trainer=trainer))


@pytest.mark.parametrize(("option", "expected"), [("on", True), ("auto", False), ("off", False)])
def test_compile_option_on_cpu(monkeypatch, option, expected):
    monkeypatch.setattr(task, "compiled", lambda function: "compiled")
    module = learner(compile=option)
    module.on_fit_start()
    assert (module.respond == "compiled") is expected


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
def test_compiled_function_gives_the_same_outputs(backend):
    model = build(tiny().model)
    torch.nn.init.normal_(model.head.weight)
    inputs = model.adapter(torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8))
    torch.testing.assert_close(compiled(model.classify, backend)(inputs), model.classify(inputs))


@pytest.mark.filterwarnings("default")
def test_failed_compilation_is_logged_once_and_training_continues(caplog):
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
    assert "torch.compile failed, continuing without it" in record.message
    assert "no compiler here" in record.message


@pytest.mark.parametrize("enabled", [False, True])
def test_activation_checkpointing_reaches_the_model(enabled):
    module = learner(activation_checkpointing=enabled)
    assert module.model.perceiver.activation_checkpointing is enabled


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_smoothing_of_another_task_is_logged_as_ignored(caplog, smoothing):
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, task="regression"),
        trainer=dataclasses.replace(recipe.trainer, label_smoothing=smoothing),
    )
    with caplog.at_level(logging.INFO):
        Learner(build(recipe.model), recipe).on_fit_start()
    assert ("is ignored: it is for classification, the task is regression" in caplog.text) is bool(
        smoothing
    )


@pytest.mark.parametrize(
    ("mixup", "cutmix", "smoothing", "words"),
    [
        (0.2, 0.0, 0.1, "training scores include mixup and label smoothing and look worse for it"),
        (0.0, 1.0, 0.0, "training scores include CutMix and look worse for it"),
        (0.0, 0.0, 0.0, ""),
    ],
)
def test_what_makes_training_scores_look_low_is_named(caplog, mixup, cutmix, smoothing, words):
    recipe = get_recipe("digits")
    recipe = dataclasses.replace(
        recipe,
        data=dataclasses.replace(recipe.data, mixup=mixup, cutmix=cutmix),
        trainer=dataclasses.replace(recipe.trainer, label_smoothing=smoothing),
    )
    with caplog.at_level(logging.INFO):
        Learner(build(recipe.model), recipe).on_fit_start()
    assert [record.message for record in caplog.records] == [words] * bool(words)
