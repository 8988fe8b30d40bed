"""What makes new DICOM objects unique: the moment they were made, and the UIDs that follow from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from pydicom import Dataset

_DATES: Final = ("InstanceCreation{}", "Content{}", "Series{}", "{}OfSecondaryCapture")


@dataclass(frozen=True, slots=True)
class Stamp:
    """When the objects of one grading were made, and the seed of their UIDs.

    Each grading has a seed of its own, as an object that differs from an earlier one must not have its UID. With the
    same stamp, the same grading gives the same bytes.

    >>> stamp = Stamp(datetime(2026, 4, 15, 9, 30), "a")
    >>> stamp.uid("report") == stamp.uid("report"), stamp.uid("report") == stamp.uid("capture")
    (True, False)
    """

    moment: datetime
    seed: str

    @classmethod
    def now(cls) -> Stamp:
        """Make a stamp that nobody else has."""
        return cls(datetime.now(), uuid4().hex)

    def uid(self, *names: str) -> str:
        """Return the UID of one object or series.

        Args:
            names: Which one.
        """
        from pydicom.uid import generate_uid

        return str(generate_uid(entropy_srcs=[self.seed, *names]))

    def put_on(self, made: Dataset) -> None:
        """State the moment wherever an object states when it was made.

        Args:
            made: The object.
        """
        for form in _DATES:
            for what, text in (("Date", self.moment.strftime("%Y%m%d")), ("Time", self.moment.strftime("%H%M%S"))):
                keyword = form.format(what)
                if keyword in made:
                    setattr(made, keyword, text)
        for item in made.get("ContributingEquipmentSequence", ()):
            if item.get("ManufacturerModelName") == "highdicom":  # the other item is the scanner
                item.ContributionDateTime = self.moment.strftime("%Y%m%d%H%M%S")
