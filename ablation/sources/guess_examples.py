"""Columns of examples: whether the lines of a source are examples of runs, and what their columns probably are."""

from dataclasses import dataclass, field

import pandas as pd

from ablation.sources.fields import last_word
from ablation.sources.runs import Runs

IDS = ("example_id", "example", "question_id", "question", "item_id", "item", "sample_id", "sample", "qid", "uid", "id",
       "idx", "index", "instance", "instance_id", "prompt_id", "doc_id", "task_id")  # fmt: skip
LABELS = (
    "label",
    "gold",
    "target",
    "y_true",
    "true_label",
    "ground_truth",
    "truth",
    "true",
    "gt",
    "actual",
    "expected",
)
PREDICTED = ("predicted", "prediction", "pred", "y_pred", "predicted_label", "pred_label", "yhat", "output")
SCORES = ("correct", "is_correct", "right", "is_right", "hit", "ok", "exact_match", "em", "passed", "pass", "success",
          "score", "f1", "bleu", "rouge", "error", "loss", "iou", "dice")  # fmt: skip
GROUPS = ("group", "topic", "subject", "person", "patient", "speaker", "category", "document", "doc", "user", "site")
CLASSES = 50  # whole numbers with more values are amounts


@dataclass(frozen=True)
class ExampleColumns:
    """Columns of examples. `example`: field of the id, "" where no field looks like one.

    `columns`: label, predicted -> field. `scores`: fields with a number an example. `group`: field of a group, "" for
    none. `own`: other fields that differ between examples, not between runs. `task`: as in [experiment], "" where the
    columns say it.
    """

    example: str
    columns: dict[str, str] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    group: str = ""
    own: tuple[str, ...] = ()
    task: str = ""


def example_columns(runs: Runs) -> ExampleColumns | None:
    """Return the columns of examples; None where the lines are no examples.

    Lines are examples where they have a label and a prediction, or an id that repeats and a number a line.
    """
    names = [str(name) for name in runs.frame.columns]
    words = {name: last_word(name) for name in names}
    label, predicted = (_first(words, of) for of in (LABELS, PREDICTED))
    example = next((name for word in IDS for name in names if words[name] == word and _repeats(runs.frame[name])), "")
    scores = tuple(name for name in names if words[name] in SCORES and runs.frame[name].dtype.kind in "ifb")
    if label and predicted:
        example = example or _first(words, IDS)
        columns, scores = {"label": label, "predicted": predicted}, ()
    elif example and scores:
        columns = {}
    else:
        return None
    own = _of_examples(runs.frame, example, [n for n in names if n not in (example, *columns.values(), *scores)])
    group = next((name for word in GROUPS for name in own if words[name] == word), "")
    return ExampleColumns(example, columns, scores, group, own, _task(runs.frame, columns))


def _first(words: dict[str, str], of: tuple[str, ...]) -> str:
    return next((name for word in of for name, last in words.items() if last == word), "")


def _repeats(column: pd.Series) -> bool:
    """Return whether the ids are of several examples, and occur in two runs at least."""
    n_values = column.nunique()
    return bool(2 <= n_values <= len(column) / 2) and bool(column.value_counts().min() > 1)


def _of_examples(frame: pd.DataFrame, example: str, others: list[str]) -> tuple[str, ...]:
    """Return the fields that each example has one value of, and runs several."""
    if not example:
        return ()
    by_example = frame.groupby(example, sort=False)
    texts = {name: frame[name].astype(str) for name in others}
    return tuple(
        name for name, cells in texts.items()
        if cells.nunique() > 1 and bool((cells.groupby(by_example.ngroup()).nunique() == 1).all())
    )  # fmt: skip


def _task(frame: pd.DataFrame, columns: dict[str, str]) -> str:
    """Return the task of whole numbers as label and prediction, which may be classes or amounts."""
    if not columns or any(frame[name].dtype.kind != "i" for name in columns.values()):
        return ""
    return "classes" if frame[columns["label"]].nunique() <= CLASSES else "numbers"
