"""One finding of an examination."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How serious a finding is; only ``FAILED`` means that the package does not work here."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        section: What it belongs to, such as "Packages".
        name: What was looked at, such as "torch".
        state: How serious it is.
        what: What was found, in English; :func:`nephrograde.report.text.messages.told` translates it.
        remedy: What to do, in English; empty if there is nothing.
    """

    section: str
    name: str
    state: State
    what: str
    remedy: str = ""
