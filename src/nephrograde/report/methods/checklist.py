"""Reporting checklists, filled in where the run knows the whole answer and left to the author elsewhere.

The items are in ``checklists/*.json``: numbers and paraphrased topics of the published lists, with the source of each
list. An item names the facts that it ``needs``, those that are told ``also``, and what only the ``author`` knows; the
facts are in :mod:`nephrograde.report.methods.facts`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nephrograde.report.methods.design_methods import as_text, in_turn
from nephrograde.report.methods.facts import FACTS
from nephrograde.report.text.language import t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nephrograde.results import Results

FilledBy: TypeAlias = Literal["run", "author", "not met", "not applicable"]
LISTS = ("clear", "tripod-ai", "claim", "metrics", "probast-ai")


@dataclass(frozen=True, slots=True)
class FilledItem:
    """One item with its answer.

    ``filled_by`` is "run" only if every fact that the item needs is known; ``missing`` says in words what is not.
    ``where`` is the anchor of the report section with the details, or empty. ``weight`` is that of a scored list.
    """

    number: str
    section: str
    topic: str
    answer: str
    filled_by: FilledBy
    where: str
    missing: tuple[str, ...] = ()
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The score of a weighted list in percent: ``low`` from what the run shows, ``high`` with all open items met.

    >>> ScoreRange(41.2, 83.0, ("1", "2")).low
    41.2
    """

    low: float
    high: float
    open_items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checklist:
    """One list, filled in; ``read`` gives the source of its items, ``left_out`` what is not included."""

    key: str
    name: str
    citation: str
    read: str
    left_out: str
    items: tuple[FilledItem, ...]

    @property
    def n_run(self) -> int:
        """Number of items that the run has answered in full."""
        return sum(item.filled_by == "run" for item in self.items)

    @property
    def sections(self) -> list[tuple[str, list[FilledItem]]]:
        """The items under their headings, in the order of the list."""
        return [(heading, list(items)) for heading, items in groupby(self.items, key=lambda item: item.section)]

    @property
    def score(self) -> ScoreRange | None:
        """The range of the score; None for a list without weights.

        Items that do not apply are left out of the sum of weights, as the authors of METRICS do.
        """
        weights = [(item, item.weight) for item in self.items if item.weight and item.filled_by != "not applicable"]
        if not weights:
            return None
        whole = sum(weight for _, weight in weights)
        shown = sum(weight for item, weight in weights if item.filled_by == "run")
        possible = sum(weight for item, weight in weights if item.filled_by in {"run", "author"})
        open_items = tuple(item.number for item, _ in weights if item.filled_by == "author")
        return ScoreRange(100 * shown / whole, 100 * possible / whole, open_items)


def fill_checklists(run: Results) -> tuple[Checklist, ...]:
    """Fill CLEAR, TRIPOD+AI, CLAIM, METRICS and PROBAST+AI as far as the run can.

    A run knows what it did, not why a study was done, who approved it or how grades were assessed. An item is answered
    by the run only if everything that it asks is known; otherwise it is left to the author, with what is known and what
    is missing. No item is claimed to be fulfilled, but METRICS counts the answered ones.

    Args:
        run: The contents of the run folder.

    Returns:
        The lists in the language of the page.

    Source:
        Kocak 2023, Insights Imaging 14:75; Collins 2024, BMJ 385:e078378; Tejani 2024, Radiol Artif Intell 6:e240300;
        Kocak 2024, Insights Imaging 15:8; Moons 2025, BMJ 388:e082505.
    """
    return tuple(_fill(key, run) for key in LISTS)


@cache
def read_list(key: str) -> Mapping[str, Any]:
    """Read the items of one list from the package.

    >>> len(read_list("clear")["items"]), read_list("claim")["items"][19]["topic"]
    (58, 'Unit at which the partitions are disjoint')
    """
    path = resources.files("nephrograde.report") / "checklists" / f"{key}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _fill(key: str, run: Results) -> Checklist:
    content = read_list(key)
    return Checklist(
        key=key,
        name=content["name"],
        citation=content["citation"],
        read=t(content["read"]),
        left_out=t(content["left_out"]) if content["left_out"] else "",
        items=tuple(_fill_item(item, run) for item in content["items"]),
    )


def _fill_item(item: Mapping[str, Any], run: Results) -> FilledItem:
    heading = (item["number"], t(item["section"]), t(item["topic"]))
    weight = item.get("weight")
    if any(_condition(number, run) is False for number in item.get("conditions", ())):
        return FilledItem(*heading, t("Does not apply to this run."), "not applicable", "", weight=weight)
    known = {name: FACTS[name].tell(run) for name in (*item["needs"], *item["also"])}
    told = [text for text in known.values() if text]
    where = next((FACTS[name].where for name, text in known.items() if text), "")
    missing = [FACTS[name].name() for name in item["needs"] if not known[name]] + [t(text) for text in item["author"]]
    if item["needs"] and not missing:
        return FilledItem(*heading, as_text(told), "run", where, weight=weight)
    if any(known[name] for name in item.get("ruled_out_by", ())):
        return FilledItem(*heading, as_text(told), "not met", where, weight=weight)
    if item.get("is_of_run") and run.study is not None:
        told.append(t("Not in this run: {missing}.", missing=in_turn(missing)))
        return FilledItem(*heading, as_text(told), "not met", where, tuple(missing), weight)
    if missing:
        told.append(t("For the author: {missing}.", missing=in_turn(missing)))
    answer = as_text(told) or t("For the author.")
    return FilledItem(*heading, answer, "author", where, tuple(missing) or (heading[2],), weight)


def _condition(number: int, run: Results) -> bool | None:
    """Whether a condition of METRICS holds; None if the run does not know it.

    1: regions of interest are marked; 2: automatically; 3: hand-crafted features; 4: features in a table; 5: a network
    from the image to the grade. Who marked the tumours, a person or a tool, a run does not know.
    """
    if number == 2 or run.study is None:
        return None
    return "radiomics" in run.scores.models if number in {3, 4} else True
