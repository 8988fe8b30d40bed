"""Agreement with R's MRMCaov 0.3.0 on the public Van Dyke data set, to 1e-9."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.reads.analysis import Measure, ReaderAnalysis, analyse_reads
from nephrograde.reads.aucs import CovarianceMethod
from nephrograde.reads.obuchowski_rockette import Inference
from nephrograde.reads.sources import gather_reads
from nephrograde.sheet import open_sheet

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 1e-9
METHODS = {CovarianceMethod.DELONG: "DeLong", CovarianceMethod.JACKKNIFE: "jackknife"}
TITLES = {
    Inference.RANDOM_READERS: "random readers random cases",
    Inference.FIXED_READERS: "fixed readers",
    Inference.FIXED_CASES: "fixed cases",
}
FIELDS = {
    Inference.RANDOM_READERS: ("value", "standard_error", "df", "low", "high", "statistic", "p_value"),
    Inference.FIXED_READERS: ("value", "standard_error", "low", "high", "statistic", "p_value"),
    Inference.FIXED_CASES: ("value", "df", "standard_error", "low", "high", "statistic", "p_value"),
}
MEAN_COLUMNS = {  # value, standard error, (degrees of freedom,) low, high
    Inference.RANDOM_READERS: (0, 3, 4, 5, 6),
    Inference.FIXED_READERS: (0, 3, 4, 5),
    Inference.FIXED_CASES: (0, 2, 3, 4, 5),
}


def blocks_of(text: str) -> dict[str, dict[str, list[list[str]]]]:
    """The rows of the printed tables, as words without the row number, by section and table."""
    sections: dict[str, dict[str, list[list[str]]]] = {}
    for part in text.split("===== VanDyke ")[1:]:
        title, _, body = part.partition("\n")
        tables = sections.setdefault(title.strip(), {})
        name = ""
        for line in body.splitlines():
            if line.startswith("$"):
                name = line[1:]
                tables[name] = []
            elif name and line.strip():
                tables[name].append(line.split()[1:])
    return sections


@pytest.fixture(scope="module")
def printed(shared_reference: Path) -> dict[str, dict[str, list[list[str]]]]:
    return blocks_of((shared_reference / "mrmc_vandyke.txt").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=METHODS)
def made(request: pytest.FixtureRequest, shared_reference: Path) -> ReaderAnalysis:
    sheet, faults = open_sheet(shared_reference / "mrmc_vandyke.csv")
    assert sheet is not None
    assert not faults
    return analyse_reads(gather_reads(sheet), covariance=request.param, baseline="2")


@pytest.fixture(params=TITLES)
def inference(request: pytest.FixtureRequest) -> Inference:
    return Inference(request.param)


def section(made: ReaderAnalysis, inference: Inference) -> str:
    return f"{METHODS[made.covariance]} {TITLES[inference]}"


def numbers(words: list[str], start: int = 0) -> list[float]:
    return [float(word) for word in words[start:]]


def close(theirs: list[float]) -> object:
    return pytest.approx(theirs, rel=0, abs=TOLERANCE)


def test_variance_components(made, printed):
    rows = printed[section(made, Inference.RANDOM_READERS)]["vcov_comps"][1:]
    theirs = [float(words[0]) for words in rows]
    parts = made.components
    ours = [parts.reader, parts.modality_reader, parts.error, parts.cov1, parts.cov2, parts.cov3]
    assert ours == close(theirs)


def test_equality_of_the_modalities(made, printed, inference):
    theirs = numbers(printed[section(made, inference)]["test_equality"][1])
    (ours,) = made.of(Measure.EQUALITY, inference)
    degrees = [] if inference is Inference.FIXED_READERS else [ours.df]
    assert [ours.statistic, ours.df_effect, *degrees, ours.p_value] == close(theirs[-3 - len(degrees) :])


def test_difference_of_the_modalities(made, printed, inference):
    theirs = numbers(printed[section(made, inference)]["test_diffs"][1], start=3)
    (ours,) = [row for row in made.of(Measure.DIFFERENCE, inference) if not row.reader]
    assert (ours.modality, ours.against) == ("1", "2")
    assert [getattr(ours, field) for field in FIELDS[inference]] == close(theirs)


def test_mean_of_each_modality(made, printed, inference):
    rows = [numbers(words) for words in printed[section(made, inference)]["test_means"][1:]]
    means = {row.modality: row for row in made.of(Measure.AUC, inference) if not row.reader}
    for modality, theirs in zip(("1", "2"), rows, strict=True):
        ours = means[modality]
        degrees = [] if inference is Inference.FIXED_READERS else [ours.df]
        assert [ours.value, ours.standard_error, *degrees, ours.low, ours.high] == close(
            [theirs[k] for k in MEAN_COLUMNS[inference]]
        )


def test_difference_for_each_reader(made, printed):
    rows = printed[section(made, Inference.FIXED_READERS)]["reader_test_diffs"][1:]
    theirs = {words[0]: numbers(words, start=4) for words in rows}
    ours = {row.reader: row for row in made.of(Measure.DIFFERENCE, Inference.FIXED_READERS) if row.reader}
    assert list(theirs) == list(ours)
    for reader, values in theirs.items():
        assert [getattr(ours[reader], field) for field in FIELDS[Inference.FIXED_READERS]] == close(values)


def test_auc_of_each_reader(made, printed):
    rows = printed[section(made, Inference.FIXED_READERS)]["reader_means"][1:]
    theirs = {(words[1], words[2]): [float(words[k]) for k in (0, 3, 4, 5)] for words in rows}
    ours = {(row.modality, row.reader): row for row in made.of(Measure.AUC) if row.reader}
    assert theirs.keys() == ours.keys()
    for key, values in theirs.items():
        row = ours[key]
        assert [row.value, row.standard_error, row.low, row.high] == close(values)
