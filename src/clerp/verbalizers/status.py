"""How far a verbalization may be trusted, in one word and one line."""

from typing import Literal

from clerp.verbalizers.agreement import Agreement
from clerp.verbalizers.contrast import Contrast
from clerp.verbalizers.gates import Gates
from clerp.verbalizers.reconstruction import Reconstruction
from clerp.verbalizers.verbalization import InputKind

Status = Literal["unusable", "weak", "suggestive"]
"""`unusable`: most texts fail a gate, or the critic cannot give the residuals back from them;
`weak`: no more is known than that they are texts; `suggestive`: the critic gives the residuals
back, samples of one residual agree more than texts of other vectors, and examples of the feature
more than those of other features.

The word `corroborated` is kept for later: it takes a label's score on examples that were held out.
"""
FEWEST_FEATURES = 16
"""That something is said of, together, before examples of one are held against those of others."""
CHECKED_ON = "thresholds checked on a toy of known truth only, not on a released pair"


def choose_status(
    kind: InputKind,
    gates: Gates,
    reconstruction: Reconstruction | None,
    self_agreement: Agreement | None,
    example_agreement: Agreement | None,
    untested: str = "",
) -> Status:
    """Apply the rule; contrast is shown beside and decides nothing.

    Of a pair that nobody tried on this model, which `untested` says, nothing is more than weak.
    """
    if gates.is_shut or (reconstruction is not None and not reconstruction.beats_controls):
        return "unusable"
    if kind != "example" or reconstruction is None or untested:
        return "weak"
    if self_agreement is None or example_agreement is None:
        return "weak"
    both = self_agreement.beats_baseline and example_agreement.beats_baseline
    return "suggestive" if both else "weak"


def explain_status(
    kind: InputKind,
    gates: Gates,
    reconstruction: Reconstruction | None,
    self_agreement: Agreement | None,
    example_agreement: Agreement | None,
    contrast: Contrast | None,
    n_features: int | None = None,
    untested: str = "",
) -> str:
    """Return the status with its reasons and on what its thresholds were checked, as one line.

    Args:
        kind: What was described.
        gates: And the other signals, as `choose_status` takes them.
        reconstruction: None where it was not measured.
        self_agreement: None where there are too few texts.
        example_agreement: None likewise, or where there are too few features.
        contrast: None where there are no texts of inactive places.
        n_features: That there are, where these are too few for examples to be held against.
        untested: Why nobody knows whether the pair works on this model.
    """
    status = choose_status(kind, gates, reconstruction, self_agreement, example_agreement, untested)
    reasons = [str(gates)]
    if not gates.is_shut:
        reasons += [_explain_reconstruction(reconstruction)] if kind == "example" else []
        reasons += [
            _explain_agreement("samples of one vector", self_agreement),
            _explain_examples(example_agreement, n_features)
            if kind == "example"
            else f"one {_VECTORS[kind]} has no examples that could agree",
            *([] if contrast is None else [_explain_contrast(contrast)]),
            *([untested] if untested else []),
        ]
    return f"{status}: {'; '.join(reasons)}; {CHECKED_ON}"


_VECTORS = {"contrast": "difference of residuals", "decoder": "decoder direction"}


def _explain_reconstruction(reconstruction: Reconstruction | None) -> str:
    if reconstruction is None:
        return "whether the critic gives the residuals back is not known"
    control = reconstruction.mismatch_fve
    of_others = "no control" if control is None else f"of others {control:.2f}"
    told = f"FVE {reconstruction.fve:.2f} ({of_others})"
    return told if reconstruction.beats_controls else f"{told}, no better than its controls"


def _explain_agreement(what: str, agreement: Agreement | None) -> str:
    if agreement is None:
        return f"whether {what} agree is not known: too few texts"
    verb = "agree" if agreement.beats_baseline else "do not surely agree"
    return (
        f"{what} {verb} more than texts of {agreement.against} "
        f"(by {agreement.excess:.2f}, {agreement.low:.2f} to {agreement.high:.2f}, "
        f"p {agreement.p:.2g})"
    )


def _explain_examples(agreement: Agreement | None, n_features: int | None) -> str:
    if agreement is None and n_features is not None:
        return (
            "whether examples agree is not known: too few features to compare with "
            f"({n_features}, and it takes {FEWEST_FEATURES})"
        )
    return _explain_agreement("examples", agreement)


def _explain_contrast(contrast: Contrast) -> str:
    verb = "differ" if contrast.beats_chance else "do not surely differ"
    return (
        f"texts of active and inactive places {verb} (by {contrast.excess:.2f}, p {contrast.p:.2g})"
    )
