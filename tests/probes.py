"""Coverage by probes, which SlipCover puts into the package's own lines and branches as they are imported.

A tracer is called for each line of every package; on Python 3.11 that doubles the time of most tests.
Probes are in our code alone, and other packages run at full speed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import slipcover
from slipcover.config import read_config

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Probes:
    """A plugin of pytest: measures in each process, merges in the first, and fails a run below the bound."""

    def __init__(self) -> None:
        config = read_config()
        self._bound: int = config["fail-under"]
        source = [config["source"]]
        self._measured = slipcover.Slipcover(
            branch=True,
            source=source,
            exclude_also=config["exclude-also"],
            d_miss_threshold=2**31 - 1,  # a probe stays: taking one out means to search all modules for its function
        )
        slipcover.ImportManager(self._measured, slipcover.FileMatcher(sources=source)).__enter__()
        self._merged: dict[str, Any] = {}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what was measured; when the first process ends, all others have, and it judges."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["coverage"] = json.dumps(self._measured.get_coverage())
            return
        if not self._merged:
            self._merged = self._measured.get_coverage()
        if self._percent < self._bound and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _percent(self) -> float:
        return float(self._merged["summary"]["percent_covered"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a process measured."""
        if "coverage" in getattr(node, "workeroutput", {}):
            coverage = json.loads(node.workeroutput["coverage"])
            self._merged = slipcover.merge_coverage(self._merged, coverage) if self._merged else coverage

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> Any:
        """Print the lines and branches that no test reached."""
        result = yield
        if self._merged:
            terminalreporter.section("coverage of lines and branches")
            slipcover.print_coverage(self._merged, outfile=terminalreporter, skip_covered=True)
            verdict = "less than" if self._percent < self._bound else "at least"
            terminalreporter.write_line(
                f"{self._percent:.2f} % covered, {verdict} the {self._bound} % that are asked for"
            )
        return result
