"""Finding and retrieving series of a DICOMweb service: the functions behind ``nephrograde retrieve``."""

from __future__ import annotations

from pathlib import Path

from nephrograde.arguments import PATH, TEXT, Kind, checked
from nephrograde.errors import ExchangeError, InputError, Problem
from nephrograde.exchange.destination import is_uid, parse_web_service
from nephrograde.exchange.dicomweb import FoundSeries, Web
from nephrograde.exchange.tls import Tls
from nephrograde.replacement import replaced_folder
from nephrograde.volume.dicom.references import save_object

_TLS = Kind(lambda value: isinstance(value, Tls), "Give a Tls, or None for what the operating system trusts.")
_NAME = "{:06d}.dcm"
_ATTEMPTS = 3


@checked(url=TEXT, study=TEXT, modality=TEXT, patient_id=TEXT, accession=TEXT, tls=_TLS)
def find_series(
    url: str,
    *,
    study: str | None = None,
    modality: str | None = None,
    patient_id: str | None = None,
    accession: str | None = None,
    tls: Tls | None = None,
) -> tuple[FoundSeries, ...]:
    """Find series of a DICOMweb service (QIDO).

    Args:
        url: The address of the service before ``/studies``; its user or token comes from the environment, as for
            :func:`~nephrograde.send`.
        study: StudyInstanceUID.
        modality: Such as ``CT`` or ``SR``.
        patient_id: The PatientID.
        accession: The accession number.
        tls: The files of an encrypted connection.

    Raises:
        InputError: The address is none, the study is no UID, or nothing is asked for.
        ExchangeError: The service cannot be reached, or refuses.
    """
    service = parse_web_service(url, place="url")
    if study is not None:
        _require_uid("study", study)
    named = {"Modality": modality, "PatientID": patient_id, "AccessionNumber": accession}
    filters = {keyword: value for keyword, value in named.items() if value}
    if study is None and not {"PatientID", "AccessionNumber"} & filters.keys():
        what = "is not named, and neither is a patient or an accession number"
        raise InputError([Problem("study", what, "Name one of them: an archive holds too many series to list all.")])
    return tuple(Web(service, tls=tls, attempts=_ATTEMPTS).search(study, filters))


@checked(url=TEXT, study=TEXT, series=TEXT, out_dir=PATH, tls=_TLS)
def retrieve(url: str, study: str, series: str, out_dir: str | Path, *, tls: Tls | None = None) -> tuple[Path, ...]:
    """Retrieve a series of a DICOMweb service (WADO) into a folder, which ``predict`` and ``read_volume`` read.

    The files are numbered; no name comes from the service. The folder appears when everything is there.

    Args:
        url: The address of the service before ``/studies``; its user or token comes from the environment, as for
            :func:`~nephrograde.send`.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        out_dir: A new or empty folder.
        tls: The files of an encrypted connection.

    Returns:
        The files.

    Raises:
        InputError: The address is none, a UID is none, or the folder holds files.
        ExchangeError: The service cannot be reached, refuses, has no such series, or sends other objects.
        WriteError: The folder cannot be written.
    """
    service = parse_web_service(url, place="url")
    _require_uid("study", study)
    _require_uid("series", series)
    folder = Path(out_dir)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError([Problem(str(folder), "holds files", "Name a new or an empty folder for the series.")])
    web = Web(service, tls=tls, attempts=_ATTEMPTS)
    known = next((one.n_images for one in web.search(study, {"SeriesInstanceUID": series})), None)
    names: list[str] = []
    with replaced_folder(folder, is_ours=lambda _: False) as temporary_dir:
        for number, dataset in enumerate(web.retrieve(study, series), start=1):
            if (str(dataset.get("StudyInstanceUID")), str(dataset.get("SeriesInstanceUID"))) != (study, series):
                raise ExchangeError(f"{service} sends objects of another series than it was asked for.")
            names.append(_NAME.format(number))
            save_object(dataset, temporary_dir / names[-1])
        if not names:
            raise ExchangeError(f"{service} has no object of this series.")
        if known is not None and known != len(names):
            raise ExchangeError(f"{service} sends {len(names)} of {known} objects of the series. Try again later.")
    return tuple(folder / name for name in names)


def _require_uid(place: str, text: str) -> None:
    if not is_uid(text):
        what = "is no UID"
        raise InputError([Problem(place, what, "A UID has numbers and dots, at most 64 characters.")])
