"""Benchmark cases of Perceiver AR: generation, token by token.

Sizes are arguments, so that tests can use small ones.
"""

from collections.abc import Callable

from .case import PEERS, ARConfig, Case, Contender

BUILD = f"{PEERS}.perceiver_ar:build"
BYTES = 256  # different tokens
PERCEIVER_IO = Contender(
    "perceiver-io",
    f"{BUILD}_perceiver_io",
    ("perceiver-io", "fairscale"),
    "`make bench` cannot install it because its newest release requires Python < 3.11 and older "
    "packages; install it with `.venv/bin/pip install --no-deps --ignore-requires-python "
    "perceiver-io==0.11.0 fairscale`",
    env={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
)
NO_CACHE = Contender("perceiver-ar-pytorch", f"{BUILD}_no_cache", ("perceiver-ar-pytorch",))


def ar_generate(
    prefix: int = 512, length: int = 512, dim: int = 256, heads: int = 4, depth: int = 6
) -> Case:
    """Return a case that generates bytes behind a short prefix."""
    return _case("ar-generate", (PERCEIVER_IO, NO_CACHE), prefix, length, dim, heads, depth)


def ar_generate_long(
    prefix: int = 8192, length: int = 512, dim: int = 256, heads: int = 4, depth: int = 6
) -> Case:
    """Return the same case with a long prefix."""
    return _case("ar-generate-long", (PERCEIVER_IO,), prefix, length, dim, heads, depth)


def _case(
    name: str,
    peers: tuple[Contender, ...],
    prefix: int,
    length: int,
    dim: int,
    heads: int,
    depth: int,
) -> Case:
    options = {
        "num_tokens": BYTES,
        "max_length": prefix + length + 1,
        "dim": dim,
        "num_layers": depth,
        "num_heads": heads,
        "head_dim": dim // heads,
    }
    return Case(
        name,
        f"Perceiver AR, {length} bytes behind a prefix of {prefix:,}, D={dim}, {depth} "
        "self-attends, batch 1, the most probable byte each time",
        ARConfig(options, prefix, length),
        "logits",
        1,
        (Contender("perceivers", BUILD), *peers),
        "The prompt is the prefix and one byte, which is the first latent. perceiver-ar-pytorch "
        "has no cache and reads everything anew for each byte. The FLOPs are those of a cache.",
        warm_ups=1,
        max_repeats=3,
    )


CASES: dict[str, Callable[..., Case]] = {
    "ar-generate": ar_generate,
    "ar-generate-long": ar_generate_long,
}
