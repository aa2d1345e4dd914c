"""Recorded attention equals the attention that the model used, and is the sum of two terms."""

import math
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from perceivers import Inputs, Perceiver, create
from perceivers.explain import record_attention


def perceiver(input_dim: int, **options) -> Perceiver:
    torch.manual_seed(0)
    model = Perceiver(
        input_dim,
        num_latents=3,
        latent_dim=8,
        cross_order=(0, 1, None, 1),
        block_order=(0, 0, 0, None),
        num_layers_per_block=1,
        num_cross_heads=2,
        num_self_heads=2,
        qk_dim=8,
        latent_std=1.0,
        **options,
    )
    for module in model.modules():  # norms and biases that have an effect
        if isinstance(module, nn.LayerNorm | nn.Linear):
            for parameter in module.parameters():
                if parameter.ndim == 1:
                    nn.init.normal_(parameter, mean=0.5)
    return model.eval()


def inputs(fusion: str, elements: int = 7, masked: bool = False, shared: bool = True) -> Inputs:
    generator = torch.Generator().manual_seed(elements)
    content = 2 + torch.randn(2, elements, 5, generator=generator)
    position = torch.randn(1 if shared else 2, elements, 5, generator=generator) - 1
    mask = torch.rand(2, elements, generator=generator) < 0.5 if masked else None
    return Inputs(content, position, mask, fusion)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["concatenate", "add"]), st.integers(1, 40), st.booleans(), st.booleans())
def test_the_two_terms_sum_to_the_logits_the_model_used(fusion, elements, masked, shared):
    read = inputs(fusion, elements, masked, shared)
    model = perceiver(read.dim)
    with record_attention(model) as maps:
        model(read)
    assert [m.cross for m in maps] == [0, 1, 1]
    for m in maps:
        tolerance = 4e-6 * m.logits.abs().max().item() + 4e-6
        torch.testing.assert_close(m.content + m.position, m.logits, rtol=0, atol=tolerance)


@pytest.mark.parametrize("fusion", ["concatenate", "add"])
@pytest.mark.parametrize("attention", ["content", "position", "both"])
def test_a_single_term_can_make_up_the_logits(fusion, attention):
    read = inputs(fusion)
    model = perceiver(read.dim, attention=attention)
    with record_attention(model) as maps:
        model(read)
    for m in maps:
        used = {"content": m.content, "position": m.position, "both": m.content + m.position}
        # The bias of the keys is the same for all inputs: it changes logits, but no weights.
        expected = used[attention].softmax(-1)
        torch.testing.assert_close(m.weights, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fusion", ["concatenate", "add"])
def test_the_position_term_depends_on_the_weights_of_positions_alone(fusion):
    read = inputs(fusion)
    model = perceiver(read.dim)
    with torch.no_grad():
        for cross in model.cross_attends:
            rows = slice(5, None) if fusion == "concatenate" else slice(0, 0)
            cross.attention.to_k.weight[:, rows] = 0
    with record_attention(model) as maps:
        model(read)
    for m in maps:
        if fusion == "concatenate":
            assert m.position.abs().max() == 0
        assert m.content.std(dim=-1).min() > 0


@pytest.mark.parametrize("masked", [False, True])
def test_the_output_follows_from_the_recorded_weights(masked):
    """Compute the output of the attention again from the recorded weights."""
    read = inputs("concatenate", masked=masked)
    model = perceiver(read.dim)
    outputs, values = [], []
    for cross in model.cross_attends:
        cross.attention.register_forward_hook(lambda _, args, out: outputs.append(out))
        cross.attention.register_forward_hook(lambda _, args, out: values.append(args[1].values))
    with record_attention(model) as maps:
        model(read)
    for m, out, value in zip(maps, outputs, values, strict=True):
        attention = model.cross_attends[m.cross].attention
        expected = attention.to_out((m.weights @ value).transpose(1, 2).flatten(2))
        torch.testing.assert_close(out, expected)
        if masked:
            assert m.weights.masked_select(~read.mask[:, None, None]).abs().sum() == 0


def test_an_example_without_inputs_has_zero_weights():
    read = inputs("concatenate", masked=True)
    read.mask[0] = False
    with record_attention(model := perceiver(read.dim)) as maps:
        model(read)
    assert maps[0].weights[0].abs().sum() == 0
    assert maps[0].weights[1].sum(-1).allclose(torch.ones(()))


def test_the_papers_first_second_and_eighth_cross_attend():
    model = create(
        "perceiver-imagenet", num_latents=4, latent_dim=8, num_layers_per_block=1, input={}
    )
    with record_attention(model) as maps:
        model(torch.rand(1, 6, 6, 3))
    assert [m.cross for m in maps] == [0, 1, 1, 1, 1, 1, 1, 1]
    assert maps[7].weights.shape == (1, 1, 4, 36)


def test_only_the_last_pass_inside_the_context_is_recorded():
    read = inputs("concatenate")
    model = perceiver(read.dim)
    with record_attention(model) as maps:
        model(read)
        model(inputs("concatenate", elements=9))
        assert len(maps) == 3
        assert maps[0].logits.shape[-1] == 9
    model(read)
    assert maps[0].logits.shape[-1] == 9
    assert not maps[0].logits.requires_grad


def test_a_stream_after_a_pass_is_refused_not_mixed_with_it():
    read, other = inputs("concatenate"), inputs("concatenate", elements=9)
    model = perceiver(read.dim)
    with record_attention(model) as maps:
        model(read)
        with pytest.raises(ValueError, match="attention to a stream cannot be recorded"):
            model.encode_stream([other])
        assert [m.logits.shape[-1] for m in maps] == [7, 7, 7]


def test_a_pass_that_raises_leaves_nothing():
    read, other = inputs("concatenate"), inputs("concatenate", elements=9)
    model = perceiver(read.dim)

    def fail(*_):
        raise KeyError("broken")

    with record_attention(model) as maps:
        model(read)
        handle = model.cross_attends[1].feed_forward.register_forward_hook(fail)
        with pytest.raises(KeyError):  # after the first cross-attend
            model(other)
        handle.remove()
        assert maps == []
        model.cross_attends[0](model.latents[None], model.cross_attends[0].source(read))
        assert maps == []  # a cross-attend that is applied by itself is no forward pass
        model(inputs=read)
        assert [m.logits.shape[-1] for m in maps] == [7, 7, 7]


def test_passes_of_two_threads_are_recorded_apart():
    """Each map belongs to the inputs of its pass, although the passes alternate."""
    read, other = inputs("concatenate"), inputs("concatenate", elements=9)
    model = perceiver(read.dim)
    both_inside = threading.Barrier(2)

    def wait(*_):
        both_inside.wait(timeout=30)

    waiting = model.cross_attends[1].norm_latents.register_forward_pre_hook(wait)
    with record_attention(model) as maps:
        threads = [threading.Thread(target=model, args=(x,)) for x in (read, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        waiting.remove()
        assert len({m.logits.shape[-1] for m in maps}) == 1
        elements = maps[0].logits.shape[-1]
        recorded = [m.logits for m in maps]
        model(read if elements == 7 else other)
        for a, m in zip(recorded, maps, strict=True):
            torch.testing.assert_close(a, m.logits)


def test_recordings_inside_each_other():
    read, other = inputs("concatenate"), inputs("concatenate", elements=9)
    model = perceiver(read.dim)
    with record_attention(model) as outer:
        with record_attention(model) as inner:
            model(read)
        model(other)
    assert [m.logits.shape[-1] for m in outer] == [9, 9, 9]
    assert [m.logits.shape[-1] for m in inner] == [7, 7, 7]


def test_what_a_backward_pass_computes_again_is_not_recorded():
    read = inputs("concatenate")
    model = perceiver(read.dim).train()
    model.activation_checkpointing = True
    with record_attention(model) as maps:
        model(read).sum().backward()
    assert [m.cross for m in maps] == [0, 1, 1]


@pytest.mark.filterwarnings("default")  # dynamo warns while it traces
def test_a_compiled_model_is_recorded():
    """Hooks that are added after the compilation would not run."""
    read = inputs("concatenate")
    model = perceiver(read.dim)
    compiled = torch.compile(model, backend="eager")
    expected = compiled(read)
    with record_attention(compiled) as maps:
        torch.testing.assert_close(compiled(read), expected)
    assert [m.cross for m in maps] == [0, 1, 1]


@pytest.mark.filterwarnings("default")
def test_models_are_compiled_again_after_recordings_that_overlap():
    """The stance of torch.compile belongs to the process: the last to end must restore it."""
    read, graphs = inputs("concatenate"), []
    model = perceiver(read.dim)

    def backend(graph, _):
        graphs.append(graph)
        return graph

    compiled = torch.compile(lambda x: x * 2, backend=backend)  # imports dynamo
    first, second = record_attention(model), record_attention(model)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    compiled(torch.ones(2))
    assert not graphs  # the second still records
    second.__exit__(None, None, None)
    compiled(torch.ones(2))
    assert len(graphs) == 1


def test_weights_of_nan_are_nan_not_zero():
    read = inputs("concatenate", masked=True)
    read.mask[0] = False
    read.content[1, 2] = math.nan
    read.mask[1, 2] = True
    with record_attention(model := perceiver(read.dim)) as maps:
        model(read)
    assert not maps[0].weights[0].any()
    assert maps[0].weights[1].isnan().all()


def test_position_attention_without_positions():
    model = perceiver(5, attention="position")
    with pytest.raises(ValueError, match="carry no position"):
        model(Inputs(torch.rand(1, 4, 5)))
    both = perceiver(5)
    with record_attention(both) as maps:
        both(Inputs(torch.rand(1, 4, 5)))
    assert maps[0].position.abs().sum() == 0
    assert math.isclose(maps[0].weights.sum().item(), 2 * 3, rel_tol=1e-5)


def test_a_model_without_a_perceiver():
    with pytest.raises(ValueError, match="found 0 Perceivers"), record_attention(nn.Linear(2, 2)):
        pass
