"""All signals of how far to trust what was said of a feature, apart, each with its control.

They are never made one number. Over many features a p of .05 comes up by chance in one of twenty:
`clerp.router.significance.q_values` of their p says at which false discovery rate each stands.
"""

from dataclasses import asdict, dataclass

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
    """Of examples of the feature; None where there are too few, or the kind has none."""
    contrast: Contrast | None
    """With inactive places; None where nothing is known of such."""
    status: Status
    status_line: str
    """The status, its reasons and on what its thresholds were checked."""
    notes: tuple[str, ...] = ()
    """What is not defined or not known, and why."""

    def to_record(self) -> dict[str, str | float | int | bool | None]:
        """Return flat plain values: `self_agreement.p`, `gates.n_usable`, `status`."""
        record: dict[str, str | float | int | bool | None] = {
            "status": self.status,
            "status_line": self.status_line,
            "gates": str(self.gates),
            "gates.n_texts": self.gates.n_texts,
            "gates.n_usable": self.gates.n_usable,
        }
        for name in ("reconstruction", "self_agreement", "example_agreement", "contrast"):
            signal: Reconstruction | Agreement | Contrast | None = getattr(self, name)
            if signal is not None:
                values = asdict(signal)
                values.pop("kept", None)
                record |= {f"{name}.{key}": value for key, value in values.items()}
        kept = () if self.contrast is None else self.contrast.kept
        record |= {f"contrast.kept.{place}": claim.text for place, claim in enumerate(kept)}
        return record | {f"notes.{place}": note for place, note in enumerate(self.notes)}


def judge_trust(
    kind: InputKind,
    gates: Gates,
    *,
    reconstruction: Reconstruction | None = None,
    self_agreement: Agreement | None = None,
    example_agreement: Agreement | None = None,
    contrast: Contrast | None = None,
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
        status=choose_status(*deciding),
        status_line=explain_status(*deciding, contrast),
        notes=notes,
    )
