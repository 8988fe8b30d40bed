"""A planned cohort made real: its tables, its sources, and its files, which go on coming where they were cut off."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from nephrograde.errors import DownloadError, InputError, Problem
from nephrograde.files import remove_ours, replaced
from nephrograde.sources.public.cohorts import COHORTS, KITS_REPOSITORY, Hosts, default_hosts
from nephrograde.sources.public.fetch import RemoteFile, StoppedError, fetch_file, list_kits_images, list_series
from nephrograde.sources.public.grades import fetch_grades, read_public_grades
from nephrograde.sources.public.plan import cite, fold_plans, plan_cohort
from nephrograde.sources.scan.tables import ScanPaths, claim_table, write_tables
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from nephrograde.sources.public.cohorts import Part
    from nephrograde.sources.public.plan import CohortPlan

WORKERS = 8
"""Series or files at a time. Our choice: the hosts are public, and one connection is slow far away."""
_SPARE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What came of a download.

    Attributes:
        table_path: The cohort table.
        series_path: The table of all series.
        sources_path: What to cite, and the licences.
        n_whole: Series and files that are whole, those from before among them.
        failed: Why the others are not there.
    """

    table_path: Path
    series_path: Path
    sources_path: Path
    n_whole: int
    failed: tuple[DownloadError, ...]


def open_plan(
    names: Sequence[str], out_dir: Path, *, grades_path: Path | None = None, hosts: Hosts | None = None
) -> CohortPlan:
    """Fetch the grades of one or several public cohorts, and plan them as one.

    Args:
        names: Of ``COHORTS``, the preferred first where they share patients.
        out_dir: The folder of the cohort; the tables of grades are kept in ``grades/``.
        grades_path: A table to use in place of the published one: see
            :func:`~nephrograde.sources.public.grades.read_public_grades`.
        hosts: Whom to ask; the public ones by default.

    Raises:
        InputError: For another name, a grade table that cannot be had or read, or where the extra ``public`` is not
            installed.
    """
    for name in names:
        if name not in COHORTS:
            plan_cohort(name)  # names the problem
    plans = []
    for name in dict.fromkeys(names):
        cohort = COHORTS[name]
        given = read_public_grades(grades_path, cohort) if grades_path else None
        plans.append(plan_cohort(name, grades=given or fetch_grades(cohort, out_dir, hosts or default_hosts())))
    return fold_plans(plans)


def download_cohort(
    plan: CohortPlan,
    out_dir: Path,
    *,
    hosts: Hosts | None = None,
    workers: int = WORKERS,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Downloaded:
    """Write the tables of a planned cohort and download its files; what is whole from before is not asked for again.

    A series stands under its name only when all of its files are there. Something that cannot be had does not stop the
    rest. The tables come first, so that the choice can be looked over meanwhile.

    Args:
        plan: From :func:`open_plan`.
        out_dir: Where to; made when missing.
        hosts: Whom to ask; the public ones by default.
        workers: Series or files at a time.
        progress: Called with the bytes that are there and those of the whole cohort.

    Returns:
        What is there, and what failed.

    Raises:
        InputError: Where the disk is too small, or a list of files cannot be had.
        RunError: Where ``cohort.csv`` is of another origin, or was edited since.

    **Source:** our choice.
    """
    hosts = hosts or default_hosts()
    claim_table(ScanPaths(out_dir / "cohort.csv"))
    missing = [part for part in plan.parts if not is_whole(part, out_dir)]
    images = list_kits_images(hosts) if any(part.host == "hugging_face" for part in missing) else {}
    sizes = {part.path: _size(part, images) for part in plan.parts}
    _check_space(out_dir, sum(sizes[part.path] for part in missing))
    written = write_plan(plan, out_dir)
    tally = _Tally(sum(sizes.values()) - sum(sizes[part.path] for part in missing), sum(sizes.values()), progress)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = [
            pool.submit(_download_part, part, out_dir, hosts=hosts, images=images, tally=tally) for part in missing
        ]
        try:
            failed = [fault for ended in as_completed(waiting) if (fault := ended.result()) is not None]
        except BaseException:
            tally.stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return replace(written, n_whole=len(plan.parts) - len(failed), failed=tuple(sorted(failed, key=str)))


def write_plan(plan: CohortPlan, out_dir: Path) -> Downloaded:
    """Write ``cohort.csv``, ``series.csv`` and ``SOURCES.md`` of a plan, and download nothing.

    Args:
        plan: From :func:`open_plan`.
        out_dir: Where to; made when missing.

    Returns:
        Where they are, and how much of the cohort is there from before.

    Raises:
        RunError: Where ``cohort.csv`` is of another origin, or was edited since.

    **Source:** our choice.
    """
    paths = ScanPaths(out_dir / "cohort.csv")
    claim_table(paths)
    write_tables(paths, plan.rows, plan.series, carried=plan.columns)
    return Downloaded(
        table_path=paths.table_path,
        series_path=paths.series_path,
        sources_path=_write_sources(plan, out_dir),
        n_whole=sum(is_whole(part, out_dir) for part in plan.parts),
        failed=(),
    )


def is_whole(part: Part, out_dir: Path) -> bool:
    """Tell whether a part is there: the file, or as many files as the index counts in the folder.

    Args:
        part: Of a plan.
        out_dir: The folder of the cohort.
    """
    path = out_dir / part.path
    if part.n_files == 1:
        return path.is_file()
    return path.is_dir() and sum(1 for _ in path.iterdir()) == part.n_files


class _Tally:
    """The bytes that are there, counted by all threads, and whether they should stop."""

    def __init__(self, done: int, total: int, progress: Callable[[int, int], None]) -> None:
        self.stop = threading.Event()
        self._done, self._total, self._progress = done, total, progress
        self._lock = threading.Lock()

    def advance(self, n_bytes: int) -> None:
        with self._lock:
            self._done += n_bytes
            self._progress(self._done, max(self._done, self._total))


def _download_part(
    part: Part, out_dir: Path, *, hosts: Hosts, images: Mapping[str, RemoteFile], tally: _Tally
) -> DownloadError | None:
    """Download one series or file; a fault of it is given back, as the others go on."""
    if tally.stop.is_set():
        return None
    try:
        if part.host == "idc":
            _download_series(part, out_dir / part.path, hosts=hosts, tally=tally)
        else:
            remote = _find_file(part, hosts, images)
            fetch_file(remote, out_dir / part.path, hosts=hosts, advance=tally.advance, stopped=tally.stop.is_set)
    except StoppedError:
        return None
    except DownloadError as error:
        return error
    except InputError as error:
        reason = "; ".join(f"{problem.place} {problem.what}" for problem in error.problems)
        return DownloadError("download-broken", f"{part.path}: {reason}.", "Run the same command again.")
    return None


def _download_series(part: Part, target_path: Path, *, hosts: Hosts, tally: _Tally) -> None:
    remotes = list_series(part.source, hosts)
    if len(remotes) != part.n_files:
        raise DownloadError(
            "download-incomplete",
            f"{part.path}: the server lists {len(remotes)} files, the index counts {part.n_files}.",
            "Update the index (pip install --upgrade idc-index-data), and run the same command again.",
        )
    if part.n_files == 1:
        fetch_file(remotes[0], target_path, hosts=hosts, advance=tally.advance, stopped=tally.stop.is_set)
        return
    # The folder gets its name when it is whole, so that half a series is never read as a short one.
    coming_dir = target_path.with_name(f"{target_path.name}.part")
    others_dir = target_path.with_name(f"{target_path.name}.others")
    names = {remote.name for remote in remotes}
    if target_path.exists():  # files were taken out of it, or put into it
        _set_others_aside(coming_dir, names, others_dir)
        remove_ours(coming_dir, _with_parts(names).__contains__)
        if coming_dir.is_dir():
            coming_dir.rmdir()
        target_path.rename(coming_dir)
    for remote in remotes:
        path = coming_dir / remote.name
        fetch_file(remote, path, hosts=hosts, advance=tally.advance, stopped=tally.stop.is_set)
    _set_others_aside(coming_dir, names, others_dir)
    remove_ours(coming_dir, _with_parts(names).__contains__, keep=names)
    coming_dir.rename(target_path)


def _with_parts(names: set[str]) -> set[str]:
    """The names of the files of a series, and those that they have until they are whole."""
    return names | {f"{name}.part" for name in names}


def _set_others_aside(series_dir: Path, names: set[str], others_dir: Path) -> None:
    """Move what does not belong to a series into a folder beside it, where it does not count as a slice."""
    others = {path.name for path in series_dir.iterdir()} - _with_parts(names) if series_dir.is_dir() else set()
    for name in sorted(others):
        others_dir.mkdir(exist_ok=True)
        free = (others_dir / (f"{name}.{k}" if k else name) for k in count())
        (series_dir / name).rename(next(path for path in free if not path.exists()))


def _find_file(part: Part, hosts: Hosts, images: Mapping[str, RemoteFile]) -> RemoteFile:
    if part.host == "github":
        return RemoteFile(f"{hosts.github}/{KITS_REPOSITORY}/{part.source}", part.path, None, "")
    if part.source not in images:
        raise DownloadError(
            "download-missing",
            f"{part.source}: the server does not list it.",
            "Leave the patient out, or see the dataset's page for what has changed.",
        )
    return images[part.source]


def _size(part: Part, images: Mapping[str, RemoteFile]) -> int:
    listed = images.get(part.source)
    return part.size_bytes if listed is None or listed.size_bytes is None else listed.size_bytes


def _check_space(out_dir: Path, n_bytes: int) -> None:
    out_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out_dir).free
    if n_bytes and n_bytes + _SPARE_BYTES > free:
        what = f"has {free / 1e9:.1f} GB free, and {n_bytes / 1e9:.1f} GB are still to come"
        raise InputError([Problem(str(out_dir), what, "Make room, or give a folder on another disk with --out.")])


def _write_sources(plan: CohortPlan, out_dir: Path) -> Path:
    """Write whom to cite and under which licences everything is."""
    groups = Counter((part.doi, part.licence, part.path.partition("/")[0]) for part in plan.parts)
    sizes: Counter[tuple[str, str, str]] = Counter()
    for part in plan.parts:
        sizes[part.doi, part.licence, part.path.partition("/")[0]] += part.size_bytes
    about = "about " if plan.is_estimate else ""
    lines = [
        f"# Sources of this cohort: {', '.join(COHORTS[name].title for name in plan.names)}",
        f"{RESEARCH_USE_ONLY} {len(plan.rows)} patients, {about}{plan.size_bytes / 1e9:.1f} GB.",
        "",
        "| what | how many | GB | licence | cite |",
        "|---|---|---|---|---|",
        *(
            f"| {what} | {count} | {sizes[doi, licence, what] / 1e9:.2f} | {licence} | {cite(doi)} |"
            for (doi, licence, what), count in sorted(groups.items())
        ),
        "",
        *(f"* Grades: {source}" for source in plan.grade_sources),
        *([f"* Chosen from the Imaging Data Commons, idc-index-data {plan.index_version}"] * bool(plan.index_version)),
        *(f"* {note}" for note in plan.notes),
        "",
    ]
    sources_path = out_dir / "SOURCES.md"
    with replaced(sources_path) as temporary_path:
        temporary_path.write_text("\n".join(lines), encoding="utf-8")
    return sources_path
