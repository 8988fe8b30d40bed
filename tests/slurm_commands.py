"""Stand-ins for the commands of SLURM that submitit calls: jobs run on this machine, one after the other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[1], encoding="utf-8").read()
found = re.search(r"--array=0-([0-9]+)", script)
count = int(found[1]) + 1 if found else 1
notes, slots = {notes!r}, {slots!r}
flags = " ".join(re.findall(r"#SBATCH (--\\S+)", script))
os.makedirs(slots, exist_ok=True)
refused = count > {largest} or len(os.listdir(slots)) + count > {most}
with open(notes, "a", encoding="utf-8") as stream:
    print("refused" if refused else "accepted", count, flags, file=stream)
    job = 1000 + 10 * stream.tell()
if refused:
    sys.exit("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy")
copy = os.path.join(slots + "-scripts", str(job))  # as SLURM keeps one: submitit moves its own meanwhile
os.makedirs(slots + "-scripts", exist_ok=True)
with open(copy, "w", encoding="utf-8") as stream:
    stream.write(script)
lines = []
for task in range(count):
    own = dict(SLURM_JOB_ID=job + task, SLURM_NTASKS=1, SLURM_JOB_NUM_NODES=1, SLURM_NODEID=0, SLURM_PROCID=0,
               SLURM_LOCALID=0)
    if found:
        own |= dict(SLURM_ARRAY_JOB_ID=job, SLURM_ARRAY_TASK_ID=task)
    slot = os.path.join(slots, str(job + task))
    open(slot, "w").close()
    words = " ".join(f"{{name}}={{value}}" for name, value in own.items())
    lines.append(f"{{words}} bash {{copy}}; rm {{slot}}")
subprocess.Popen(["bash", "-c", "\\n".join(lines)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 start_new_session=True)
print("Submitted batch job", job)
"""
_SRUN = """#!{python}
import os, sys
words, files = sys.argv[1:], {{}}
while words[0].startswith("--"):
    option = words.pop(0)
    if option in ("--output", "--error"):
        files[option] = words.pop(0)
names = {{"%A": "SLURM_ARRAY_JOB_ID", "%a": "SLURM_ARRAY_TASK_ID", "%j": "SLURM_JOB_ID", "%t": "SLURM_PROCID"}}
for option, number in (("--output", 1), ("--error", 2)):
    path = files[option]
    for sign, name in names.items():
        path = path.replace(sign, os.environ.get(name, ""))
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
os.execvp(words[0], words)
"""
_SCONTROL = """#!{python}
print("MaxArraySize            = {largest}")
"""
_SACCT = """#!{python}
print("JobID|State|NodeList")
"""


_SCANCEL = """#!{python}
import sys, time
time.sleep(0.5)
with open({cancelled!r}, "a", encoding="utf-8") as stream:
    print(*sys.argv[1:], file=stream)
"""


def write_commands(
    bin_dir: Path, notes_path: Path, *, largest_array: int, most_jobs: int, cancelled_path: Path | None = None
) -> None:
    """Write the commands.

    Args:
        bin_dir: Where to; created.
        notes_path: Each submission becomes a line of it: whether it was accepted, how many jobs, and its flags.
        largest_array: Larger arrays are refused.
        most_jobs: So are jobs beyond this number at once.
        cancelled_path: Each ``scancel`` becomes a line of it: the jobs. Nothing is cancelled.
    """
    bin_dir.mkdir()
    given = {
        "python": sys.executable,
        "notes": str(notes_path),
        "slots": str(bin_dir / "slots"),
        "largest": largest_array,
        "most": most_jobs,
        "cancelled": str(cancelled_path or notes_path),
    }
    for name, text in {
        "sbatch": _SBATCH,
        "srun": _SRUN,
        "scontrol": _SCONTROL,
        "sacct": _SACCT,
        "scancel": _SCANCEL,
    }.items():
        path = bin_dir / name
        path.write_text(text.format(**given), encoding="utf-8")
        path.chmod(0o755)
