"""When a received series is complete, and what is done with it then."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nephrograde.exchange.events import Event
from nephrograde.exchange.headers import header_of
from nephrograde.exchange.spool import Reason
from nephrograde.exchange.worker import MASK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nephrograde.exchange.events import Tell
    from nephrograde.exchange.headers import ObjectHeader
    from nephrograde.exchange.spool import Spool, State

REGION_MISSING: Final = "region-missing"
_REASONS: Final = {
    "interrupted": "the sender ended the association in the middle, and did not come back.",
    "unreadable": "an object cannot be read again.",
    "mixed": "its objects are of several kinds, so it is no series of images.",
    "own-result": "it is a result of this program.",
    "not-ct": "it is no CT.",
    "scout": "it is a scout (localizer).",
    "late": "it has received further objects after it was graded; a retry grades all of them together.",
    REGION_MISSING: "the model needs a region, and no segmentation or structure set of this series has come.",
    "region-several": "several segmentations or structure sets mark this series.",
}


@dataclass(slots=True)
class Completion:
    """Decides on received series.

    Times are counted while the listener runs; after a restart they begin again.

    Attributes:
        spool: The spool.
        tell: Is told what happens.
        needs_region: Whether the model needs a mask.
        quiet_s: How long a series has received nothing, and no sender is open, when it is complete.
        wait_s: How long a complete series waits for a region, and an interrupted one for its sender.
        clock: The time in seconds, for tests.
    """

    spool: Spool
    tell: Tell
    needs_region: bool
    quiet_s: float
    wait_s: float
    clock: Callable[[], float] = time.monotonic
    _touched: dict[str, float] = field(default_factory=dict)
    _headers: dict[str, tuple[int, list[ObjectHeader | None]]] = field(default_factory=dict)
    _mask_headers: dict[Path, ObjectHeader] = field(default_factory=dict)

    def touch(self, key: str) -> None:
        """Note that a series has received something, or that its sender has ended.

        Args:
            key: Of the series.
        """
        self._touched[key] = self.clock()

    def step(self) -> None:
        """Decide on every received series for which it is time."""
        for key in self.spool.keys("received"):
            since = self._touched.setdefault(key, self.clock())
            age_s = self.clock() - since
            if self.spool.is_open(key) or age_s < self.quiet_s:
                continue
            if self.spool.is_interrupted(key) and age_s < self.wait_s:
                continue
            self._decide(key, has_waited=age_s >= self.wait_s)

    def _decide(self, key: str, *, has_waited: bool) -> None:
        code = self._objection(key)
        if code:
            self._fail(key, code)
            return
        header = self._read(key)[0]
        if header is None:
            return
        if header.is_mask:
            if self.spool.folder("masks", key).exists():
                self.spool.merge(key, "masks", "received")
            if self.spool.move(key, "received", "masks"):
                self._mask_headers.clear()
                self._forget(key)
                self._call_back(key)
            return
        if self._is_mask_coming(header):
            return
        masks = self._masks_of(header)
        if self.needs_region and len(masks) != 1:
            if has_waited or len(masks) > 1:
                self._fail(key, "region-several" if masks else REGION_MISSING)
            return
        self._take_up(key, masks[0] if self.needs_region else None)

    def _objection(self, key: str) -> str:
        """Why a complete series is not graded, by what its headers say; empty if nothing speaks against it."""
        if self.spool.is_interrupted(key):
            return "interrupted"
        headers = self._read(key)
        known = [one for one in headers if one is not None]
        if not known or len(known) < len(headers):
            return "unreadable"
        found = {
            "own-result": any(one.is_ours for one in known),
            "not-ct": not known[0].is_mask and not known[0].is_ct,
            "mixed": len({one.sop_class for one in known}) > 1,
            "scout": any(one.is_localizer for one in known),
        }
        earlier: tuple[State, ...] = ("grading", "sending", "done")
        found["late"] = any(self.spool.folder(state, key).exists() for state in earlier)
        return next((code for code, is_so in found.items() if is_so), "")

    def _take_up(self, key: str, mask: Path | None) -> None:
        """Hand a series to the grading, with its mask beside it."""
        if self.spool.folder("failed", key).exists():  # its sender has repeated it, or sent the rest
            self.spool.merge(key, "failed", "received")
        n_images = len(self.spool.images("received", key))
        target = self.spool.folder("received", key) / MASK
        target.unlink(missing_ok=True)
        if mask is not None:
            shutil.copyfile(mask, target)
        if self.spool.move(key, "received", "grading"):
            self._forget(key)
            self.tell(Event("received", key, {"n": n_images}))

    def _masks_of(self, image: ObjectHeader) -> list[Path]:
        """The segmentations and structure sets that were drawn on a series; each is read once."""
        known = self._mask_headers
        paths = [path for key in self.spool.keys("masks") for path in self.spool.images("masks", key)]
        self._mask_headers = {path: one for path in paths if (one := known.get(path) or _header(path))}
        return [path for path, one in self._mask_headers.items() if one.marks(image)]

    def _is_mask_coming(self, image: ObjectHeader) -> bool:
        """Whether a mask that was drawn on a series has come, and may not be complete."""
        headers = (one for key in self.spool.keys("received") for one in self._read(key))
        return any(one is not None and one.is_mask and one.marks(image) for one in headers)

    def _call_back(self, mask_key: str) -> None:
        """Put the series back that have failed for want of a region, as far as the new mask is of their study."""
        studies = {one.study_uid for path in self.spool.images("masks", mask_key) if (one := _header(path))}
        for key in self.spool.keys("failed"):
            reason, images = self.spool.reason_of(key), self.spool.images("failed", key)
            if reason is None or reason.code != REGION_MISSING or not images:
                continue
            header = _header(images[0])
            if header is not None and header.study_uid in studies:
                self.spool.retry(key)

    def _read(self, key: str) -> list[ObjectHeader | None]:
        """The headers of a series, read once as long as no object comes."""
        paths = self.spool.images("received", key)
        known = self._headers.get(key)
        if known is None or known[0] != len(paths):
            known = self._headers[key] = (len(paths), [_header(path) for path in paths])
        return known[1]

    def _fail(self, key: str, code: str) -> None:
        self.spool.fail(key, "received", Reason(code, _REASONS[code]))
        self._forget(key)
        self.tell(Event("failed", key, {"code": code, "what": _REASONS[code]}))

    def _forget(self, key: str) -> None:
        self._touched.pop(key, None)
        self._headers.pop(key, None)


def _header(path: Path) -> ObjectHeader | None:
    """The header of an object; None if it is damaged, or cannot be read from the disk again."""
    try:
        return header_of(path)
    except OSError:
        return None
