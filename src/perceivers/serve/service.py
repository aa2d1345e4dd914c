"""What the service does with examples: decode, predict and explain, within limits."""

import base64
import copy
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .. import __version__
from ..checkpoint import CONFIG, METRICS_FILE
from ..explain import ElementMap, explain_maps
from ..explain.draw import draw, element_values
from ..export.program import inputs_of
from ..exported import ExportedModel
from ..modalities import modality_of
from ..modalities.accepts import accepted_suffixes, describe_files
from ..modalities.clips import without_clips
from ..modalities.drawing import new_figure
from ..modalities.fusion.rows import RowReader
from ..modalities.reader import collate, to_device
from ..modalities.text.reader import TextReader
from ..models.classifier import PerceiverClassifier
from ..predict import Prediction, Predictor, Prepared
from .batcher import Batcher
from .config import ServeConfig
from .metrics import Metrics
from .uploads import Refused, Upload, decode, is_table, table_rows

Job = Callable[[], Any]
MAX_EXPLAINING = 4  # explanations that may wait
MAX_DECODED_TOGETHER = 8  # files that one thread decodes before others get their results
OVERLAY_INCHES, OVERLAY_DPI = 3.2, 100


class Service:
    """A model that answers requests.

    Args:
        predictor: the model and its reader.
        config: limits and batches.
        run_dir: directory of the run, for its report; None: there is none.
    """

    def __init__(
        self, predictor: Predictor, config: ServeConfig, run_dir: Path | None = None
    ) -> None:
        self.predictor, self.config, self.run_dir = predictor, config, run_dir
        self.metrics = Metrics()
        self.ready = False
        self._copy: PerceiverClassifier | None = None
        self.description = self._describe()
        self._decoder: Batcher[Job, Any] = Batcher(
            _run_all, max_batch=MAX_DECODED_TOGETHER, max_wait=0.0, max_queue=config.max_queue,
            threads=config.max_decoding, name="decode",
        )  # fmt: skip
        self._explainer: Batcher[Job, Any] = Batcher(
            _run_all, max_batch=1, max_wait=0.0, max_queue=MAX_EXPLAINING, name="explain"
        )
        self._batcher: Batcher[Prepared, Prediction] = Batcher(
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
                few = self.predictor.first(result, top_k)
                answer["predictions"] = self.predictor.as_json(few)
            answers.append(answer)
        return answers

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
            self._explainer, lambda: self._overlays(example, output)
        )
        return explained

    async def explain_png(self, upload: Upload, label: str | None) -> bytes:
        """Explain one example as one picture; the arguments are those of `explain`."""
        [upload] = (await self._expand([upload]))[:1]
        output = self._output(label)
        [example] = await self._decode([upload])
        if isinstance(example, Refused):
            raise example
        model = self._explained()
        explained = await _one(
            self._explainer, lambda: draw(model, example, output=output, title=upload.name)
        )
        png: bytes = explained.png
        return png

    @property
    def explains(self) -> bool:
        """Whether the model can be explained."""
        return not isinstance(self.predictor.model, ExportedModel)

    def _explained(self) -> PerceiverClassifier:
        """Return the model to explain, a copy with the same weights.

        Attention is recorded by hooks, which must not see the examples of other requests.
        """
        if self._copy is None:
            model = self.predictor.trained
            shared = {id(x): x for x in (*model.parameters(), *model.buffers())}
            self._copy = copy.deepcopy(model, shared)
        return self._copy

    def _describe(self) -> dict[str, Any]:
        """Return what the model is: task, labels, what it reads, and its scores."""
        predictor = self.predictor
        model, reader = predictor.model, without_clips(predictor.reader)
        described: dict[str, Any] = {
            "perceivers": __version__,
            "task": model.config.task,
            "labels": list(model.labels),
            "input": model.config.input.kind,
            "reads": describe_files(reader),
            "suffixes": sorted(accepted_suffixes(reader)),
            "texts": isinstance(reader, TextReader),
            "columns": list(reader.columns) if isinstance(reader, RowReader) else [],
            "files": dict(reader.files) if isinstance(reader, RowReader) else {},
            "explains": self.explains,
            "max_request_mb": self.config.max_request_mb,
            "parameters": sum(p.numel() for p in model.parameters()),
        }
        if self.explains:
            described["inputs"] = [given.describe() for given in inputs_of(self.predictor.trained)]
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
                rows = partial(table_rows, upload, self.predictor, self.config.limits)
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
        limits = self.config.limits
        jobs = [partial(decode, upload, self.predictor, limits) for upload in uploads]
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

    def _predict(self, examples: list[Prepared]) -> Sequence[Prediction | Exception]:
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

    def _overlays(self, example: Any, output: int | None) -> dict[str, Any]:
        """Return the maps of an example, each drawn over it."""
        model = self._explained()
        reader: Any = without_clips(self.predictor.reader)
        device = next(model.parameters()).device
        batch = to_device(reader.batch(collate([example])), device)
        maps = explain_maps(model, batch, output)
        chosen = int(maps.outputs.argmax()) if output is None else output

        def picture(shown: ElementMap | None) -> str:
            values = None if shown is None else element_values(model, shown.values, batch)
            return _overlay(model.config.input, example, values)

        return {
            "label": model.labels[chosen],
            "example": picture(None),
            "steps": [
                {
                    "step": attention.step + 1,
                    "both": picture(attention.mean),
                    "content": picture(attention.content),
                    "position": picture(attention.position),
                }
                for attention in maps.attention
            ],
            "rollout": picture(maps.rollout),
            "saliency": picture(maps.saliency),
        }


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


def _overlay(config: Any, example: Any, values: Any) -> str:
    """Draw an example with values over it, as a data URL."""
    parts = max(1, len(getattr(config, "parts", ())))
    figure = new_figure(OVERLAY_INCHES, OVERLAY_INCHES * 0.75 * parts)
    modality_of(config).draw(figure, example, values, config)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=OVERLAY_DPI, bbox_inches="tight", pad_inches=0.04)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
