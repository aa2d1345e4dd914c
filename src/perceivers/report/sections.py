"""The sections of a report about predictions: scores, confusion, mistakes, doubtful labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..data.config import Task
from ..printing import formatted
from ..training.results import COLUMNS
from ..training.scores import LOSS, Score, scores_of
from .figures import (
    MAX_CLASSES,
    MAX_NUMBERS,
    calibration_plot,
    confusion_counts,
    confusion_picture,
    numbers_plots,
    png,
)
from .judge import LIKELY, Judged, calibration, confused, doubtful_labels
from .page import Safe, element, joined, label, paragraph, picture, table, text, tiles
from .pictures import Pictures, card, percent

MAX_MATRIX = 20  # classes of a confusion matrix with numbers
MAX_PAIRS = 20
MAX_ROWS = 1000  # of the table by class
WORST = 24
DOUBTFUL = 12
EXPLAINED = 2  # right and wrong examples each
MAX_SAID = 8  # labels or numbers that are named for one example


@dataclass(frozen=True)
class Subject:
    """What the sections are about."""

    judged: Judged
    """The predictions and the truth."""
    names: Sequence[str]
    """Names of the examples."""
    indices: Sequence[int]
    """Index of each in its split."""
    scores: Mapping[str, Any]
    """The scores, see `training.scoring.Scored`."""
    pictures: Pictures
    """Shows examples."""


def score_table(task: Task, names: Sequence[str], scores: Mapping[str, Any]) -> Safe:
    """Return the scores beside those of the baseline, the main ones in large.

    Args:
        task: task of the model.
        names: names of its outputs.
        scores: the scores, see `training.scoring.Scored`.
    """
    base = scores["baseline"]
    shown = [s for s in scores_of(task, names) if s.name in scores]
    large = [(s.title, _value(s, scores[s.name])) for s in shown if s.title != "top-5"]
    if shown and shown[0].name in base:
        large.append((f"{shown[0].title} of the baseline", _value(shown[0], base[shown[0].name])))
    constant = {
        "classification": _constant(scores, "support"),
        "multilabel": "the labels that at least half of the examples have, for every example",
        "regression": "the mean of the training examples, for every example",
        "reconstruction": "the mean of the scored examples, for every example",
        "segmentation": _constant(scores, "elements"),
        "flow": "nothing moves",
    }[task]
    rows = [
        [s.title, _value(s, scores[s.name]), _value(s, base[s.name]) if s.name in base else "-"]
        for s in (*shown, LOSS)
        if s.name in scores
    ]
    return joined(
        tiles(large),
        table(("score", "this model", "baseline"), rows),
        paragraph(f"Baseline: {constant}.", dim=True),
    )


def _constant(scores: Mapping[str, Any], count: str) -> str:
    """Describe the prediction of one class for all: whether others are as frequent.

    Args:
        scores: the scores of a split.
        count: score of a class that counts its examples or elements.
    """
    always = f"always “{scores['baseline'].get('label')}”"
    counts = [each.get(count, 0) for each in scores.get("by_label", {}).values()]
    equal = sum(x == max(counts) for x in counts)
    if equal <= 1:
        return f"{always}, the most frequent class"
    if equal == len(counts):
        return f"{always}; all classes are equally frequent"
    return f"{always}, one of the {equal:,} most frequent classes"


def _value(score: Score, value: float) -> str:
    return score.text(value)


def confusion(subject: Subject) -> Safe:
    """Return the confusion matrix, with numbers if it is small, and the most confused pairs."""
    judged = subject.judged
    names, parts = judged.names, []
    if len(names) <= MAX_MATRIX:
        parts += [_matrix(subject), paragraph("Rows: the truth; columns: what was said.", dim=True)]
    elif len(names) <= MAX_CLASSES:
        drawn = png(confusion_picture(confusion_counts(judged)))
        parts.append(picture(drawn, "confusion matrix of all classes"))
        parts.append(paragraph("Classes are numbered from 0, as in the table by class.", dim=True))
    pairs = confused(judged, MAX_PAIRS)
    if len(names) > 2 and pairs:
        support = judged.truth.bincount(minlength=len(names)).tolist()
        rows = [
            (label(names[p.truth]), label(names[p.said]), f"{p.count:,}",
             percent(p.count / support[p.truth]))
            for p in pairs
        ]  # fmt: skip
        head = ("truth", "said instead", "examples", "of the true class")
        parts += [element("h3", "Most confused"), table(head, rows)]
    return joined(*parts)


def _matrix(subject: Subject) -> Safe:
    names, counts = subject.judged.names, confusion_counts(subject.judged)
    heads = "".join(element("th", label(name), scope="col") for name in names)
    lines = []
    for row, (name, cells) in enumerate(zip(names, counts.tolist(), strict=True)):
        total = max(1, sum(cells))
        line = [element("th", label(name), scope="row")]
        for column, cell in enumerate(cells):
            red, green, blue = (31, 95, 174) if row == column else (200, 70, 30)
            share = (cell / total) ** 0.5 if cell else 0.0
            style = f"background: rgba({red}, {green}, {blue}, {share:.2f})"
            white = "; color: #fff" if share > 0.6 else ""
            line.append(element("td", f"{cell:,}" if cell else "", style=style + white))
        lines.append(element("tr", Safe("".join(line))))
    top = element("thead", element("tr", Safe(f"<th></th>{heads}")))
    body = element("tbody", joined(*lines))
    whole = element("table", joined(top, body), class_="matrix")
    return element("div", whole, class_="wide")


def by_label(scores: Mapping[str, Any], places: Mapping[str, int] = MappingProxyType({})) -> Safe:
    """Return the scores of each class, label or number.

    Args:
        scores: the scores, see `training.scoring.Scored`.
        places: number of each class in the picture of the confusion matrix, if there is one.
    """
    each: Mapping[str, Mapping[str, float]] = scores.get("by_label", {})
    names = [name for name in COLUMNS if any(name in scores for scores in each.values())]
    shown = list(each)
    note = paragraph("")
    if len(shown) > MAX_ROWS:
        shown = sorted(shown, key=lambda name: each[name].get("f1", 2.0))[:MAX_ROWS]
        note = paragraph(f"The {MAX_ROWS:,} of {len(each):,} with the lowest F1.", dim=True)
    rows = [
        [
            label(name),
            *([places[name]] if places else []),
            *(
                formatted(each[name][column], COLUMNS[column][1]) if column in each[name] else "-"
                for column in names
            ),
        ]
        for name in shown
    ]
    number = ["number"] if places else []
    return joined(table(("", *number, *(COLUMNS[name][0] for name in names)), rows), note)


def numbers_of(judged: Judged) -> dict[str, int]:
    """Return the numbers of the classes in the picture of the confusion matrix, if there is one."""
    drawn = judged.task == "classification" and MAX_MATRIX < len(judged.names) <= MAX_CLASSES
    return {name: number for number, name in enumerate(judged.names)} if drawn else {}


def calibration_section(subject: Subject) -> Safe:
    """Return the calibration plot and the expected calibration error."""
    found = calibration(subject.judged)
    what = (
        "the probability of the class that was said"
        if subject.judged.task == "classification"
        else "the probability of each label"
    )
    return joined(
        picture(png(calibration_plot(found)), "calibration plot"),
        paragraph(
            f"Expected calibration error: {found.error:.2%}. Confidence is {what}. Of predictions "
            "with a confidence of 80%, 80% should be right; a bar below the dashed line means that "
            "the model is too sure there. The error is the mean distance from the line, each of "
            "the 15 bins weighted by its number of predictions (arXiv 1706.04599)."
        ),
    )


def numbers(subject: Subject) -> Safe:
    """Return plots of predicted numbers against the truth."""
    count = len(subject.judged.names)
    more = f"The first {MAX_NUMBERS} of {count} numbers." if count > MAX_NUMBERS else ""
    drawn = picture(png(numbers_plots(subject.judged)), "predictions against the truth, and errors")
    return joined(drawn, paragraph(more, dim=True))


def mistakes(subject: Subject) -> Safe:
    """Return the worst mistakes, each with what was said and what is true."""
    judged = subject.judged
    worst = judged.worst(WORST)
    if not worst:
        return paragraph("There are none: every prediction is right.")
    count = int(judged.wrong.sum())
    order = {
        "classification": f"{count:,} of {len(judged.wrong):,} examples are wrong; first those "
        "whose true class has the lowest probability.",
        "multilabel": f"{count:,} of {len(judged.wrong):,} examples have a wrong label; first "
        "those with the highest loss.",
        "regression": "The largest errors, in standard deviations of the training data.",
    }[judged.task]
    cards = [_card(subject, row, _said(judged, row)) for row in worst]
    return joined(paragraph(order, dim=True), subject.pictures.grid(cards))


def doubtful(subject: Subject) -> Safe:
    """Return the examples whose label is probably wrong, and how that is decided."""
    judged = subject.judged
    if poor := _no_better(subject):
        return paragraph(
            f"Left out, because the model is no better than the baseline ({poor}): what it takes "
            "for more probable says nothing about the labels."
        )
    doubts = doubtful_labels(judged)
    how = paragraph(
        "Decided as in confident learning (arXiv 1911.00068): a label is doubtful if another class "
        "is more probable, and at least as probable as on average in the examples labelled with it"
        + (
            "; the presence and the absence of a label count as two classes. "
            if judged.task == "multilabel"
            else ". "
        )
        + "The surest come first. Look before you change one: the model may be the one that errs.",
        dim=True,
    )
    if not doubts:
        return joined(paragraph("None of this split."), how)
    cards = []
    for doubt in doubts[:DOUBTFUL]:
        name = judged.names[doubt.output]
        if judged.task == "classification":
            given = judged.names[int(judged.truth[doubt.index])]
            said = Safe(f"labelled <b>{label(given)}</b>, probably <b>{label(name)}</b>")
        else:
            has = bool(judged.truth[doubt.index, doubt.output])
            said = Safe(f"label <b>{label(name)}</b>: probably {'too many' if has else 'missing'}")
        sure = text(f" (more probable by {percent(doubt.margin)})")
        cards.append(_card(subject, doubt.index, Safe(said + sure)))
    what = "labels of" if judged.task == "multilabel" else "of"
    count = paragraph(f"{len(doubts):,} {what} {len(judged.wrong):,} examples.")
    return joined(count, how, subject.pictures.grid(cards))


def _no_better(subject: Subject) -> str:
    """Compare the main score with that of the baseline, if it is no better; else return ""."""
    main, scores = scores_of(subject.judged.task, subject.judged.names)[0], subject.scores
    own, base = scores.get(main.name), scores["baseline"].get(main.name)
    if own is None or base is None or own > base:
        return ""
    return f"{main.title} {main.text(own)} against {main.text(base)}"


def _card(subject: Subject, row: int, said: Safe) -> Safe:
    name = subject.names[row]
    shown = subject.pictures.show(subject.indices[row], name)
    return card(shown, element("div", said), element("div", name, class_="file"))


def _said(judged: Judged, row: int) -> Safe:
    """Say what was predicted for an example, and what is true."""
    values, names = judged.values[row], judged.names
    if judged.task == "classification":
        said, truth = int(judged.predicted[row]), int(judged.truth[row])
        if said == truth:
            return Safe(f"right: {_named(judged, row, said)}")
        return Safe(f"said {_named(judged, row, said)}, is {_named(judged, row, truth)}")
    lines = []
    if judged.task == "multilabel":
        true = judged.truth[row] == 1
        for words, chosen in (
            ("missed", true & (values < LIKELY)),
            ("wrongly said", ~true & (values >= LIKELY)),
            ("rightly said", true & (values >= LIKELY)),
        ):
            found = chosen.nonzero()[:, 0].tolist()[:MAX_SAID]
            if found:
                lines.append(f"{words}: {', '.join(_named(judged, row, k) for k in found)}")
        lines = lines or ["rightly said: none"]
    else:
        errors = (judged.values[row] - judged.truth[row]).tolist()
        for k, (name, error) in enumerate(zip(names[:MAX_SAID], errors, strict=False)):
            prefix = f"{label(name)}: " if len(names) > 1 else ""
            lines.append(
                f"{prefix}said <b>{formatted(float(values[k]), '.5g')}</b>, is "
                f"<b>{formatted(float(judged.truth[row, k]), '.5g')}</b> "
                f"({formatted(error, '+.4g')})"
            )
    return Safe("<br>".join(lines))


def _named(judged: Judged, row: int, output: int) -> Safe:
    """Return the name of an output with its probability for an example."""
    probability = percent(float(judged.values[row, output]))
    return Safe(f"<b>{label(judged.names[output])}</b> ({probability})")


def attention(subject: Subject) -> Safe:
    """Return maps of what the model looked at in a few right and wrong examples."""
    if why := subject.pictures.why_not_explained():
        return paragraph(f"Not drawn: {why}.", dim=True)
    judged = subject.judged
    chosen = [*judged.worst(EXPLAINED), *judged.samples(EXPLAINED)]
    cards = []
    for row in chosen:
        maps = subject.pictures.explain(subject.indices[row], subject.names[row])
        said = element("div", _said(judged, row))
        file = element("div", subject.names[row], class_="file")
        cards.append(card(maps, said, file, kind="card maps"))
    note = paragraph(
        "Attention roll-out follows the attention weights through all layers; saliency is the "
        "gradient of the output with respect to each element. A linear model, if the model reads "
        "the outputs of one, has a map of what it finds for the output. "
        f"{subject.pictures.shading} "
        "perceivers explain draws all maps of one file, and tests whether they mean anything.",
        dim=True,
    )
    return joined(note, *cards)
