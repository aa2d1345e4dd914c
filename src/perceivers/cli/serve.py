"""The command `perceivers serve`."""

import argparse
import os

from ..reading import STRANGERS
from .options import add_limits
from .parser import Add

TOKEN = "PERCEIVERS_TOKEN"


def add(command: Add) -> None:
    """Add the command `serve` to the command line."""
    sub = command(
        "serve",
        _serve,
        "Serve a trained model over HTTP, with a page to try it in.",
    )
    sub.add_argument(
        "model", metavar="RUN_DIR",
        help="directory of a run or saved model, hf://owner/name on the Hugging Face hub, or an "
        "exported model.onnx",
    )  # fmt: skip
    sub.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for all [127.0.0.1: only this machine]",
    )  # fmt: skip
    sub.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0: a free one [8000]"
    )
    sub.add_argument("--device", help="where the model runs, such as cpu [CUDA if there is a GPU]")
    sub.add_argument(
        "--max-batch", type=int, default=32, metavar="N",
        help="largest number of examples that go through the model together [32]",
    )  # fmt: skip
    sub.add_argument(
        "--max-wait", type=float, default=2.0, metavar="MS",
        help="milliseconds that an example waits for others to share its batch [2]",
    )  # fmt: skip
    sub.add_argument(
        "--max-queue", type=int, default=256, metavar="N",
        help="examples that may wait; others are answered 503 [256]",
    )  # fmt: skip
    sub.add_argument(
        "--max-request", type=float, default=20.0, metavar="MB",
        help="largest size of a request, in megabytes [20]",
    )  # fmt: skip
    sub.add_argument(
        "--timeout", type=float, default=30.0, metavar="S",
        help="seconds after which a request is answered 503 [30]",
    )  # fmt: skip
    add_limits(sub, STRANGERS)
    sub.epilog = (
        f"If the environment variable {TOKEN} is set, requests must carry it: Authorization: "
        "Bearer TOKEN."
    )


def _serve(options: argparse.Namespace, rest: list[str]) -> int:
    from ..serve.config import ServeConfig
    from ..serve.run import serve

    config = ServeConfig(
        host=options.host,
        port=options.port,
        token=os.environ.get(TOKEN),
        max_batch=options.max_batch,
        max_wait_ms=options.max_wait,
        max_queue=options.max_queue,
        max_request_mb=options.max_request,
        timeout=options.timeout,
    )
    serve(options.model, config, device=options.device)
    return 0
