"""``deidentify``: from a DICOM export to a copy without its patients' identity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nephrograde.arguments import FLAG, PATH, checked

if TYPE_CHECKING:
    from nephrograde.sources.deidentify.folder import Deidentified


@checked(
    folder=PATH,
    out=PATH,
    key=PATH,
    keep_descriptions=FLAG,
    keep_characteristics=FLAG,
    write_suspects=FLAG,
)
def deidentify(
    folder: str | Path,
    out: str | Path,
    *,
    key: str | Path,
    keep_descriptions: bool = True,
    keep_characteristics: bool = True,
    write_suspects: bool = False,
) -> Deidentified:
    """Write a copy of a DICOM export without its patients' identity (basic profile of DICOM PS3.15, dates shifted).

    Args:
        folder: The export.
        out: Where the files without identity go.
        key: The table that says who is who; keep it apart from the files.
        keep_descriptions: Keep the descriptions of studies and series, cleaned; phases are recognised by them.
        keep_characteristics: Keep sex, age (below 90), size and weight.
        write_suspects: Write images that may have text burnt in as well; only after a person has reviewed them.

    Returns:
        What was done: counts, and the paths of the report and of the list of files that were set aside.

    Raises:
        InputError: The key or the folder cannot be used.
    """
    from nephrograde.sources.deidentify.folder import DeidentifySettings, deidentify_folder

    settings = DeidentifySettings(
        keep_descriptions=keep_descriptions,
        keep_characteristics=keep_characteristics,
        write_suspects=write_suspects,
    )
    return deidentify_folder(Path(folder), Path(out), key_path=Path(key), settings=settings)
