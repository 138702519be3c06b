"""All signals of how far to trust what was said of a feature, apart, each with its control.

They are never made one number. Over many features a p of .05 comes up by chance in one of twenty.
"""

from dataclasses import dataclass

from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.gates import Gates
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.status import Status, choose_status, explain_status
from clerp.verbalizers.verbalization import InputKind

_UNDEFINED = {
    "contrast": "a difference of residuals is no residual: what is given back has no FVE",
    "decoder": "a decoder direction is no residual: what is given back has no FVE",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """What supports the texts of one feature, and what does not."""

    gates: Gates
    reconstruction: Reconstruction | None
    """None for kinds that are no residuals, and where nobody measured it."""
    self_agreement: Agreement | None
    """Of samples of one vector; None where there are too few."""
    example_agreement: Agreement | None
    """Of examples of the feature; None where there are too few, too few features to compare with,
    or the kind has none."""
    contrast: Contrast | None
    """With inactive places; None where nothing is known of such."""
    status: Status
    status_line: str
    """The status, its reasons and on what its thresholds were checked."""
    notes: tuple[str, ...] = ()
    """What is not defined or not known, and why."""


def judge_trust(
    kind: InputKind,
    gates: Gates,
    *,
    reconstruction: Reconstruction | None = None,
    self_agreement: Agreement | None = None,
    example_agreement: Agreement | None = None,
    contrast: Contrast | None = None,
    n_features: int | None = None,
    untested: str = "",
    notes: tuple[str, ...] = (),
) -> Trust:
    """Put the signals together and say what they come to.

    Args:
        kind: What was described. Reconstruction counts for `example` alone.
        gates: Of all texts; the other signals are of those that pass.
        reconstruction: Of the texts.
        self_agreement: Of the samples of each vector.
        example_agreement: Of the examples, for `example` alone.
        contrast: With inactive places.
        n_features: That there are, where these are too few for examples to be held against.
        untested: Why nobody knows whether the pair works on this model; empty where a test says so.
        notes: What else to say.
    """
    if kind != "example":
        reconstruction, example_agreement = None, None
        notes = (_UNDEFINED[kind], *notes)
    deciding = (kind, gates, reconstruction, self_agreement, example_agreement)
    return Trust(
        gates=gates,
        reconstruction=reconstruction,
        self_agreement=self_agreement,
        example_agreement=example_agreement,
        contrast=contrast,
        status=choose_status(*deciding, untested),
        status_line=explain_status(*deciding, contrast, n_features, untested),
        notes=notes,
    )
