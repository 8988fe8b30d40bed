from __future__ import annotations

import dataclasses
import math
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.calibration.calibration import CalibrationPoint
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.ledger import Opening
from nephrograde.evaluation.performance.metrics import Estimate
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.evaluation.remarks import Reason, Verdict
from nephrograde.evaluation.scores.scores import Scores
from nephrograde.report.figures.curves import draw_evidence_figures
from nephrograde.report.pages.page import Numbering
from nephrograde.report.tables.evidence import evidence_sections, shared_notes
from nephrograde.report.tables.out_of_fold import out_of_fold_words
from nephrograde.report.tables.wording import split_words
from nephrograde.report.text.baselines import only_baseline
from nephrograde.report.text.language import catalogue, speaking, spoken, translated
from nephrograde.report.text.numbers import decimal
from nephrograde.results import Results

if TYPE_CHECKING:
    from pathlib import Path

NAN = math.nan
ANCHORS = ["evidence-images", "slices", "equivalence", "calibration", "benefit", "opinions", "subgroups", "ledger"]


class Fragment(HTMLParser):
    """The tags and the text of a piece of a page; a tag closed out of turn fails at once."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))


def render(record: Results, tables: dict[str, Any] | None) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=PackageLoader("nephrograde.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(decimal=decimal)
    said = lambda sentence, **values: escape(translated(sentence)).format(**values)  # noqa: E731
    environment.globals.update(t=said, numbering=Numbering(), only_baseline=only_baseline, shared_notes=shared_notes)
    contents: dict[str, Any] = {"run": record, "study": record.study, "synthetic": "SYNTHETIC DATA", "figures": {}}
    contents["top_names"] = []
    contents |= {"language": spoken(), "split_words": split_words(record)}
    contents |= {"without_test": out_of_fold_words(record)}
    if tables is not None:
        record = dataclasses.replace(record, **NO_TABLES | tables)
        drawings = draw_evidence_figures(record)
        figures = {name: {"svg": Markup(one.inline), "drawing": one} for name, one in drawings.items()}  # noqa: S704
        contents |= {"evidence": evidence_sections(record), "figures": figures}
    return environment.get_template("evidence.html.j2").render(**contents)


NO_TABLES: dict[str, Any] = dict.fromkeys(("equivalences", "calibration", "net_benefit", "subgroups", "openings"), ())


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    """The whole run with ten times as many patients, enough for calibration curves."""
    run = Results.read(whole_run)
    rows = (dataclasses.replace(row, patient_id=f"{row.patient_id}-{k}") for k in range(10) for row in run.scores.rows)
    return dataclasses.replace(run, scores=Scores(tuple(rows)))


@pytest.fixture(scope="module")
def evidence() -> dict[str, Any]:
    names = ("weak-1-cmp", "strong-cmp", "size")
    curve = [CalibrationPoint(name, "test", p, p, p - 0.1, p + 0.1) for name in names for p in (0.2, 0.7)]
    benefit = [BenefitPoint(name, "test", p, 0.3 - p / 2, 0.4 - p, 12, 5) for name in names for p in (0.1, 0.5)]
    pair = Equivalence(
        "weak-1-cmp",
        "strong-cmp",
        0.05,
        -0.02,
        -0.08,
        0.04,
        0.2,
        0.03,
        0.2,
        0.09,
        12345,
        12,
        5,
        "DeLong",
        verdict=Verdict.UNDECIDED,
    )
    missing: dict[str, Any] = dict.fromkeys(
        ("difference", "low", "high", "p_a_not_worse", "p_equivalent", "detectable"), NAN
    )
    other = dataclasses.replace(pair, model_b="size", reason=Reason.RANKED_ALIKE, patients_needed=0, **missing)
    return {
        "equivalences": (pair, other),
        "calibration": tuple(curve),
        "net_benefit": tuple(benefit),
        "subgroups": tuple(
            SubgroupEstimate(name, "test", "size_cm", group, 6, 3, auc, auc - 0.1, auc + 0.1, 0.0004, "one grade only")
            for name in names
            for group, auc in (("≤ 4 cm", 0.8), ("> 4 cm", NAN))
        ),
        "openings": (Opening("2026-05-04T09:30:00+00:00", "ab" * 32, "first <b>look</b>", "nephrograde run", "i"),),
    }


@pytest.fixture(scope="module")
def measured(record: Results) -> Results:
    rows = [
        (name, "test", Estimate(measure, value, value - 0.1, value + 0.1, 12, 5, "method"))
        for name in ("weak-1-cmp", "size")
        for measure, value in (("brier", 0.2), ("calibration_slope", 0.9), ("auc_bootstrap", 0.8), ("ppv", NAN))
    ]
    return dataclasses.replace(record, estimates=(*record.estimates, *rows))


def test_sections_stand_in_order_and_every_tag_is_closed(measured: Results, evidence: dict[str, Any]) -> None:
    page = Fragment(render(measured, evidence))
    assert page.open == []
    assert [name for name in page.ids if name in ANCHORS] == ANCHORS
    assert len(set(page.ids)) == len(page.ids)


def test_tables_and_figures_are_numbered_through(measured: Results, evidence: dict[str, Any]) -> None:
    text = Fragment(render(measured, evidence)).text
    tables = [int(number) for number in re.findall(r"Table (\d+)\.", text)]
    assert tables == list(range(1, len(tables) + 1))
    assert len(tables) == 12
    assert re.findall(r"Figure (\d+)\.", text) == ["1", "2"]


def test_numbers_are_printed_as_journals_do(measured: Results, evidence: dict[str, Any]) -> None:
    text = Fragment(render(measured, evidence)).text
    assert "−0.020 [−0.080 to 0.040]0.200.20undecided0.09012,345" in text
    assert "0.800 [0.700–0.900]" in text
    assert "<0.001" in text
    assert "0.000<" not in text
    assert "nan" not in text
    assert "P > 0.05 in a test for a difference does not mean equivalence" in text
    assert "Subgroup analyses are exploratory" in text
    assert "opened once" in text


def test_words_of_a_run_are_escaped(measured: Results, evidence: dict[str, Any]) -> None:
    html = render(measured, evidence)
    assert "first &lt;b&gt;look&lt;/b&gt;" in html
    assert "both models rank the patients identically" in html


def test_page_without_evidence_says_nothing(record: Results) -> None:
    assert render(record, None).strip() == ""


def test_folder_without_the_files_has_its_comparisons_and_the_ledger(record: Results) -> None:
    earlier = dataclasses.replace(
        record, estimates=tuple(row for row in record.estimates if row[2].measure in {"auc", "tp"})
    )
    page = Fragment(render(earlier, {}))
    assert [name for name in page.ids if name in ANCHORS] == ["evidence-images", "slices", "ledger"]
    assert "has no ledger" in page.text


def test_one_model_alone_is_rendered(measured: Results, evidence: dict[str, Any]) -> None:
    rows = tuple(row for row in measured.scores.rows if row.model == "strong-cmp")
    alone = dataclasses.replace(measured, scores=Scores(rows), comparisons=(), study=None)
    page = Fragment(render(alone, {**evidence, "equivalences": ()}))
    assert page.open == []
    assert {"calibration", "benefit", "subgroups", "ledger"} <= set(page.ids)
    assert not {"evidence-images", "slices", "equivalence"} & set(page.ids)


def test_without_a_study_the_pairs_are_called_so(measured: Results, evidence: dict[str, Any]) -> None:
    text = Fragment(render(dataclasses.replace(measured, study=None), evidence)).text
    assert "Every pair of models: difference in AUC (A − B)" in text
    assert "The other" not in text


def test_page_is_chinese_throughout(measured: Results, evidence: dict[str, Any]) -> None:
    with speaking("zh"):
        page = Fragment(render(measured, evidence))
    assert page.open == []
    for words in ("影像的增量价值", "皮髓质期", "校准", "决策曲线", "亚组分析为探索性", "测试集仅启用1次", "无法判定"):
        assert words in page.text
    own = [english for english in catalogue("zh") if len(english) > 20 and english.split("{")[0][:20].strip()]
    assert not [english for english in own if english in page.text]
