"""Small models of transformers' classes with random weights, and raw batches for them."""

import torch
import transformers
from transformers import PerceiverConfig

SMALL = {
    "num_latents": 5,
    "d_latents": 16,
    "num_blocks": 2,
    "num_self_attends_per_block": 2,
    "num_self_attention_heads": 2,
    "num_cross_attention_heads": 1,
    "num_labels": 3,
}
# The classes, the reduced sizes of their tests, and the presets of the published sizes.
CLASSES = {
    "ImageClassificationFourier": (SMALL, "perceiver-io-imagenet-fourier"),
    "ImageClassificationLearned": ({**SMALL, "image_size": 10}, "perceiver-io-imagenet-learned"),
    "ImageClassificationConvProcessing": (SMALL, "perceiver-io-imagenet-conv"),
    "SequenceClassification": (
        {**SMALL, "d_model": 12, "qk_channels": 8, "v_channels": 16, "max_position_embeddings": 9},
        None,
    ),
    "OpticalFlow": ({**SMALL, "train_size": [6, 8]}, "perceiver-io-flow"),
    "MultimodalAutoencoding": (
        {
            **SMALL,
            "num_frames": 2,
            "audio_samples_per_frame": 32,
            "image_size": 2,
            "output_shape": [1, 2, 8, 8],
            "output_num_channels": 6,
        },
        "perceiver-io-kinetics",
    ),
    "MaskedLM": (
        {**SMALL, "d_model": 16, "qk_channels": 8, "v_channels": 16, "max_position_embeddings": 9},
        "perceiver-io-language",
    ),
}
TEXT = ["SequenceClassification", "MaskedLM"]
VISION = [name for name in CLASSES if name.startswith("Image")]


def theirs_of(name, values=None, seed=0):
    """Return an instance of a class of the library with random weights, biases included."""
    torch.manual_seed(seed)
    config = PerceiverConfig(**(CLASSES[name][0] if values is None else values))
    model = getattr(transformers, f"PerceiverFor{name}")(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.5 * (parameter.ndim == 1), std=0.3)
    return model


def batches(name, ours):
    """Yield raw batches for our model, of other sizes than the configured one where possible."""
    generator = torch.Generator().manual_seed(1)
    if name in TEXT:
        # The library's language model always gives as many outputs as it has positions.
        for length in (9, 9) if name == "MaskedLM" else (9, 4):
            ids = torch.randint(6, 262, (2, length), generator=generator)
            ids[1, length // 2 :] = 0
            yield ids
        return
    if name == "MultimodalAutoencoding":
        frames, side, _ = ours.output.parts["video"].shape
        yield {
            "audio": torch.randn(2, frames * 32, generator=generator),
            "video": torch.rand(2, frames, side, side, 3, generator=generator),
        }
        return
    if name == "OpticalFlow":
        yield torch.rand(2, 2, *ours.adapter.size, 3, generator=generator)
        return
    for height, width in [(10, 10)] if name.endswith("Learned") else [(10, 10), (12, 17)]:
        yield torch.rand(2, height, width, 3, generator=generator)


def their_inputs(ours, x):
    """Return what the library's class takes for a raw batch of ours."""
    if isinstance(x, dict):
        label = torch.zeros(len(x["audio"]), ours.output.parts["label"].num_channels)
        points = {"audio": x["audio"].shape[1] // 16, "image": x["video"][0, ..., 0].numel()}
        return {
            "inputs": {
                "audio": x["audio"][..., None],
                "image": x["video"].movedim(-1, 2),
                "label": label,
            },
            "subsampled_output_points": {name: torch.arange(n) for name, n in points.items()},
        }
    if x.ndim == 5:
        return {"inputs": ours.adapter.patches(x).movedim(-1, 2)}
    if x.is_floating_point():
        return {"inputs": ours.adapter.normalise(x).movedim(-1, 1)}
    return {"inputs": x, "attention_mask": (x != 0).long()}


def flat(outputs):
    """Return outputs of any of the models as one tensor (B, …)."""
    if not isinstance(outputs, dict):
        return outputs
    video = outputs["image"] if "image" in outputs else outputs["video"]
    parts = (outputs["audio"], video, outputs["label"])
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def assert_close(got, expected):
    """Assert that two tensors (B, …) are equal up to rounding, which follows the largest values."""
    largest = float(expected.detach().abs().max())
    torch.testing.assert_close(got, expected, atol=max(1e-4, 1e-6 * largest), rtol=1e-4)
