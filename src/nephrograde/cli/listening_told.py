"""What a listener tells, in the language of the terminal; no line names a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nephrograde.report.text.language import t
from nephrograde.report.text.messages import told

if TYPE_CHECKING:
    from nephrograde.exchange.events import Event


def event_in_words(event: Event) -> str:
    """Say what happened in a line.

    Args:
        event: What happened.
    """
    values = dict(event.values)
    sentence = {
        "listening": t("Listening as {aet} on {host}:{port}. Research use only.", **_named(values, "aet host port")),
        "refused": t("Refused: {peer}", **_named(values, "peer")),
        "full": t("No room on the disk or in memory ({what}): nothing more is accepted.", **_named(values, "what")),
        "received": t("{n} images, complete", **_named(values, "n")),
        "grading": t("grading"),
        "graded": t("graded"),
        "sent": t("{n} results sent", **_named(values, "n")),
        "postponed": t("not sent yet: {what}", what=told(str(values.get("what", "")))),
        "failed": t("failed: {what}", what=told(str(values.get("what", "")))),
        "unusable": t(
            "nothing is graded, and it is tried again in {seconds} s: {what}",
            seconds=f"{values.get('seconds', 0):g}",
            what=told(str(values.get("what", ""))),
        ),
        "worker-ended": t("The grading process has ended and is started again."),
        "removed": t("{n} series removed that were kept long enough", **_named(values, "n")),
        "ended": t("Ended."),
    }[event.kind]
    return f"{event.key[:12]}{t(': ')}{sentence}" if event.key else sentence


def _named(values: dict[str, object], names: str) -> dict[str, object]:
    return {name: values.get(name, "") for name in names.split()}
