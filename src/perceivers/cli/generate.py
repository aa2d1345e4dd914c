"""The command `perceivers generate`."""

import argparse
import codecs
import os

from ..printing import printable
from .console import write
from .parser import Add


def add(command: Add) -> None:
    """Add the command `generate` to the command line."""
    sub = command("generate", _generate, "Continue a text with a model of texts, byte by byte.")
    sub.add_argument(
        "model", metavar="RUN_DIR",
        help="directory of a run of bytes-lm or of another saved Perceiver AR",
    )  # fmt: skip
    sub.add_argument(
        "--prompt", required=True, metavar="TEXT", help="text to continue; it is printed first"
    )
    sub.add_argument(
        "--length", type=int, default=256, metavar="N", help="number of bytes to generate [256]"
    )
    sub.add_argument(
        "--temperature", type=float, default=1.0, metavar="T",
        help="number that divides the logits: less than 1 for more probable bytes, 0 for the most "
        "probable byte each time [1]",
    )  # fmt: skip
    sub.add_argument(
        "--top-k", type=int, metavar="K", help="draw from the K most probable bytes only [all]"
    )
    sub.add_argument(
        "--top-p", type=float, default=1.0, metavar="P",
        help="draw from the most probable bytes that have the probability P together only [1]",
    )  # fmt: skip
    sub.add_argument("--seed", type=int, metavar="N", help="random seed [another text each time]")
    sub.add_argument("--device", help="where the model runs, such as cpu [CUDA if there is a GPU]")


def _generate(options: argparse.Namespace, rest: list[str]) -> int:
    from ..checkpoint import load_generator
    from ..machine import placement

    place = placement(options.device or "auto")
    model = load_generator(options.model).to(place.device)
    prompt = os.fsencode(options.prompt)
    stream = model.stream(
        prompt,
        options.length,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
    )
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    write(_shown(decoder.decode(prompt)), flush=True)
    try:
        for byte in stream:
            if text := decoder.decode(byte):
                write(_shown(text), flush=True)
        write(_shown(decoder.decode(b"", final=True)))
    finally:  # also after Ctrl-C
        write("\n")
    return 0


def _shown(text: str) -> str:
    """Return a text with escapes in place of what could change the terminal, but its lines kept."""
    return "\n".join(map(printable, text.split("\n")))
