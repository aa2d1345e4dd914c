"""Run the service until it is told to stop."""

import logging
import socket
import sys
from pathlib import Path
from typing import Any

from ..errors import missing_extra
from ..predict import Predictor
from .config import ServeConfig

log = logging.getLogger(__name__)


def serve(model: str, config: ServeConfig, *, device: str | None = None) -> None:
    """Serve a model until SIGINT or SIGTERM; requests that run then are answered.

    Args:
        model: run directory, saved model, hub name or exported model.
        config: settings.
        device: where the model runs; None: on CUDA if there is a GPU.

    Raises:
        ValueError: the model cannot be loaded, or the port is in use.
        ImportError: a package of the extra "serve" is not installed.
        OSError: the model cannot be read.
    """
    try:
        import uvicorn
    except ImportError:
        raise missing_extra("uvicorn", "serve") from None
    from .app import create_app

    listening = _listen(config)
    try:
        predictor = Predictor(model, device=device, batch_size=config.max_batch)
        directory = Path(model)
        app = create_app(predictor, config, run_dir=directory if directory.is_dir() else None)
        server: Any = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=max(1, round(config.drain)),
                server_header=False,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        log.info("serving %s on http://%s:%d (Ctrl-C ends it)", model, shown, port)
        sys.stderr.flush()
        server.run(sockets=[listening])
    finally:
        listening.close()


def _listen(config: ServeConfig) -> socket.socket:
    """Return a socket that listens, before the model is loaded."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((config.host, config.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        raise OSError(
            f"cannot listen on {config.host}:{config.port} ({error.strerror or error}); choose "
            "another --port, or 0 for a free one"
        ) from None
    return listening
