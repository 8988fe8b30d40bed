"""``nephrograde readers``: tables, page, JSON, and its Python function."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pandas as pd
import pytest

import nephrograde as ng

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "compare-with-readers.md"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The two tables that the guide writes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    writing = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    exec(compile(writing, str(GUIDE), "exec"), {})  # noqa: S102 (our own guide)
    return tmp_path


@pytest.fixture
def readers(nephrograde):
    return lambda *words: nephrograde("readers", *words)


@pytest.mark.slow
def test_the_commands_of_the_guide(tables, readers):
    code, out, err = readers("reads.csv", "--scores", "scores.csv", "--out", "readers")
    assert (code, err) == (0, "")
    for part in ("aided − unaided", "weak-1-cmp − mean reader, aided", "ICC(2,1)", "Research use only"):
        assert part in out
    assert {path.name for path in (tables / "readers").iterdir()} == {"readers.html", "readers.csv"}
    code, out, _ = readers(
        "reads.csv", "--scores", "scores.csv", "--baseline", "unaided", "--lang", "zh", "--out", "readers"
    )
    assert code == 0
    assert "4名阅片者" in out
    page = (tables / "readers" / "readers.zh.html").read_text(encoding="utf-8")
    assert 'lang="zh-Hans"' in page
    assert "阅片者均值" in page


def test_the_python_of_the_guide(tables):
    result = ng.readers("reads.csv", "scores.csv", baseline="unaided")
    rows = result.of("auc_difference", "random-readers")
    found = [(row.modality, row.against, row.model) for row in rows]
    assert found == [
        ("aided", "unaided", ""),
        ("unaided", "reader", "weak-1-cmp"),
        ("aided", "reader", "weak-1-cmp"),
    ]
    assert repr(result) == "ReaderAnalysis(4 readers, 2 modalities, 60 patients, model weak-1-cmp)"
    assert "Research use only" in result._repr_html_()


def test_json_holds_the_numbers_of_the_table(tables, readers):
    code, out, _ = readers("reads.csv", "--scores", "scores.csv", "--json")
    assert code == 0
    content = json.loads(out)
    assert not Path("readers-reads").exists()
    readers("reads.csv", "--scores", "scores.csv")
    with Path("readers-reads", "readers.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in content["results"]]


def test_the_page_stands_alone(tables, readers):
    readers("reads.csv", "--scores", "scores.csv", "--out", "made")
    page = Path("made", "readers.html").read_text(encoding="utf-8")
    assert page.count("<table>") == page.count("</table>") == 5
    assert "<svg" in page
    assert not re.findall(r"(?:src|href)=[\"']https?://", page)


def test_what_is_wrong_is_refused_with_rows(tables, readers):
    text = Path("reads.csv").read_text(encoding="utf-8").splitlines()
    text[1] = re.sub(r"\d$", "sure", text[1])
    text.append(text[2])
    Path("reads.csv").write_text("\n".join(text), encoding="utf-8")
    code, _, err = readers("reads.csv", "--scores", "scores.csv")
    assert code == 2
    assert "2 problems" in err
    assert "reads.csv row 2, column score" in err
    assert "first in row 3" in err
    assert not Path("readers-reads").exists()


def test_a_table_from_outside_is_only_text_on_the_page(tables, readers):
    text = Path("reads.csv").read_text(encoding="utf-8").replace("Wang", "<script>alert(1)</script>")
    Path("reads.csv").write_text(text, encoding="utf-8")
    readers("reads.csv", "--scores", "scores.csv", "--out", "made")
    assert "<script>" not in Path("made", "readers.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_data_frames_and_paths_give_the_same(tables):
    from_paths = ng.readers("reads.csv", "scores.csv")
    from_frames = ng.readers(pd.read_csv("reads.csv"), pd.read_csv("scores.csv"))
    assert from_paths.results == from_frames.results or [row.value for row in from_paths.results] == [
        row.value for row in from_frames.results
    ]


@pytest.mark.parametrize("given", [{"confidence": 95}, {"covariance": "bootstrap"}, {"baseline": "with"}])
def test_what_python_is_told_is_checked(tables, given):
    with pytest.raises(ng.InputError, match=next(iter(given))):
        ng.readers("reads.csv", "scores.csv", **given)
