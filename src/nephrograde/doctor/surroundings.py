"""What lies around the package: hardware, folders, language and browser, found with the standard library alone."""

from __future__ import annotations

import locale
import os
import platform
import shutil
import sys
import tempfile
import webbrowser
from pathlib import Path

from nephrograde.doctor.check import Check, State
from nephrograde.run.memory import free_bytes
from nephrograde.threads import usable_processors

LITTLE_MEMORY, LITTLE_DISK = 2e9, 5e9
"""Bytes under which there is a warning. Grading a scan takes less than one GB; a study of hundreds of patients keeps
several GB of prepared scans."""
LETTERS = "分级 ≥ –"
"""What the commands print besides ASCII."""


def look_around() -> list[Check]:
    """Examine hardware, folders, language and browser; GPU and fonts need packages and are tried elsewhere.

    >>> [check.name for check in look_around()]
    ['processors', 'memory', 'working folder', 'home folder', 'temporary folder', 'output', 'browser']
    """
    return [
        _processors(),
        _memory(),
        _working_folder(),
        _home_folder(),
        _temporary_folder(),
        _output(),
        _browser(),
    ]


def has_nvidia_driver() -> bool:
    """Whether the driver of NVIDIA's GPUs is installed, whatever torch says."""
    return Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None


def _processors() -> Check:
    return Check("Machine", "processors", State.OK, f"{usable_processors()} of them can be used, {platform.machine()}.")


def _memory() -> Check:
    free = free_bytes()
    if free == float("inf"):
        return Check("Machine", "memory", State.NOTE, "This system does not say how much memory is free.")
    remedy = "Close other programs, or set fit.workers = 1."
    return _free("memory", f"{free / 1e9:.1f} GB are free.", remedy, is_little=free < LITTLE_MEMORY)


def _working_folder() -> Check:
    try:
        folder = Path.cwd()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "Change to a folder that exists."
        return Check("Machine", "working folder", State.WARNING, f"It cannot be used: {error.strerror}.", remedy)
    if not _is_writable(str(folder)):
        what = f"Nothing can be written into {folder}."
        return Check("Machine", "working folder", State.WARNING, what, "Change to another folder, or give --out.")
    what, remedy = f"{free / 1e9:.1f} GB are free in {folder}.", "Free some space, or give --out on another disk."
    return _free("working folder", what, remedy, is_little=free < LITTLE_DISK)


def _home_folder() -> Check:
    remedy = "Set HOME to a folder that can be written to, or NEPHROGRADE_WEIGHTS and MPLCONFIGDIR to others."
    try:
        folder = Path.home()
    except RuntimeError:
        what = "Its location is unknown; encoders and shell completion would be kept there."
        return Check("Machine", "home folder", State.NOTE, what, remedy)
    if not _is_writable(str(folder)):
        what = f"Nothing can be written into {folder}; encoders and shell completion would be kept there."
        return Check("Machine", "home folder", State.NOTE, what, remedy)
    return Check("Machine", "home folder", State.OK, f"{folder} can be written to.")


def _free(name: str, what: str, remedy: str, *, is_little: bool) -> Check:
    """How much of something is free; a remedy is needed only if it is little."""
    if is_little:
        return Check("Machine", name, State.WARNING, what, remedy)
    return Check("Machine", name, State.OK, what)


def _temporary_folder() -> Check:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        folder = ""
    if not folder or not _is_writable(folder):
        what = "No folder for temporary files can be written to."
        remedy = "Name one in the environment variable TMPDIR."
        return Check("Machine", "temporary folder", State.FAILED, what, remedy)
    return Check("Machine", "temporary folder", State.OK, f"{folder} can be written to.")


def _is_writable(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True


def _output() -> Check:
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(do_setlocale=False)
    try:
        LETTERS.encode(encoding)
        os.fsencode(LETTERS)
    except (UnicodeEncodeError, LookupError):
        what = f"The encoding {encoding} of the output or of file names has no Chinese letters."
        remedy = "Set the environment variable PYTHONUTF8=1, and a locale with UTF-8."
        return Check("Machine", "output", State.WARNING, what, remedy)
    return Check("Machine", "output", State.OK, f"The encoding is {encoding}.")


def _browser() -> Check:
    try:
        webbrowser.get()
    except webbrowser.Error:
        what = "There is none that could be opened for annotate and serve."
        remedy = "Open the address that they print in a browser of this machine, or through an SSH tunnel."
        return Check("Machine", "browser", State.NOTE, what, remedy)
    return Check("Machine", "browser", State.OK, "One can be opened for annotate and serve.")
