"""Whatever a file holds, a command reads it or says in one message what is wrong, in bounded time and memory.

For each kind of input a small valid file is written by code, damaged with a fixed seed, and given to the function that
reads it for a command. ``NEPHROGRADE_FUZZ=200`` damages each so many times and prints the counts. Damaged DICOM
headers, archives and run folders have tests of their own, with more mutations of each: ``volume/dicom/test_fuzz.py``,
``sources/scan/test_fuzz.py`` and ``test_damaged_runs.py``.
"""

from __future__ import annotations

import json
import os
import random
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.mutants import mutated
from tests.unit.fuzzed_images import Images
from tests.unit.fuzzed_tables import Tables

from nephrograde.errors import NephrogradeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.fuzzed_tables import Target

MUTATIONS = int(os.environ.get("NEPHROGRADE_FUZZ", "10"))
SEED = 20261127
MOST_SECONDS = 10.0
MOST_BYTES = 300_000_000

KINDS = sorted(name for writer in (Tables, Images) for name in vars(writer) if not name.startswith("_"))


def _outcome(read: Callable[[], object]) -> tuple[str, str]:
    """What reading gave: "read", "refused", or a fault with its description."""
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            read()
            what, why = "read", ""
        except NephrogradeError as error:
            text = str(error)
            is_told = bool(text.strip()) and "Traceback" not in text and 'File "' not in text
            what, why = ("refused", "") if is_told else ("fault", f"tells {text!r}")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            what, why = "fault", "".join(traceback.format_exception(error)[-4:])
    if warned:
        what, why = "fault", f"warns: {warned[0].message} ({warned[0].filename}:{warned[0].lineno})"
    seconds = time.monotonic() - began
    if seconds > MOST_SECONDS:
        what, why = "fault", f"takes {seconds:.0f} s"
    return what, why


@pytest.fixture
def peak_bytes() -> Callable[[], int]:
    """The growth of the process's memory at its highest since the test began; 0 where the system does not say."""
    status = Path("/proc/self/status")

    def read(entry: str) -> int:
        if not status.exists():
            return 0
        return int(status.read_text(encoding="ascii").split(f"{entry}:")[1].split()[0]) * 1024

    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = read("VmRSS")
    return lambda: read("VmHWM") - before


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_input_is_read_or_refused(
    kind: str,
    tmp_path: Path,
    write_series: Callable[..., list[Path]],
    peak_bytes: Callable[[], int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("secrets.token_bytes", bytes)  # so that the same key file is damaged in every run
    monkeypatch.setattr("secrets.randbelow", lambda _: 17)
    inputs = Tables(tmp_path) if hasattr(Tables, kind) else Images(tmp_path, write_series)
    target: Target = getattr(inputs, kind)()
    intact = target.path.read_bytes()
    assert _outcome(target.read) == ("read", "")
    capfd.readouterr()
    counts = {"read": 0, "refused": 0, "fault": 0}
    faults = []
    for number in range(MUTATIONS):
        target.path.unlink()
        target.path.write_bytes(mutated(intact, random.Random(f"{SEED} {kind} {number}")))  # noqa: S311
        what, why = _outcome(target.read)
        printed = "".join(capfd.readouterr())
        if printed and what != "fault":
            what, why = "fault", f"prints {printed[:200]!r}"
        counts[what] += 1
        if what == "fault":
            faults.append(f"{kind} {number}: {why}")
    peak = peak_bytes()
    with capfd.disabled():
        if "NEPHROGRADE_FUZZ" in os.environ:
            print(json.dumps({"kind": kind, **counts, "peak_mb": round(peak / 1e6)}))  # noqa: T201 - on request only
    assert not faults, "\n".join(faults[:20])
    assert peak < MOST_BYTES
