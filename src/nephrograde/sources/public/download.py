"""The download of a planned cohort: tables, sources and files, resumed after an interruption."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from nephrograde.cohort.origin import SOURCES_NAME as ORIGIN_NAME
from nephrograde.cohort.origin import Origin, PublicSeries, Source, write_origin
from nephrograde.errors import DownloadError, InputError, Problem, about_writing
from nephrograde.replacement import make_folder, remove_leftovers, remove_ours, replaced
from nephrograde.sources.public.cohorts import CITATIONS, COHORTS, KITS_REPOSITORY, Hosts, default_hosts
from nephrograde.sources.public.fetch import RemoteFile, StoppedError, fetch_file, list_kits_images, list_series
from nephrograde.sources.public.grades import fetch_grades, read_public_grades
from nephrograde.sources.public.plan import cite, fold_plans, plan_cohort
from nephrograde.sources.scan.paths import ScanPaths, claim_table, only_scan
from nephrograde.sources.scan.tables import write_tables
from nephrograde.vocabulary import RESEARCH_USE_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nephrograde.sources.public.cohorts import Part
    from nephrograde.sources.public.plan import CohortPlan

WORKERS = 8
"""Parallel downloads of series or files: one connection alone is slow over long distances, and the hosts are shared."""
SOURCES_NAME = "SOURCES.md"
_SPARE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The result of a download.

    Attributes:
        table_path: The cohort table.
        series_path: The table of all series.
        n_whole: Number of complete series and files, including those from earlier downloads.
        failed: Why the others are missing.
    """

    table_path: Path
    series_path: Path
    n_whole: int
    failed: tuple[DownloadError, ...]


def open_plan(
    names: Sequence[str],
    out_dir: Path,
    *,
    grades_path: Path | None = None,
    encoding: str | None = None,
    columns: Mapping[str, str] | None = None,
    hosts: Hosts | None = None,
) -> CohortPlan:
    """Fetch the grades of one or more public cohorts, and plan them as one cohort.

    Args:
        names: Names from ``COHORTS``; if they share patients, the preferred cohort comes first.
        out_dir: The cohort's folder; the grade tables are kept in ``grades/``.
        grades_path: A table to use instead of the published one: see
            :func:`~nephrograde.sources.public.grades.read_public_grades`.
        encoding: The encoding of that table, if it is a text file; None detects it.
        columns: Headings of that table by standard name, and further columns to carry over.
        hosts: The hosts; the public ones by default.

    Raises:
        InputError: If a name is unknown, a grade table cannot be fetched or read, or the extra ``public`` is not
            installed.
    """
    for name in names:
        if name not in COHORTS:
            plan_cohort(name)  # raises the error that names the problem
    plans = []
    for name in dict.fromkeys(names):
        cohort = COHORTS[name]
        given = read_public_grades(grades_path, cohort, encoding, columns=columns) if grades_path else None
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
    """Write the tables of a planned cohort and download its files, except those that are already complete.

    A series gets its final name only when all its files are complete. A download that fails does not stop the others.
    The tables are written first, so that you can review the selection meanwhile.

    Args:
        plan: A plan from :func:`open_plan`.
        out_dir: The folder to write to; created if missing.
        hosts: The hosts; the public ones by default.
        workers: Number of series or files to download in parallel.
        progress: Called with the bytes downloaded so far and the size of the whole cohort in bytes.

    Returns:
        What is complete, and what failed.

    Raises:
        InputError: If the disk is too small, or a file list cannot be fetched.
        RunError: If ``cohort.csv`` was written by something else, or was edited.
    """
    with _only_download(out_dir):
        return _download(plan, out_dir, hosts=hosts or default_hosts(), workers=workers, progress=progress)


def _download(
    plan: CohortPlan, out_dir: Path, *, hosts: Hosts, workers: int, progress: Callable[[int, int], None]
) -> Downloaded:
    claim_table(ScanPaths(out_dir / "cohort.csv"))
    missing = [part for part in plan.parts if not is_whole(part, out_dir)]
    images = list_kits_images(hosts) if any(part.host == "hugging_face" for part in missing) else {}
    sizes = {part.path: _size(part, images) for part in plan.parts}
    _check_space(out_dir, sum(sizes[part.path] for part in missing))
    written = _write_plan(plan, out_dir)
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
    """Write ``cohort.csv``, ``series.csv``, ``SOURCES.md`` and ``sources.json`` of a plan, and download nothing.

    Args:
        plan: A plan from :func:`open_plan`.
        out_dir: The folder to write to; created if missing.

    Returns:
        The paths of the files, and how much of the cohort is already complete.

    Raises:
        RunError: If ``cohort.csv`` was written by something else, or was edited.
    """
    with _only_download(out_dir):
        return _write_plan(plan, out_dir)


@contextmanager
def _only_download(out_dir: Path) -> Iterator[None]:
    """Be the only process that writes a cohort, and remove what a killed one has left."""
    with only_scan(ScanPaths(out_dir / "cohort.csv")):
        remove_leftovers(out_dir, is_ours={SOURCES_NAME, ORIGIN_NAME}.__contains__)
        remove_leftovers(out_dir / "grades")
        yield


def _write_plan(plan: CohortPlan, out_dir: Path) -> Downloaded:
    paths = ScanPaths(out_dir / "cohort.csv")
    claim_table(paths)
    write_tables(paths, plan.rows, plan.series, carried=plan.columns)
    write_origin(_origin(plan), out_dir / ORIGIN_NAME)
    _write_sources(plan, out_dir / SOURCES_NAME)
    return Downloaded(
        table_path=paths.table_path,
        series_path=paths.series_path,
        n_whole=sum(is_whole(part, out_dir) for part in plan.parts),
        failed=(),
    )


def _origin(plan: CohortPlan) -> Origin:
    """What a run on this cohort cites, and the series of the patients in its table."""
    licences = dict.fromkeys((part.doi, part.licence) for part in plan.parts if part.doi)
    patients = {row["patient_id"] for row in plan.rows}
    chosen = [entry for entry in plan.series if entry.is_chosen and entry.series_uid and entry.patient_id in patients]
    return Origin(
        collections=tuple(COHORTS[name].title for name in plan.names),
        sources=tuple(Source(doi, CITATIONS.get(doi, ""), licence) for doi, licence in licences),
        series=tuple(PublicSeries(entry.patient_id, entry.phase, entry.series_uid) for entry in chosen),
    )


def is_whole(part: Part, out_dir: Path) -> bool:
    """Tell whether a part is complete: the file exists, or the folder has as many files as the index counts.

    Args:
        part: A part of a plan.
        out_dir: The cohort's folder.
    """
    path = out_dir / part.path
    if part.n_files == 1:
        return path.is_file()
    return path.is_dir() and sum(1 for _ in path.iterdir()) == part.n_files


class _Tally:
    """The number of bytes downloaded by all threads, and whether the threads should stop."""

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
    """Download one series or file; an error is returned, so that the others continue."""
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
    # The folder gets its final name when it is complete, so that part of a series is never read as a short series.
    coming_dir = target_path.with_name(f"{target_path.name}.part")
    others_dir = target_path.with_name(f"{target_path.name}.others")
    names = {remote.name for remote in remotes}
    if target_path.exists():  # files were removed from it or added to it
        _set_others_aside(coming_dir, names, others_dir)
        remove_ours(coming_dir, _with_parts(names).__contains__)
        if coming_dir.is_dir():
            coming_dir.rmdir()
        with about_writing(target_path):
            target_path.rename(coming_dir)
    for remote in remotes:
        path = coming_dir / remote.name
        fetch_file(remote, path, hosts=hosts, advance=tally.advance, stopped=tally.stop.is_set)
    _set_others_aside(coming_dir, names, others_dir)
    remove_ours(coming_dir, _with_parts(names).__contains__, keep=names)
    with about_writing(target_path, temporary_path=coming_dir):
        coming_dir.rename(target_path)


def _with_parts(names: set[str]) -> set[str]:
    """Return the names of a series' files, and the names that they have until they are complete."""
    return names | {f"{name}.part" for name in names}


def _set_others_aside(series_dir: Path, names: set[str], others_dir: Path) -> None:
    """Move files that do not belong to a series into a folder next to it, so that they do not count as slices."""
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
    make_folder(out_dir)
    free = shutil.disk_usage(out_dir).free
    if n_bytes and n_bytes + _SPARE_BYTES > free:
        what = f"has {free / 1e9:.1f} GB free, but {n_bytes / 1e9:.1f} GB are still missing"
        raise InputError([Problem(str(out_dir), what, "Free some space, or give a folder on another disk with --out.")])


def _write_sources(plan: CohortPlan, sources_path: Path) -> None:
    """Write the citations and the licences."""
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
    with replaced(sources_path) as temporary_path:
        temporary_path.write_text("\n".join(lines), encoding="utf-8")
