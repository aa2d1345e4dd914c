"""perceiver-io's (krasserm) image encoder with the average and linear head of our model."""

import torch
from perceiver.model.core import PerceiverEncoder
from perceiver.model.vision.image_classifier.backend import ImageInputAdapter
from torch import Tensor

from ..case import Case
from .ours import Step, batch, seeded, torch_step

# Names within a layer, ours → theirs. The order of channels is the same in both: colour,
# coordinates, sines, cosines.
ATTENTION = {
    "attention.to_q": "0.module.attention.q_proj",
    "attention.to_k": "0.module.attention.k_proj",
    "attention.to_v": "0.module.attention.v_proj",
    "attention.to_out": "0.module.attention.o_proj",
    "feed_forward.norm": "1.module.0",
    "feed_forward.expand": "1.module.1",
    "feed_forward.contract": "1.module.3",
    "norm": "0.module.norm",
    "norm_latents": "0.module.q_norm",
    "norm_inputs": "0.module.kv_norm",
}


def build(case: Case) -> Step:
    """Return a step of its encoder with our weights.

    The first cross-attend is not shared; all blocks share their weights.
    """
    config, image = case.config, case.config.input
    adapter = ImageInputAdapter((image.image_size, image.image_size, 3), image.num_bands)
    encoder = PerceiverEncoder(
        adapter,
        num_latents=config.num_latents,
        num_latent_channels=config.latent_dim,
        num_cross_attention_heads=config.num_cross_heads,
        num_cross_attention_qk_channels=min(config.latent_dim, adapter.num_input_channels),
        num_cross_attention_layers=len(config.cross_order),
        num_self_attention_heads=config.num_self_heads,
        num_self_attention_layers_per_block=config.num_layers_per_block,
        num_self_attention_blocks=len(config.block_order),
    ).eval()
    ours = seeded(case)
    state = {"latent_provider._query": ours.perceiver.latents.detach()}
    for name, tensor in ours.perceiver.state_dict().items():
        if name != "latents":
            state |= {_renamed(name): tensor}
    buffers = dict(
        encoder.named_buffers()
    )  # positions; the comparison of results checks that they equal ours
    encoder.load_state_dict({**buffers, **state})
    head = ours.head

    def forward(x: Tensor) -> Tensor:
        return head(encoder(x).mean(dim=1))

    parameters = [*encoder.parameters(), *head.parameters()]
    latents = encoder.latent_provider._query
    assert isinstance(head, torch.nn.Linear)
    return torch_step(case, forward, batch(case)[0], latents, parameters)


def _renamed(name: str) -> str:
    """Return the encoder's name for a tensor of our Perceiver."""
    place, index, rest = name.split(".", 2)
    prefix = f"cross_attn_{'1n'[int(index)]}"
    if place == "blocks":
        layer, _, rest = rest.partition(".")
        prefix = f"self_attn_1.{layer}"
    part, _, kind = rest.rpartition(".")
    return f"{prefix}.{ATTENTION[part]}.{kind}"
