"""The encoder of DeepMind's Fourier classifier in transformers, without its decoder."""

from torch import Tensor
from transformers import PerceiverConfig, PerceiverModel
from transformers.models.perceiver.modeling_perceiver import PerceiverImagePreprocessor

from perceivers.models.config import ModelConfig

from ..case import Case
from .ours import Step, batch, seeded, torch_step

# Names within a layer, ours → theirs. The order of channels is the same in both: colour,
# coordinates, sines, cosines.
ATTENTION = {
    "attention.to_q": "attention.self.query",
    "attention.to_k": "attention.self.key",
    "attention.to_v": "attention.self.value",
    "attention.to_out": "attention.output.dense",
    "feed_forward.norm": "layernorm",
    "feed_forward.expand": "mlp.dense1",
    "feed_forward.contract": "mlp.dense2",
}
SELF = {"norm": "attention.self.layernorm1", **ATTENTION}
CROSS = {
    "norm_latents": "attention.self.layernorm1",
    "norm_inputs": "attention.self.layernorm2",
    **ATTENTION,
}


def build(case: Case) -> Step:
    """Return a step of its model with our weights; it takes channels first and returns latents."""
    model = _model(case.config).eval()
    model.load_state_dict(encoder_state(seeded(case).perceiver.state_dict()))
    x, _ = batch(case)
    return torch_step(
        case,
        lambda x: model(inputs=x).last_hidden_state,
        x.permute(0, 3, 1, 2).contiguous(),
        model.embeddings.latents,
        model.parameters(),
    )


def _model(config: ModelConfig) -> PerceiverModel:
    image = config.input
    theirs = PerceiverConfig(
        num_latents=config.num_latents,
        d_latents=config.latent_dim,
        num_blocks=len(config.block_order),
        num_self_attends_per_block=config.num_layers_per_block,
        num_self_attention_heads=config.num_self_heads,
        num_cross_attention_heads=config.num_cross_heads,
        attention_probs_dropout_prob=0.0,
    )
    positions = {
        "concat_pos": True,
        "max_resolution": (image.image_size,) * 2,
        "num_bands": image.num_bands,
        "sine_only": False,
    }
    preprocessor = PerceiverImagePreprocessor(
        theirs,
        prep_type="pixels",
        spatial_downsample=1,
        position_encoding_type="fourier",
        fourier_position_encoding_kwargs=positions,
    )
    return PerceiverModel(theirs, input_preprocessor=preprocessor)


def encoder_state(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of our Perceiver (one cross-attend, one block) to the library's names."""
    state = {"embeddings.latents": ours["latents"]}
    for name, tensor in ours.items():
        place, _, rest = name.partition(".")
        if place == "latents":
            continue
        rest = rest.removeprefix("0.")  # there is one cross-attend and one block
        parts, prefix = CROSS, "encoder.cross_attention"
        if place == "blocks":
            layer, _, rest = rest.partition(".")
            parts, prefix = SELF, f"encoder.self_attends.{layer}"
        part, _, kind = rest.rpartition(".")
        state[f"{prefix}.{parts[part]}.{kind}"] = tensor
    return state
