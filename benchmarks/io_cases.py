"""Benchmark cases of DeepMind's published models of Perceiver IO, against transformers.

Sizes are arguments, so that tests can use small ones.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from perceivers.models.config import EncoderConfig
from perceivers.models.presets import PRESETS

from .case import PEERS, PRODUCTS, Case, Contender

REMARK = "Both models have the same random weights, which are transferred by `to_transformers`."
FEW_QUERIES = 1024  # that are decoded at a time
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def io_fourier(config: EncoderConfig | None = None) -> Case:
    """Return a case that classifies an image with the whole Fourier classifier."""
    config = config or PRESETS["perceiver-io-imagenet-fourier"]()
    return _bounded(_case("io-fourier", "whole Fourier classifier, one image", config, "logits"))


def io_language(config: EncoderConfig | None = None) -> Case:
    """Return a case that gives the logits of all bytes of a text."""
    config = config or PRESETS["perceiver-io-language"]()
    return _bounded(_case("io-language", "language model, 2,048 bytes", config, "logits"))


def io_language_train(config: EncoderConfig | None = None) -> Case:
    """Return a case that trains the language model on a text."""
    config = config or PRESETS["perceiver-io-language"]()
    return _bounded(_case("io-language-train", "language model, 2,048 bytes", config, "train"))


def io_flow(config: EncoderConfig | None = None) -> Case:
    """Return a case that computes the flow of a pair of frames."""
    config = config or PRESETS["perceiver-io-flow"]()
    case = _case("io-flow", "optical flow, 368×496 pixels", config, "logits")
    return replace(case, max_repeats=2, warm_ups=1)


def io_multimodal(config: EncoderConfig | None = None, chunks: int = 128) -> Case:
    """Return a case that rebuilds all pixels and samples of a clip, in chunks.

    Args:
        config: configuration of the model.
        chunks: number of calls of transformers, as in its documentation.
    """
    config = config or PRESETS["perceiver-io-kinetics"]()
    case = _case("io-multimodal", "film, sound and class of a clip, all outputs", config, "logits")
    ours, theirs = case.contenders
    fewer = {"library": False, "chunk_size": FEW_QUERIES}
    return replace(
        case,
        contenders=(
            ours,
            replace(ours, name=f"perceivers, {FEW_QUERIES:,} queries at a time", options=fewer),
            replace(theirs, options={"library": True, "chunks": chunks}),
        ),
        remark=f"{REMARK} That library computes the latents anew for each of {chunks} chunks of "
        "outputs; its documentation takes 128.",
        max_repeats=1,
        warm_ups=1,
    )


def _bounded(case: Case) -> Case:
    """Return a case with the products of our step as a further contender."""
    products = replace(PRODUCTS, options=case.contenders[0].options)
    return replace(case, contenders=(*case.contenders, products))


def _case(name: str, title: str, config: EncoderConfig, mode: Literal["train", "logits"]) -> Case:
    build = f"{PEERS}.published:build"
    step = "one training step" if mode == "train" else "inference"
    return Case(
        name,
        f"{title}, batch 1, {step}",
        config,
        mode,
        1,
        (
            Contender("perceivers", build, options={"library": False}),
            Contender(
                "transformers", build, ("transformers",), options={"library": True}, env=OFFLINE
            ),
        ),
        REMARK,
    )


CASES: dict[str, Callable[..., Case]] = {
    "io-fourier": io_fourier,
    "io-language": io_language,
    "io-language-train": io_language_train,
    "io-flow": io_flow,
    "io-multimodal": io_multimodal,
}
