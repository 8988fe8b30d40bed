"""The PDF is a file of the run folder, and written by its one writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nephrograde.cli import main
from nephrograde.errors import RunError
from nephrograde.report.pages import pdf
from nephrograde.run.writer import only_writer

if TYPE_CHECKING:
    from pathlib import Path

SCORES = "patient_id,model,is_high,p_high\n" + "".join(f"P{n},mine,{n % 2},0.{n}\n" for n in range(1, 10))


@pytest.mark.slow
def test_a_pdf_is_written_under_the_lock_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scores.csv").write_text(SCORES, encoding="utf-8")
    printed: list[Path] = []

    def write(html_path: Path) -> Path:
        with pytest.raises(RunError, match="is being written"), only_writer(tmp_path / "run"):
            pass
        printed.append(html_path)
        return html_path

    monkeypatch.setattr(pdf, "write_pdf", write)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(tmp_path / "scores.csv"), "--out", str(tmp_path / "run"), "--pdf", "--lang", "zh"])
    assert not ended.value.code
    (html_path,) = printed
    assert html_path.parent == tmp_path / "run" / "report"
    assert html_path.is_file()
