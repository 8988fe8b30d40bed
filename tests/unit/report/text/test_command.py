"""What a page shows of a command line names no file and no folder."""

from __future__ import annotations

import pytest

from nephrograde.report.text.command import without_paths


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("nephrograde run study.toml", "nephrograde run …"),
        (
            "nephrograde evaluate 'C:\\Zhang Wei\\scores.csv' --reason 'Zhang Wei asked'",
            "nephrograde evaluate … --reason …",
        ),
        ("nephrograde run a.toml --out=/data/4711 -o/data/4711", "nephrograde run … --out=… -o=…"),
        ("nephrograde run a.toml --set cohort.table=张伟.csv", "nephrograde run … --set …"),
        ("nephrograde run a.toml --set fit.epochs=2 --set fit.balanced=false", None),
        ("nephrograde run 'unclosed", "nephrograde run …"),
        ("/home/zhang/bin/nephrograde run a.toml", "… run …"),
        ("notebook", "notebook"),
        ("", ""),
    ],
)
def test_words_that_may_be_paths_are_left_out(command: str, shown: str | None) -> None:
    assert without_paths(command) == (command.replace("a.toml", "…") if shown is None else shown)
