"""The public cohorts, where they lie, under which licence, and whom to cite."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, TypeAlias

Host: TypeAlias = Literal["idc", "hugging_face", "github"]

KITS_IMAGES = "datasets/neheller/KiTS-Challenge-Imaging"
KITS_REVISION = "65f1f295873a326230153c7e1de0c7dba10f0b29"
KITS_REPOSITORY = "neheller/kits23/main/dataset"
KITS_CASES = (*range(300), *range(400, 589))
"""The 489 cases of KiTS23: its numbers leave out the test cases of KiTS21 (300–399)."""
KITS_FIRST_NEPHROGRAPHIC = 500
KITS_CASE_BYTES = 100_000_000
"""A case of KiTS23 on average: an estimate until the server is asked, about 49 GB over 489 cases."""


@dataclass(frozen=True, slots=True)
class PublicCohort:
    """One cohort that can be had by name.

    Attributes:
        name: As typed.
        title: As its authors call it.
        collection_id: In the Imaging Data Commons; empty where it is not there.
        grade_column: The heading of its grades, which says what system they follow.
        gdc_project: Where the Genomic Data Commons has its grades; empty where they stand in ``kits23.json``.
        gdc_filters: What its cases are told by there, besides the project.
        mask_label: What ``masks.label`` must name, so that the tumour alone counts; empty where a mask holds no more.
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
"""What to cite, by the DOI that the index names as the source of a series."""

GRADE_COLUMNS = tuple(dict.fromkeys(cohort.grade_column for cohort in COHORTS.values()))
KITS_DOI = "10.48550/arxiv.2307.01984"
KITS_LICENCE = "CC BY-NC-SA 4.0"


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where everything is asked for, and how patiently.

    Attributes:
        idc: S3 endpoint of the Imaging Data Commons.
        hugging_face: Of the images of KiTS; a mirror is named in the environment as ``HF_ENDPOINT``.
        github: Of the masks and grades of KiTS.
        gdc: Of the grades of TCGA and CPTAC.
        tries: How often one request is tried.
        wait_s: Before the second try; doubled for each later one.
        timeout_s: Without a single byte.
    """

    idc: str = "https://s3.amazonaws.com"
    hugging_face: str = "https://huggingface.co"
    github: str = "https://raw.githubusercontent.com"
    gdc: str = "https://api.gdc.cancer.gov"
    tries: int = 5
    wait_s: float = 2.0
    timeout_s: float = 60.0


def default_hosts() -> Hosts:
    """Give the public hosts, or the mirror of Hugging Face that the environment names.

    **Source:** ``HF_ENDPOINT`` as in the documentation of huggingface_hub.

    >>> default_hosts().idc
    'https://s3.amazonaws.com'
    """
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return Hosts(hugging_face=mirror) if mirror else Hosts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing to download: a series of the Imaging Data Commons, or a single file.

    Attributes:
        host: Who has it.
        source: There: ``bucket/uuid`` of a series, or the path of a file.
        path: Where it goes, below the folder of the cohort; a folder for a series of several files.
        n_files: How many files it is.
        size_bytes: How large it is, as far as known before the server is asked.
        licence: Its short name.
        doi: Of the source to cite.
    """

    host: Host
    source: str
    path: str
    n_files: int
    size_bytes: int
    licence: str
    doi: str
