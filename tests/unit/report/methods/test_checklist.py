"""The checklists: as published, and filled in with what the run knows."""

from __future__ import annotations

import dataclasses
import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from nephrograde.cohort.split import Split
from nephrograde.evaluation.calibration.benefit import BenefitPoint
from nephrograde.evaluation.comparison.equivalence import Equivalence
from nephrograde.evaluation.ledger import Opening
from nephrograde.evaluation.performance.subgroup import SubgroupEstimate
from nephrograde.report.methods.checklist import LISTS, Checklist, fill_checklists, read_list
from nephrograde.report.methods.design_methods import as_text
from nephrograde.report.methods.facts import FACTS
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.pages.page import Numbering
from nephrograde.report.text.language import catalogue, speaking, t
from nephrograde.report.text.numbers import NOTHING, counted, decimal
from nephrograde.results import Results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.study import Study


@pytest.fixture(scope="module")
def record(whole_run: Path) -> Results:
    return Results.read(whole_run)


@pytest.fixture
def complete(whole_run: Path) -> Results:
    """A run that can answer everything: with further statistics, a ledger, and cards that count patients."""
    pair = Equivalence("a", "b", 0.05, 0.01, -0.02, 0.04, 0.01, 0.02, 0.02, 0.081, 300, 12, 6, "paired DeLong")
    part = SubgroupEstimate("a", "test", "sex", "male", 6, 3, 0.8, 0.6, 1.0, 0.3, "DeLong")
    found = Results.read(whole_run)
    fits = tuple(
        dataclasses.replace(fit, card={**fit.card, "n_learn": 14 + fit.fold, "n_stop": 4, "n_held_out": 9})
        for fit in found.fits
    )
    return dataclasses.replace(
        found,
        fits=fits,
        equivalences=(pair,),
        subgroups=(part,),
        net_benefit=(BenefitPoint("a", "test", 0.05, 0.2, 0.1, 12, 6),),
        openings=(Opening("2026-05-04T09:30:00+00:00", "s", "first evaluation", "nephrograde run", "1"),),
    )


def answer(checklists: tuple[Checklist, ...], key: str, number: str) -> str:
    chosen = next(filled for filled in checklists if filled.key == key)
    return next(item.answer for item in chosen.items if item.number == number)


@pytest.mark.parametrize(
    ("key", "numbers"),
    [("clear", [str(k) for k in range(1, 59)]), ("claim", [str(k) for k in range(1, 45)])],
)
def test_plain_lists_hold_every_published_number(key: str, numbers: list[str]) -> None:
    assert [item["number"] for item in read_list(key)["items"]] == numbers
    assert read_list(key)["published"] == len(numbers)


def test_tripod_ai_holds_27_items_in_52_parts() -> None:
    numbers = [item["number"] for item in read_list("tripod-ai")["items"]]
    parts = {"3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg", "18": "abcdef"}
    parts |= {"20": "abc", "23": "ab", "27": "abc"}
    assert numbers == [f"{k}{part}" for k in range(1, 28) for part in parts.get(str(k), [""])]
    assert len(numbers) == 52


def test_metrics_holds_30_items_whose_weights_sum_to_one_and_probast_ai_34_questions() -> None:
    items = read_list("metrics")["items"]
    assert [item["number"] for item in items] == [str(k) for k in range(1, 31)]
    assert sum(item["weight"] for item in items) == pytest.approx(1, abs=0.001)
    assert {number for item in items for number in item["conditions"]} == {1, 2, 3, 4, 5}
    numbers = [item["number"] for item in read_list("probast-ai")["items"]]
    shared = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "3.1", "3.2", "3.3", "3.4"]
    assert numbers == [
        *(f"D {number}" for number in [*shared, *(f"4.{k}" for k in range(1, 6))]),
        *(f"E {number}" for number in [*shared, *(f"4.{k}" for k in range(1, 8))]),
    ]


def test_every_fact_is_used_and_every_list_is_there() -> None:
    items = [item for key in LISTS for item in read_list(key)["items"]]
    used = {name for item in items for name in (*item["needs"], *item["also"], *item.get("ruled_out_by", ()))}
    assert used == set(FACTS)
    folder = resources.files("nephrograde.report") / "checklists"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{key}.json" for key in LISTS)


def test_every_list_says_where_it_was_read() -> None:
    for key in LISTS:
        content = read_list(key)
        assert "doi:10." in content["citation"]
        assert "read" in content["read"]


def test_an_item_that_needs_the_author_is_never_complete(complete: Results) -> None:
    for filled in fill_checklists(complete):
        for item, source in zip(filled.items, read_list(filled.key)["items"], strict=True):
            assert item.number == source["number"]
            if source["author"] or not source["needs"]:
                assert item.filled_by != "run", (filled.key, item.number)
            if item.filled_by == "author":
                assert item.missing, (filled.key, item.number)
                assert all(words in item.answer for words in source["author"])


def test_facts_are_those_of_the_run(complete: Results) -> None:
    checklists = fill_checklists(complete)
    assert "Synthetic: all patients" in answer(checklists, "claim", "7")
    assert "seed 20260415" in answer(checklists, "clear", "15")
    assert "Patients with an empty cell, by column: age_years 1 and size_cm 2." in answer(checklists, "claim", "12")
    assert "trained on 14–16 patients, with 4 for early stopping, and scored 9 held-out patients." in answer(
        checklists, "tripod-ai", "21"
    )
    assert "80% power is 0.081." in answer(checklists, "tripod-ai", "10")
    assert "The weights of 27 networks" in answer(checklists, "clear", "57")
    assert "Machine: a processor, 2 cores, Linux." in answer(checklists, "claim", "23")
    assert "The command: nephrograde run … --set fit.epochs=4." in answer(checklists, "clear", "56")
    assert answer(checklists, "clear", "8") == "For the author."
    assert answer(checklists, "clear", "57").endswith("For the author: where the models are shared.")


def test_errors_and_performance_come_from_the_estimates(complete: Results) -> None:
    checklists = fill_checklists(complete)
    counts = {measure: complete.estimate("weak-1-cmp", measure) for measure in ("fp", "fn", "auc")}
    wrong, auc = answer(checklists, "claim", "39"), counts["auc"]
    assert counts["fp"] is not None
    assert counts["fn"] is not None
    assert auc is not None
    assert f"weak-1-cmp {counts['fp'].value:.0f} and {counts['fn'].value:.0f};" in wrong
    told = answer(checklists, "claim", "37")
    assert told.startswith("AUC on the test set (95% interval): ")
    assert f"weak-1-cmp {auc.value:.3f} ({auc.low:.3f} to {auc.high:.3f})" in told


def test_without_a_test_set_the_numbers_are_called_out_of_fold(record: Results) -> None:
    rows = tuple(row for row in record.scores.rows if row.split == "oof")
    changed = dataclasses.replace(record, scores=dataclasses.replace(record.scores, rows=rows))
    assert answer(fill_checklists(changed), "claim", "37").startswith("AUC on out-of-fold training predictions")


def test_real_patients_come_from_their_table(record: Results, make_study: Callable[..., Study]) -> None:
    real = dataclasses.replace(record, study=make_study(synthetic=False))
    assert f"cohort table with the SHA-256 {'ab' * 32}" in answer(fill_checklists(real), "claim", "7")


def test_a_named_test_set_is_not_called_internal(record: Results, make_study: Callable[..., Study]) -> None:
    named = dataclasses.replace(record, study=make_study(split={"folds": 3, "column": "site"}))
    assert "Internal" in answer(fill_checklists(record), "claim", "32")
    assert "Internal" not in answer(fill_checklists(named), "claim", "32")


def test_unknown_facts_are_not_told(record: Results) -> None:
    full = tuple({name: value or "1" for name, value in case.items()} for case in record.cases)
    no_gap = dataclasses.replace(record, cases=full)
    assert "had no empty cells" in answer(fill_checklists(no_gap), "claim", "12")
    bare = dataclasses.replace(record, lock={}, estimates=(), fits=(), split=Split({}), cases=())
    for name in ("performance", "wrong_calls", "fitted_patients", "code", "machine", "model_files", "disjoint"):
        assert FACTS[name].tell(bare) == "", name
    installed = dataclasses.replace(record, lock={"versions": {"nephrograde": "1"}})
    assert FACTS["code"].tell(installed) == "The analysis was run with nephrograde 1."


def test_sections_keep_the_order_of_the_list(record: Results) -> None:
    for filled in fill_checklists(record):
        assert [item for _, items in filled.sections for item in items] == list(filled.items)


def test_every_topic_and_section_is_known_in_chinese() -> None:
    known = catalogue("zh")
    for key in LISTS:
        content = read_list(key)
        texts = [content["read"], *filter(None, [content["left_out"]])]
        texts += [item[field] for item in content["items"] for field in ("section", "topic")]
        texts += [words for item in content["items"] for words in item["author"]]
        assert not [text for text in texts if text not in known]


def test_chinese_answers_have_no_english_sentence(complete: Results) -> None:
    with speaking("zh"):
        checklists = fill_checklists(complete)
    for filled in checklists:
        for item in filled.items:
            plain = item.answer.replace("nephrograde run study.toml --set", "")
            assert re.search(r"[一-龥]", item.answer), item
            assert not re.search(r"(?:[A-Za-z]{2,} ){3}", plain), item


@pytest.fixture
def render() -> Callable[..., str]:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("nephrograde.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters.update(decimal=decimal, counted=counted)
    environment.globals.update(
        t=t, numbering=Numbering(tables=4), language="en", synthetic="SYNTHETIC DATA", nothing=NOTHING
    )
    return environment.get_template("checklists.html.j2").render


def test_page_numbers_on_and_escapes(render: Callable[..., str], foreign_run: Path) -> None:
    record = Results.read(foreign_run)
    page = render(checklists=fill_checklists(record), methods_text=as_text(methods_paragraph(record)))
    assert re.findall(r"<b>Table (\d)", page) == ["5", "6", "7", "8", "9"]
    assert page.count('<tr><th scope="row">') == 58 + 52 + 44 + 30 + 34
    assert "radiologist &lt;b&gt;$x_1$&lt;/b&gt;" in page
    assert "<b>$x_1$" not in page
    assert 'id="methods"' in page
    assert "its text was not read." in page


def test_page_without_lists_has_no_section(render: Callable[..., str]) -> None:
    assert "<section" not in render()


def test_subgroups_are_told_with_their_numbers(complete: Results) -> None:
    assert "sex male 0.800 (0.600 to 1.000)" in answer(fill_checklists(complete), "tripod-ai", "23a")


def test_recorded_settings_are_not_a_statement_of_defaults(complete: Results) -> None:
    clear = fill_checklists(complete)[0]
    item = next(item for item in clear.items if item.number == "28")
    assert item.filled_by == "author"
    assert "study.lock.json" in item.answer
