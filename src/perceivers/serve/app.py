"""The HTTP interface of the service, on FastAPI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import missing_extra
from ..printing import printable
from .batcher import Busy
from .config import ServeConfig
from .docs import docs_page
from .gate import Gate
from .multipart import parts_of
from .service import Service
from .uploads import Refused, Responder, Upload, from_form, from_json, named_upload

try:
    from fastapi import FastAPI, Request
    from fastapi.responses import FileResponse, JSONResponse, Response
    from starlette.exceptions import HTTPException
except ImportError:
    raise missing_extra("fastapi", "serve") from None

PAGE = Path(__file__).parent / "page"
RETRY_AFTER = "1"  # seconds
SMALL = 100_000  # bytes of a body that is parsed between other requests
MAX_FIELDS = 1000  # fields of a form beside files
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Files of the kind that the model reads. For a model of "
                            "tables, a table, or one file or value for each column.",
                        }
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "texts": {"type": "array", "items": {"type": "string"}},
                        "rows": {"type": "array", "items": {"type": "object"}},
                    },
                    "description": "Texts, or rows of a table as objects of values by column.",
                }
            },
        },
    }
}


def create_app(
    predictor: Responder, config: ServeConfig | None = None, *, run_dir: Path | None = None
) -> FastAPI:
    """Build the service of a model as an ASGI application.

    Args:
        predictor: the model and its reader; an `Answerer` for a model of other outputs.
        config: settings; None: the defaults.
        run_dir: directory of the run, for its scores and report; None: there is none.

    Raises:
        ImportError: a package of the extra "serve" is not installed.
    """
    config = config or ServeConfig()
    service = Service(predictor, config, run_dir)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="perceivers", lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Predictions and explanations of a trained Perceiver.",
    )  # fmt: skip
    app.state.service = service
    _add_errors(app)
    _add_model_routes(app, service)
    _add_other_routes(app, service)
    app.add_middleware(Gate, config=config, metrics=service.metrics)
    return app


def _add_errors(app: FastAPI) -> None:
    """Turn errors into answers of the form {"error": "…"}."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"error": str(error)}, error.status)

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> JSONResponse:
        headers = {"Retry-After": RETRY_AFTER}
        return JSONResponse({"error": "too many requests wait; try again"}, 503, headers)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _add_model_routes(app: FastAPI, service: Service) -> None:
    """Add what answers about examples."""

    @app.post("/v1/predict", openapi_extra=BODY, response_model=None)
    async def predict(request: Request, top_k: int = 5) -> JSONResponse:
        """Predict files, texts or rows: for each its "predictions", or an "error".

        Models that give neither classes nor numbers answer with entries of their own, such as
        "elements" or "forecast", with "words", and with "files" as data URLs by name.
        """
        if top_k < 1:
            raise Refused(f"top_k={top_k}; expected 1 or more", 400)
        predictions = await service.predict(await _uploads(request, service), top_k)
        return JSONResponse({"predictions": predictions})

    @app.post("/v1/explain", openapi_extra=BODY, response_model=None)
    async def explain(request: Request, output: str | None = None) -> Response:
        """Draw what the model looked at in one example.

        The answer is JSON with PNG pictures as data URLs, or one picture for Accept: image/png.
        """
        uploads = await _uploads(request, service)
        if len(uploads) != 1:
            raise Refused(f"got {len(uploads)} examples; expected one to explain", 400)
        if service.unexplained:
            raise Refused(service.unexplained, 400)
        if "image/png" in request.headers.get("accept", ""):
            return Response(await service.explain_png(uploads[0], output), media_type="image/png")
        return JSONResponse(await service.explain(uploads[0], output))

    @app.get("/v1/model")
    async def model() -> dict[str, Any]:
        """Describe the model: task, labels, what it reads, how inputs are made, scores."""
        return service.description


def _add_other_routes(app: FastAPI, service: Service) -> None:
    """Add the probes, the counters and the page."""

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Answer as long as the process lives."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Answer 200 while requests are taken, and 503 before and after."""
        state, status = ("ready", 200) if service.ready else ("not ready", 503)
        return JSONResponse({"status": state}, status)

    @app.get("/metrics")
    async def metrics() -> Response:
        """Return the counters in Prometheus' text format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/report", response_model=None)
    @app.head("/report", include_in_schema=False, response_model=None)
    async def report() -> FileResponse | JSONResponse:
        """Return the report of the run, which `perceivers eval` writes."""
        path = service.report
        if path is None:
            return JSONResponse({"error": "the run has no report; run perceivers eval"}, 404)
        return FileResponse(path, media_type="text/html")

    documentation = docs_page(app.openapi())

    async def docs(_: Request) -> Response:
        return Response(documentation, media_type="text/html")

    app.add_route("/docs", docs, include_in_schema=False)

    app.add_route("/", _file(PAGE / "index.html"), include_in_schema=False)
    for name in ("app.js", "outputs.js", "style.css"):
        app.add_route(f"/{name}", _file(PAGE / name), include_in_schema=False)


def _file(path: Path) -> Any:
    async def send(_: Request) -> FileResponse:
        return FileResponse(path)

    return send


async def _uploads(request: Request, service: Service) -> list[Upload]:
    """Read the examples in the body of a request."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        read: Any = partial(from_json, most=service.config.max_files)
    elif kind == "multipart/form-data":
        read = partial(_from_form, content_type=content_type, most=service.config.max_files)
    else:
        raise Refused(
            f"content type {printable(kind)!r}; expected multipart/form-data or JSON", 415
        )
    read = partial(read, await request.body(), service.predictor)
    large = int(request.headers.get("content-length", SMALL)) >= SMALL
    uploads: list[Upload] = await service.in_decoder(read) if large else read()
    return uploads


def _from_form(body: bytes, predictor: Responder, *, content_type: str, most: int) -> list[Upload]:
    files, fields = [], {}
    for part in parts_of(body, content_type, most + MAX_FIELDS):
        if part.filename is None:
            fields[part.name] = part.content.decode(errors="replace")
        else:
            files.append((part.name, named_upload(part.filename, part.content)))
    return from_form(files, fields, predictor)
