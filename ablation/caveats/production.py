"""What a row does on images that the study has never seen."""

from ablation.caveats.caveat import Caveat, listed, percent, points, sentence
from ablation.caveats.known import Known
from ablation.results.elsewhere import Elsewhere


def shift(known: Known) -> Caveat | None:
    """Less than on test, beyond what the numbers of images allow."""
    worse = [each for each in known.findings.elsewhere if each.drop.high < 0]
    if not worse:
        return None
    return Caveat(
        "SHIFT",
        f"{sentence(listed(_said(each) for each in worse))}.",
        "The test images are nearer to the train images than these are: test accuracy does not say what the network "
        "does there.",
        "State this number beside test accuracy; look for subjects that cross splits, for other light and cropping, "
        "and for another mix of classes.",
        tuple(sorted({each.row for each in worse})),
    )


def _said(each: Elsewhere) -> str:
    here, drop = each.accuracy, each.drop
    return (
        f"on {each.place}, row {each.row} is right for {percent(here.value)} of {each.images:,} images, "
        f"{points(-drop.value)} less than on test (95% interval {points(-drop.high)} to {points(-drop.low)})"
    )
