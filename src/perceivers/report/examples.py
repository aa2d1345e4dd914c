"""What a report shows of a model that gives one row of outputs for each example."""

from . import sections
from .judge import Judged, judge
from .outcome import Makers, Outcome, TaskReport
from .predictions import prediction_rows
from .sections import Subject

NOUNS = {"classification": "class", "multilabel": "label", "regression": "number"}


def _judged(outcome: Outcome) -> Judged:
    return judge(outcome.model, outcome.scored.outputs, outcome.scored.labels)


def example_sections(outcome: Outcome) -> Makers:
    """Return the sections of the report.

    Args:
        outcome: what was scored.
    """
    judged, scores = _judged(outcome), outcome.scored.scores
    indices = outcome.scored.indices.tolist()
    subject = Subject(judged, outcome.names, indices, scores, outcome.pictures)
    makers: Makers = [
        ("Scores", lambda: sections.score_table(judged.task, judged.names, scores)),
    ]
    if judged.task == "classification":
        makers.append(("Confusion", lambda: sections.confusion(subject)))
    if scores.get("by_label"):
        places = sections.numbers_of(judged)
        makers.append((f"By {NOUNS[judged.task]}", lambda: sections.by_label(scores, places)))
    if judged.task == "regression":
        makers.append(("Predictions", lambda: sections.numbers(subject)))
    else:
        makers.append(("Calibration", lambda: sections.calibration_section(subject)))
    makers.append(("Worst mistakes", lambda: sections.mistakes(subject)))
    if judged.task != "regression":
        makers.append(("Labels to check", lambda: sections.doubtful(subject)))
    makers.append(("What it looked at", lambda: sections.attention(subject)))
    return makers


EXAMPLES = TaskReport(
    lambda outcome: prediction_rows(_judged(outcome), outcome.file_names),
    example_sections,
)
