"""How much the server takes: bytes, jobs and minutes."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upload, one user and all users together may take.

    Attributes:
        upload_bytes: Of one upload.
        unpacked_bytes: What one upload may become on the disk: unpacked, and as slices for the page.
        user_bytes: Of all that one user has on the disk.
        disk_bytes: Of all that all users have on the disk.
        user_scans: Uploads that one user may have at a time.
        user_jobs: Uploads, readings and gradings of one user that may be under way or wait at a time.
        jobs: Of all users together.
        user_gradings: Answers that are kept for one user; the oldest one is removed for a further one.
        job_s: How long reading or grading one scan may take, seconds.
        keep_s: After how long without a request about it a scan or an answer is removed, seconds.
        slots: Processes that read and grade, a scan each at a time.
        worker_bytes: Memory of one process that reads and grades, where the system can limit it.
    """

    upload_bytes: int = 2 * GIB
    unpacked_bytes: int = 6 * GIB
    user_bytes: int = 12 * GIB
    disk_bytes: int = 24 * GIB
    user_scans: int = 6
    user_jobs: int = 8
    jobs: int = 32
    user_gradings: int = 20
    job_s: float = 300.0
    keep_s: float = 1800.0
    slots: int = 1
    worker_bytes: int = 8 * GIB
