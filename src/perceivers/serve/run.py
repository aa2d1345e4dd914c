"""Run the service until it is told to stop."""

import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import missing_extra
from ..predict import Predictor
from ..predict.outputs import answerer
from .config import ServeConfig
from .uploads import Responder

log = logging.getLogger(__name__)


def serve(model: str, config: ServeConfig, *, device: str | None = None) -> None:
    """Serve a model until SIGINT or SIGTERM; requests that run then are answered.

    It returns after SIGTERM, and raises KeyboardInterrupt after SIGINT.

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
    from .connection import connection_class
    from .overlays import load_drawing

    listening = _listen(config)
    try:
        predictor = _open(model, device, config)
        load_drawing()
        directory = Path(model)
        app = create_app(predictor, config, run_dir=directory if directory.is_dir() else None)
        server: Any = uvicorn.Server(
            uvicorn.Config(
                app,
                http=connection_class(config.timeout),
                ws="none",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=max(1, round(config.drain)),
                server_header=False,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        with _without_long_pauses(), _ending_well():
            log.info("serving %s on http://%s:%d (Ctrl-C ends it)", model, shown, port)
            sys.stderr.flush()
            server.run(sockets=[listening])
    finally:
        listening.close()


def _open(model: str, device: str | None, config: ServeConfig) -> Responder:
    """Load a model with what answers about examples.

    Raises:
        ValueError, OSError: as `serve`.
    """
    other = answerer(model, device or "auto")
    if other is None:
        return Predictor(model, device=device, batch_size=config.max_batch)
    if other.nothing_served:
        raise ValueError(f"{model} cannot be served: {other.nothing_served}")
    return other


@contextmanager
def _without_long_pauses() -> Iterator[None]:
    """Keep all objects that exist now out of garbage collections.

    A full collection walks the objects of all imported packages, which stops every request for
    100 ms and more.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _ending_well() -> Iterator[None]:
    """Let SIGTERM end the command with status 0: uvicorn raises the signal again after its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
            "another --port, or 0 for a free one, or another --host"
        ) from None
    return listening
