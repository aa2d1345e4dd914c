"""Generation by a Perceiver AR: what is drawn, what is read anew, and prompts side by side."""

import pytest
import torch
from sequences import drawn, filled

from perceivers import PerceiverAR


def expected_tokens(model, prompt, prefixes):
    """Continue a prompt by whole forward passes, each with the window and prefix that is given."""
    tokens = prompt
    for window, prefix in prefixes:
        logits = model(tokens[:, -window:], prefix)
        tokens = torch.cat([tokens, logits[:, -1:].argmax(dim=-1)], dim=1)
    return tokens[:, prompt.shape[1] :]


@pytest.mark.parametrize(
    ("length", "num_latents", "prefixes"),
    [
        # Four latents of the prompt, and places for three tokens more: the prefix of two stays.
        (4, 7, [(6, 2), (7, 2), (8, 2), (9, 2)]),
        # Two places are left each time, then all is read anew with three latents.
        (6, 4, [(6, 4), (7, 4), (8, 4), (9, 7), (10, 7), (11, 7)]),
        # The oldest tokens are forgotten where there are more than twelve.
        (9, 4, [(6, 4), (7, 4), (8, 4), (9, 7), (10, 7), (11, 7), (10, 8), (11, 8), (12, 8)]),
        # A single latent: each token is read anew.
        (3, 1, [(6, 5), (7, 6), (8, 7)]),
    ],
)
def test_generated_tokens_equal_those_of_forward_passes(length, num_latents, prefixes):
    model, prompt = filled(), drawn(6)
    found = model.generate(prompt, length, num_latents=num_latents, temperature=0)
    assert torch.equal(found, expected_tokens(model, prompt, prefixes))


def test_logits_while_generating_equal_those_of_forward_passes(monkeypatch):
    model, prompt = filled(), drawn(6, batch=1)
    seen, read = [], PerceiverAR.read

    def recorded(self, *args, **settings):
        logits, cache = read(self, *args, **settings)
        seen.append(logits[:, -1])
        return logits, cache

    monkeypatch.setattr(PerceiverAR, "read", recorded)
    tokens = torch.cat([prompt, model.generate(prompt, 6, num_latents=4, temperature=0)], dim=1)
    monkeypatch.undo()
    for step, (window, prefix) in enumerate([(6, 4), (7, 4), (8, 4), (9, 7), (10, 7), (11, 7)]):
        anew = model(tokens[:, : 6 + step][:, -window:], prefix)[:, -1]
        torch.testing.assert_close(seen[step], anew, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("length", [3, 9])
def test_prompts_of_different_lengths_are_continued_as_each_alone(length):
    model = filled()
    prompts = [drawn(n, batch=1)[0] for n in (1, 3, 8, 12)]
    together = model.generate(prompts, length, num_latents=4, temperature=0)
    for prompt, found in zip(prompts, together, strict=True):
        alone = model.generate(prompt[None], length, num_latents=4, temperature=0)
        assert torch.equal(found, alone[0])


def test_tokens_come_one_by_one_and_with_a_seed_again():
    model, prompt = filled(), drawn(6)

    def run():
        generator = torch.Generator().manual_seed(5)
        return model.stream(prompt, 4, num_latents=6, generator=generator)

    steps = list(run())
    assert [tuple(step.shape) for step in steps] == [(2, 1)] * 4
    assert torch.equal(torch.cat(steps, dim=1), torch.cat(list(run()), dim=1))


def test_draws_follow_the_settings():
    model, prompt = filled(), drawn(6, batch=400)[:1].expand(400, -1)
    most = model(prompt, 0)[0, -1].softmax(0).sort(descending=True)
    generator = torch.Generator().manual_seed(0)

    def draw(**settings):
        tokens = model.generate(prompt, 1, num_latents=6, generator=generator, **settings)
        return set(tokens.flatten().tolist())

    assert draw(top_k=1) == {most.indices[0].item()}
    assert draw(top_k=3, temperature=3.0) == set(most.indices[:3].tolist())
    assert draw(top_p=1e-6) == {most.indices[0].item()}
    two = (most.values[0] + most.values[1] / 2).item()
    assert draw(top_p=two) <= set(most.indices[:2].tolist())
    assert len(draw(temperature=50.0)) == 11
    assert draw(temperature=1e-310) == {int(most.indices[0])}


@pytest.mark.parametrize(
    ("prompt", "settings", "message"),
    [
        (drawn(13), {}, "13 tokens; expected at most max_length=12"),
        (drawn(2), {"length": 0}, "length=0; expected at least 1 token to generate"),
        (drawn(2), {"num_latents": 13}, "num_latents=13; expected 1 to max_length=12"),
        (drawn(2), {"top_k": 0}, "top_k=0; expected at least 1"),
        (drawn(2), {"top_p": 0.0}, "top_p=0.0; expected more than 0 and at most 1"),
        (drawn(2), {"temperature": float("nan")}, "temperature=nan; expected a number of at least"),
        ([], {}, r"prompts have shapes \[\]; expected a list"),
        ([drawn(2)[0], drawn(0)[0]], {}, r"prompts have shapes \[\(0,\)\]"),
        ([drawn(2)], {}, r"prompts have shapes \[\(2, 2\)\]"),
    ],
)
def test_bad_prompts_and_settings_are_refused(prompt, settings, message):
    with pytest.raises(ValueError, match=message):
        filled().stream(prompt, **{"length": 2, "num_latents": 6, **settings})


def test_a_model_that_is_trained_does_not_generate():
    with pytest.raises(ValueError, match=r"call model\.eval\(\) first"):
        filled(prefix_dropout=0.5).train().generate(drawn(2), 2, num_latents=6)
