"""The public cohorts: their hosts, licences and citations."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias

Host: TypeAlias = Literal["idc", "hugging_face", "github"]

KITS_IMAGES = "datasets/neheller/KiTS-Challenge-Imaging"
KITS_REVISION = "65f1f295873a326230153c7e1de0c7dba10f0b29"
KITS_REPOSITORY = "neheller/kits23/main/dataset"
KITS_CASES = (*range(300), *range(400, 589))
"""The 489 cases of KiTS23: its numbering skips the test cases of KiTS21 (300–399)."""
KITS_FIRST_NEPHROGRAPHIC = 500
KITS_CASE_BYTES = 100_000_000
"""Average size of a KiTS23 case: an estimate until the server is queried, about 49 GB for 489 cases."""


@dataclass(frozen=True, slots=True)
class PublicCohort:
    """One public cohort, available by name.

    Attributes:
        name: The name to type.
        title: The title that its authors use.
        collection_id: Its collection in the Imaging Data Commons; empty if it is not there.
        grade_column: The heading of its grades, which states the grading system.
        gdc_project: The project in the Genomic Data Commons that has its grades; empty if they are in ``kits23.json``.
        gdc_filters: Further filters that select its cases there.
        mask_label: The value that ``masks.label`` needs to select the tumour only; empty if masks contain nothing else.
    """

    name: str
    title: str
    collection_id: str
    grade_column: str
    gdc_project: str = ""
    gdc_filters: tuple[tuple[str, str], ...] = ()
    mask_label: str = ""


COHORTS = {
    cohort.name: cohort
    for cohort in (
        PublicCohort("c4kc-kits", "C4KC-KiTS", "c4kc_kits", "isup_grade", mask_label="the tumour's label"),
        PublicCohort("kits23", "KiTS23", "", "isup_grade", mask_label="2"),
        PublicCohort(
            "tcga-kirc", "TCGA-KIRC", "tcga_kirc", "fuhrman_grade", "TCGA-KIRC", mask_label="the mass's label"
        ),
        PublicCohort(
            "cptac-ccrcc", "CPTAC-CCRCC", "cptac_ccrcc", "tumor_grade", "CPTAC-3", (("primary_site", "Kidney"),)
        ),
    )
}

CITATIONS = {
    "10.7937/tcia.2019.ix49e8nx": "Heller N et al. Data from C4KC-KiTS. The Cancer Imaging Archive, 2019",
    "10.7937/k9/tcia.2016.v6pbvtdr": "Akin O et al. The Cancer Genome Atlas Kidney Renal Clear Cell Carcinoma "
    "Collection (TCGA-KIRC). The Cancer Imaging Archive, 2016",
    "10.7937/k9/tcia.2018.oblamn27": "National Cancer Institute Clinical Proteomic Tumor Analysis Consortium. The "
    "CPTAC Clear Cell Renal Cell Carcinoma Collection (CPTAC-CCRCC). The Cancer Imaging Archive, 2018",
    "10.7937/skq4-qx48": "Rozenfeld M, Jordan P. Annotations for the CPTAC-CCRCC Collection. The Cancer Imaging "
    "Archive, 2023",
    "10.5281/zenodo.22284133": "de Boer S et al. RCC-AID: Renal Cell Carcinoma AI Dataset for Medical Imaging "
    "Research. Machine Learning for Biomedical Imaging, 2026. doi:10.59275/j.melba.2026-2dg2",
    "10.48550/arxiv.2307.01984": "Heller N et al. The KiTS21 Challenge: Automatic segmentation of kidneys, renal "
    "tumors, and renal cysts in corticomedullary-phase CT, 2023",
}
"""Citations by the DOI that the index gives as the source of a series."""

GRADE_COLUMNS = tuple(dict.fromkeys(cohort.grade_column for cohort in COHORTS.values()))
KITS_DOI = "10.48550/arxiv.2307.01984"
KITS_LICENCE = "CC BY-NC-SA 4.0"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The hosts of images, masks and grades, and the retry policy.

    Attributes:
        idc: S3 endpoint of the Imaging Data Commons.
        hugging_face: Host of the KiTS images; the environment variable ``HF_ENDPOINT`` can name a mirror.
        github: Host of the KiTS masks and grades.
        gdc: Host of the TCGA and CPTAC grades.
        tries: Maximum number of attempts per request.
        wait_s: Wait before the second attempt; doubled for each further one.
        timeout_s: Time without data after which a request fails.
    """

    idc: str = "https://s3.amazonaws.com"
    hugging_face: str = "https://huggingface.co"
    github: str = "https://raw.githubusercontent.com"
    gdc: str = "https://api.gdc.cancer.gov"
    tries: int = 5
    wait_s: float = 2.0
    timeout_s: float = 60.0


def default_hosts() -> Hosts:
    """Return the public hosts, with the mirror of Hugging Face if the environment names one.

    **Source:** documentation of huggingface_hub, ``HF_ENDPOINT``.

    >>> default_hosts().idc
    'https://s3.amazonaws.com'
    """
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return Hosts(hugging_face=mirror) if mirror else Hosts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to download: a series of the Imaging Data Commons, or a single file.

    Attributes:
        host: The host.
        source: Location on the host: ``bucket/uuid`` of a series, or the path of a file.
        path: Target below the cohort's folder; a folder for a series of several files.
        n_files: Number of files.
        size_bytes: Size, as far as known before the server is queried.
        licence: Short name of the licence.
        doi: DOI of the source to cite.
    """

    host: Host
    source: str
    path: str
    n_files: int
    size_bytes: int
    licence: str
    doi: str
