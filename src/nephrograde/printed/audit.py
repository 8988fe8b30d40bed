"""An audit of printed values: can any confusion table yield them, and can all models share one test set?

A paper prints the rounded measures of n patients. They derive from four whole numbers, so most combinations of decimals
cannot occur at all. If one cannot occur, the audit names what would explain it: another number of patients, a single
digit, or a value without which the others fit. It finds inconsistent numbers; it cannot say why they are inconsistent.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from nephrograde.printed.group_audit import GroupAudit, audit_group
from nephrograde.printed.wording.of_groups import audits_in_words
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nephrograde.printed.values import Printed


@dataclass(frozen=True, slots=True)
class Audits:
    """The audits of all groups of models; printing it gives the text of the command line."""

    groups: tuple[GroupAudit, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give ``groups`` as JSON has them, and the note that goes with everything nephrograde writes."""
        return {"note": RESEARCH_USE_ONLY, "groups": [audit.as_dict() for audit in self.groups]}

    def as_text(self) -> str:
        """Write all audits for the terminal, with an empty line between groups."""
        return audits_in_words(self.groups)

    def __str__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.as_text())}</pre>"


def audit_all(models: Sequence[Printed]) -> Audits:
    """Audit printed models group by group, in order of first appearance.

    Args:
        models: The models, as read from a table or the command line.

    Returns:
        One audit per group; models without a group form one group.
    """
    names = dict.fromkeys(printed.group for printed in models)
    groups = (audit_group([printed for printed in models if printed.group == name], name=name) for name in names)
    return Audits(tuple(groups))
