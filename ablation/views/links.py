"""The pages of MLflow that are worth opening: all rows of a study side by side, and their curves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ablation.errors import AblateError
from ablation.grids import record as records
from ablation.grids.record import Record
from ablation.views import tracking
from ablation.views.runs import in_order
from ablation.workspace import Workspace

MOST = 100  # rows of one comparison: the page asks for each of them
PLAIN = {"plot_layout": {}, "x_axis": "step", "y_axis_scale": "linear", "line_smoothness": 1, "show_point": False,
         "deselected_curves": [], "last_linear_y_axis_range": []}  # fmt: skip  # what the page of curves must be told


@dataclass(frozen=True)
class Links:
    """Pages of one study. `compare`: its first MOST runs side by side, `runs` of them; `curves`: an epoch a point."""

    study: str
    experiment: str
    compare: str
    curves: str
    runs: int


def _page(base: str, path: str, **query: object) -> str:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    return f"{base}/#/{path}?" + "&".join(f"{name}={quote(text)}" for name, text in texts.items())


def _of(base: str, record: Record, experiment: str, runs: Sequence[str]) -> Links:
    """The parent is left out: it has no metrics, and with it the page shows none."""
    which = {"runs": list(runs), "experiments": [experiment]}
    curve = f"val_{record.grid.metric}"
    chosen = {"metric": json.dumps(curve), "plot_metric_keys": [curve]}
    return Links(
        record.name,
        _page(base, f"experiments/{experiment}/runs", workflowType="machine_learning"),
        _page(base, "compare-runs", **which),
        _page(base, "metric", **which, **chosen, **PLAIN),
        len(runs),
    )


def of(workspace: Workspace, uri: str | None, base: str, names: Sequence[str]) -> list[Links]:
    """Of each study that MLflow knows. `base`: where its pages are. Raises AblateError where it cannot be reached."""
    found = []
    for name in names:
        record = records.need(workspace, name)
        try:
            sender = tracking.connect(workspace, uri, name)
        except AblateError:
            raise
        except Exception as error:  # whatever MLflow, its database driver or the network raises
            raise AblateError(f"MLflow cannot be reached ({tracking.one_line(error)})") from None
        runs = in_order(record, sender.runs)[:MOST]
        if runs:
            found.append(_of(base, record, sender.experiment, runs))
    return found
