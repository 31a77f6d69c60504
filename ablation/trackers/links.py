"""Links to pages of MLflow: the rows of a study side by side, and their curves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ablation.errors import AblateError
from ablation.store import record as records
from ablation.store.record import Record
from ablation.store.workspace import Workspace
from ablation.trackers import mlflow_sender
from ablation.trackers.mlflow_runs import in_order

MOST = 100  # rows of one comparison: the page sends one request per row
PLAIN = {"plot_layout": {}, "x_axis": "step", "y_axis_scale": "linear", "line_smoothness": 1, "show_point": False,
         "deselected_curves": [], "last_linear_y_axis_range": []}  # fmt: skip  # parameters of the page of curves


@dataclass(frozen=True)
class Links:
    """Links to the pages of one study.

    Args:
        study: Name of the study.
        experiment: Page of the experiment.
        compare: Page with the first MOST runs side by side.
        curves: Page with the curves of these runs, one point per epoch.
        runs: Number of these runs.
    """

    study: str
    experiment: str
    compare: str
    curves: str
    runs: int


def _page(base: str, path: str, **query: object) -> str:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    return f"{base}/#/{path}?" + "&".join(f"{name}={quote(text)}" for name, text in texts.items())


def _of(base: str, record: Record, experiment: str, runs: Sequence[str]) -> Links:
    """Return the links of one study. `runs` excludes the parent: with the parent, the page shows no metrics."""
    selected = {"runs": list(runs), "experiments": [experiment]}
    curve = f"val_{record.grid.metric}"
    metric = {"metric": json.dumps(curve), "plot_metric_keys": [curve]}
    return Links(
        record.name,
        _page(base, f"experiments/{experiment}/runs", workflowType="machine_learning"),
        _page(base, "compare-runs", **selected),
        _page(base, "metric", **selected, **metric, **PLAIN),
        len(runs),
    )


def of(workspace: Workspace, uri: str | None, base: str, names: Sequence[str]) -> list[Links]:
    """Return the links of each study that MLflow has.

    Args:
        workspace: Workspace of the studies.
        uri: Tracking URI of MLflow; None for the workspace's own database.
        base: URL of MLflow's pages.
        names: Names of the studies.

    Raises:
        AblateError: MLflow cannot be reached.
    """
    links = []
    for name in names:
        record = records.need(workspace, name)
        try:
            sender = mlflow_sender.connect(workspace, uri, name)
        except AblateError:
            raise
        except Exception as error:  # any error of MLflow, its database driver or the network
            raise AblateError(f"MLflow cannot be reached ({mlflow_sender.one_line(error)})") from None
        runs = in_order(record, sender.runs)[:MOST]
        if runs:
            links.append(_of(base, record, sender.experiment, runs))
    return links
