"""What a benchmark case is: a model, a batch, the step to time, and the contenders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from perceivers.models.config import EncoderConfig

PEERS = "benchmarks.peers"


@dataclass(frozen=True)
class Contender:
    """A library or setting that takes part in a case; each runs in a process of its own."""

    name: str
    build: str = f"{PEERS}.ours:build"
    """The "module:function" that returns a step for a `Case`."""
    packages: tuple[str, ...] = ()
    """Required distributions; if one is missing, the contender is reported as not installed."""
    install: str = "make bench installs it"
    """How to install the packages; the report shows this text if one is missing."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the function that `build` names."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that are set in its process."""
    bound: bool = False
    """Whether this is a part of our step, for a lower bound of its time: it gives no results."""


OURS = Contender("perceivers")
PEAK = Contender("matrix product", f"{PEERS}.ours:build_peak")
PRODUCTS = Contender("its products alone", f"{PEERS}.products:build", bound=True)
"""The matrix products of our step, with the options of ours."""


@dataclass(frozen=True)
class ResamplerConfig:
    """A resampler and the features that it reads."""

    options: Mapping[str, Any]
    """Options of `perceivers.Resampler`."""
    features: int
    """Number of features M."""


@dataclass(frozen=True)
class ARConfig:
    """A Perceiver AR and the tokens that it generates."""

    options: Mapping[str, Any]
    """Options of `perceivers.PerceiverAR`."""
    prefix: int
    """Length P of the prefix."""
    length: int
    """Number of tokens to generate."""


@dataclass(frozen=True)
class Case:
    """One comparison of contenders."""

    name: str
    title: str
    config: EncoderConfig | ResamplerConfig | ARConfig
    """Configuration of our model; all contenders get its weights."""
    mode: Literal["train", "logits", "latents"]
    """The step: training without an optimiser, or inference up to the logits or latents."""
    batch: int
    """Number of examples."""
    contenders: tuple[Contender, ...]
    """The first is ours; the others are compared with it."""
    remark: str = ""
    """Sentences that the report shows after the title."""
    compare: bool = True
    """Whether all contenders must give equal results; False if each solves another problem."""
    warm_ups: int = 2
    """Number of steps before timing, including the step whose results are compared."""
    max_repeats: int | None = None
    """Largest number of timed rounds; None: no limit."""
