"""The memory that is left: of the machine, and of what a limit of this process leaves."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="Windows has no limit of addresses")
ASK = """
import resource
limit = 400 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from nephrograde.run.memory import free_bytes
print(free_bytes() / limit)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many addresses are taken")
def test_a_limit_of_the_process_counts():
    left = float(subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True).stdout)
    assert 0.3 < left < 1.0
