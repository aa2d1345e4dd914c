"""Steps of our resampler, and of those of diffusers and transformers with the same weights."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from perceivers import Resampler
from perceivers.interop import to_resampler

from ..case import Case, ResamplerConfig
from .ours import Step


def build(case: Case) -> Step:
    """Return a step of our resampler."""
    return _step(case, seeded(case))


def build_diffusers(case: Case) -> Step:
    """Return a step of diffusers' projection of IP-Adapter Plus."""
    from diffusers.models.embeddings import IPAdapterPlusImageProjection

    options = _config(case).options
    module = IPAdapterPlusImageProjection(
        options["input_dim"],
        options["output_dim"],
        options["latent_dim"],
        options["depth"],
        options["head_dim"],
        options["num_heads"],
        options["num_latents"],
    )
    module.load_state_dict(to_resampler(seeded(case), "ip-adapter-diffusers"))
    return _step(case, module.eval())


def build_transformers(case: Case) -> Step:
    """Return a step of transformers' resampler of Idefics 2."""
    from transformers.models.idefics2.configuration_idefics2 import Idefics2PerceiverConfig
    from transformers.models.idefics2.modeling_idefics2 import Idefics2PerceiverResampler

    options = _config(case).options
    config = Idefics2PerceiverConfig(
        hidden_size=options["latent_dim"],
        resampler_n_latents=options["num_latents"],
        resampler_depth=options["depth"],
        resampler_n_heads=options["num_heads"],
        resampler_head_dim=options["head_dim"],
        num_key_value_heads=options["num_kv_heads"],
    )
    config._attn_implementation = "sdpa"
    module = Idefics2PerceiverResampler(config)
    module.load_state_dict(to_resampler(seeded(case), "idefics2"))
    mask = torch.ones(case.batch, _config(case).features, dtype=torch.long)
    return _step(case, lambda x: module.eval()(x, mask))


def seeded(case: Case) -> Resampler:
    """Return the case's resampler in eval mode with random weights, equal in every process."""
    torch.manual_seed(0)
    model = Resampler(**_config(case).options).eval()
    nn.init.normal_(model.latents)
    return model


def _config(case: Case) -> ResamplerConfig:
    assert isinstance(case.config, ResamplerConfig)
    return case.config


def _step(case: Case, forward: Callable[[Tensor], Tensor]) -> Step:
    config, generator = _config(case), torch.Generator().manual_seed(1)
    shape = (case.batch, config.features, config.options["input_dim"])
    x = torch.randn(*shape, generator=generator)

    def infer() -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {"latents": forward(x).numpy()}

    return infer
