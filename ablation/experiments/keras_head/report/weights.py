"""Warning about random weights in the place of pretrained ones."""

from ablation.analysis.check_context import CheckContext
from ablation.model.diagnostic import Diagnostic
from ablation.model.phrases import listed, sentence, which


def replaced(context: CheckContext) -> Diagnostic | None:
    """Warn where random weights replace pretrained weights that were not available."""
    names = context.record.inputs.replaced
    if not names:
        return None
    rows = [n for n, r in enumerate(context.grid.rows, start=1) if f"{r.backbone}/{r.weights}" in names]
    backbones = sorted({name.partition("/")[0] for name in names})
    return Diagnostic(
        "WEIGHTS_REPLACED",
        f"{sentence(which(rows, 'uses', 'use'))} random weights: the ImageNet weights of {listed(backbones)} were "
        "not available.",
        "A random backbone extracts other features, so these accuracies say nothing about pretrained ones.",
        "Connect to the internet once, or pass --set weights=PATH, and run the study with a new --name.",
        tuple(rows),
    )


CHECKS = {"WEIGHTS_REPLACED": replaced}
