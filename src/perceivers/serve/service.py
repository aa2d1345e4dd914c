"""What the service does with examples: decode, predict and explain, within limits."""

import base64
import json
import mimetypes
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from .. import __version__
from ..checkpoint import CONFIG, METRICS_FILE
from ..explain import draw
from ..export.program import inputs_of, outputs_of
from ..exported import ExportedModel
from ..modalities.accepts import accepted_suffixes, describe_files
from ..modalities.clips import without_clips
from ..modalities.fusion.rows import RowReader
from ..modalities.text.reader import TextReader
from ..predict import Prediction, Predictor, Prepared
from ..predict.answers import Answer, Answerer
from .batcher import Batcher
from .config import ServeConfig, service_limits
from .metrics import Metrics
from .overlays import overlays
from .uploads import Refused, Responder, Upload, decode, is_table, table_rows

Job = Callable[[], Any]
MAX_EXPLAINING = 4  # explanations that may wait
MAX_DECODED_TOGETHER = 8  # files that one thread decodes before others get their results


class Service:
    """A model that answers requests.

    Args:
        predictor: the model and its reader; an `Answerer` for a model of other outputs.
        config: limits and batches.
        run_dir: directory of the run, for its report; None: there is none.
    """

    def __init__(
        self, predictor: Responder, config: ServeConfig, run_dir: Path | None = None
    ) -> None:
        self.predictor, self.config, self.run_dir = predictor, config, run_dir
        self.limits = config.limits or service_limits(predictor.limits)
        self.metrics = Metrics()
        self.ready = False
        self.description = self._describe()
        self._decoder: Batcher[Job, Any] = Batcher(
            _run_all, max_batch=MAX_DECODED_TOGETHER, max_wait=0.0, max_queue=config.max_queue,
            threads=config.max_decoding, name="decode",
        )  # fmt: skip
        self._explainer: Batcher[Job, Any] = Batcher(
            _run_all, max_batch=1, max_wait=0.0, max_queue=MAX_EXPLAINING, name="explain"
        )
        self._batcher: Batcher[Prepared, Prediction | Answer] = Batcher(
            self._predict,
            max_batch=config.max_batch,
            max_wait=config.max_wait_ms / 1000,
            max_queue=config.max_queue,
            on_batch=self.metrics.batches.observe,
        )
        self.metrics.waiting.set_function(lambda: self._batcher.waiting)

    def start(self) -> None:
        """Begin to answer."""
        for batcher in (self._decoder, self._batcher, self._explainer):
            batcher.start()
        self.ready = True

    async def stop(self) -> None:
        """Refuse new examples; those that wait are answered."""
        self.ready = False
        for batcher in (self._decoder, self._batcher, self._explainer):
            await batcher.stop()

    async def predict(self, uploads: Sequence[Upload], top_k: int) -> list[dict[str, Any]]:
        """Predict examples.

        Returns:
            For each example its "file" and its "predictions", or the "error" that prevented them.
            An answer of another kind has its own entries instead, "words" and "files".

        Raises:
            Refused: there are too many examples, or none of them can be read.
            Busy: too many examples wait.
        """
        uploads = await self._expand(uploads)
        decoded = await self._decode(uploads)
        readable = [example for example in decoded if not isinstance(example, Refused)]
        if not readable:
            raise next(example for example in decoded if isinstance(example, Refused))
        results = iter(await self._batcher.submit(readable))
        answers: list[dict[str, Any]] = []
        for upload, example in zip(uploads, decoded, strict=True):
            result = example if isinstance(example, Refused) else next(results)
            answer: dict[str, Any] = {"file": upload.name}
            if isinstance(result, ValueError):
                answer["error"] = str(result)
            elif isinstance(result, Exception):
                raise result
            else:
                answer |= self._entries(upload.name, result, top_k)
            answers.append(answer)
        return answers

    def _entries(self, name: str, result: Prediction | Answer, top_k: int) -> dict[str, Any]:
        """Return the entries of an answer, whose files are data URLs by their names."""
        if isinstance(result, Answer):
            stem = PurePath(name).stem
            files = {f"{stem}{end}": content for end, content in result.files.items()}
            urls = {file: _data_url(file, content) for file, content in files.items()}
            return {**result.data, **result.details, "words": result.words, "files": urls}
        assert isinstance(self.predictor, Predictor)
        return {"predictions": self.predictor.as_json(self.predictor.first(result, top_k))}

    async def explain(self, upload: Upload, label: str | None) -> dict[str, Any]:
        """Explain one example.

        Args:
            upload: the example.
            label: output to explain; None: the most probable one.

        Returns:
            The outcome in words, and PNG pictures as data URLs: the example and its maps.

        Raises:
            Refused: the example cannot be read, or there is no such label.
            Busy: too many explanations wait.
        """
        [upload] = (await self._expand([upload]))[:1]
        output = self._output(label)
        [example] = await self._decode([upload])
        if isinstance(example, Refused):
            raise example
        explained: dict[str, Any] = await _one(
            self._explainer, lambda: overlays(self._explained, example, output)
        )
        return explained

    async def explain_png(self, upload: Upload, label: str | None) -> bytes:
        """Explain one example as one picture; the arguments are those of `explain`."""
        [upload] = (await self._expand([upload]))[:1]
        output = self._output(label)
        [example] = await self._decode([upload])
        if isinstance(example, Refused):
            raise example
        model = self._explained.trained
        explained = await _one(
            self._explainer, lambda: draw(model, example, output=output, title=upload.name)
        )
        png: bytes = explained.png
        return png

    @property
    def unexplained(self) -> str:
        """Why the model cannot be explained; empty: it can be."""
        if isinstance(self.predictor, Answerer):
            task = self.predictor.model.config.task or "these outputs"
            return f"explanations are of classes and numbers; this model is for {task}"
        exported = isinstance(self.predictor.model, ExportedModel)
        return "an exported model cannot be explained; serve the run" if exported else ""

    @property
    def _explained(self) -> Predictor:
        """The predictor, whose model can be explained."""
        assert isinstance(self.predictor, Predictor)
        return self.predictor

    def _describe(self) -> dict[str, Any]:
        """Return what the model is: task, labels, what it reads, and its scores."""
        predictor = self.predictor
        model, reader = predictor.model, without_clips(predictor.reader)
        more = predictor.more_suffixes if isinstance(predictor, Answerer) else frozenset()
        described: dict[str, Any] = {
            "perceivers": __version__,
            "task": model.config.task,
            "labels": list(model.labels),
            "input": model.config.input.kind,
            "reads": describe_files(reader, more),
            "suffixes": sorted(accepted_suffixes(reader) | more),
            "texts": isinstance(reader, TextReader),
            "hint": predictor.hint if isinstance(predictor, Answerer) else "",
            "columns": list(reader.columns) if isinstance(reader, RowReader) else [],
            "files": dict(reader.files) if isinstance(reader, RowReader) else {},
            "explains": not self.unexplained,
            "max_request_mb": self.config.max_request_mb,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        if isinstance(model, ExportedModel):
            described |= {"inputs": model.inputs, "outputs": model.described_outputs}
        else:
            described["inputs"] = [given.describe() for given in inputs_of(model)]
            described["outputs"] = [vars(output) for output in outputs_of(model)]
        metrics = self.run_dir and self.run_dir / METRICS_FILE
        if metrics and metrics.is_file():
            scores = json.loads(metrics.read_text())
            described["scores"] = {k: scores[k] for k in ("best", "test", "eval") if k in scores}
        return described

    @property
    def report(self) -> Path | None:
        """The report of the run, if there is one."""
        path = self.run_dir and self.run_dir / "report.html"
        return path if path and path.is_file() and (path.parent / CONFIG).is_file() else None

    async def _expand(self, uploads: Sequence[Upload]) -> list[Upload]:
        """Return uploads with the rows of tables in place of the tables."""
        expanded: list[Upload] = []
        for upload in uploads:
            if is_table(upload, self.predictor):
                rows = partial(table_rows, upload, self.predictor, self.limits)
                expanded += await self.in_decoder(rows)
            else:
                expanded.append(upload)
        most = self.config.max_files
        if not expanded or len(expanded) > most:
            raise Refused(f"got {len(expanded)} examples; expected 1 to {most} in a request", 413)
        return expanded

    async def _decode(self, uploads: Sequence[Upload]) -> list[Prepared | Refused]:
        """Decode uploads, or return why one cannot be decoded.

        Raises:
            Busy: too many files wait.
        """
        jobs = [partial(decode, upload, self.predictor, self.limits) for upload in uploads]
        decoded: list[Any] = await self._decoder.submit(jobs)
        for example in decoded:
            if isinstance(example, Exception) and not isinstance(example, Refused):
                raise example
        return decoded

    async def in_decoder(self, job: Job) -> Any:
        """Return what a function returns in one of the threads that decode.

        Raises:
            Busy: too many files wait.
        """
        return await _one(self._decoder, job)

    def _predict(self, examples: list[Any]) -> Sequence[Any]:
        """Predict a batch; if that fails, each example on its own, to find out which one fails."""
        count = len(self.predictor.labels)
        try:
            return self.predictor.predict_prepared(examples, top_k=count)
        except ValueError as error:
            if len(examples) == 1:
                return [error]
            return [result for example in examples for result in self._predict([example])]

    def _output(self, label: str | None) -> int | None:
        if label is None:
            return None
        if label not in self.predictor.labels:
            raise Refused(f"unknown output {label!r}", 422)
        return self.predictor.labels.index(label)


def _data_url(name: str, content: bytes) -> str:
    """Return the content of a file as a data URL of the type that its name stands for."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _run_all(jobs: Sequence[Job]) -> list[Any]:
    """Run functions; the exception that one raises takes the place of its result."""
    results: list[Any] = []
    for job in jobs:
        try:
            results.append(job())
        except Exception as error:
            results.append(error)
    return results


async def _one(batcher: Batcher[Job, Any], job: Job) -> Any:
    [result] = await batcher.submit([job])
    if isinstance(result, Exception):
        raise result
    return result
