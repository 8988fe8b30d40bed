"""Whatever docstrings and documents name of the package is there."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src" / "nephrograde"
ROLE = re.compile(r":(?:mod|func|class|meth|data|exc|attr):`~?([\w.]+)`")
DOTTED = re.compile(r"(?<![.\w/])nephrograde(?:\.\w+)+")
FILE = re.compile(r"\b(?:\w+/)+\w+\.py\b")
ADDRESS = re.compile(r"https?://[^\s)]+")
OTHERS = {
    "etc/orthanc/nephrograde_orthanc.py",
    "scripts/__init__.py",
    "datasets/brains18.py",
    "models/resnet.py",
    "dinov2/models/vision_transformer.py",
    "merlin/data/monai_transforms.py",
    "merlin/models/i3res.py",
    "models/official/efficientnet/lite/efficientnet_lite_builder.py",
}
"""Files of other projects: MedicalNet, DINOv2, Merlin and EfficientNet-Lite, which networks follow."""


def texts_of(source_path):
    """Every docstring and other text of a module, with the module's name."""
    parts = source_path.with_suffix("").relative_to(SOURCES.parent).parts
    module = ".".join(parts).removesuffix(".__init__")
    for node in ast.walk(ast.parse(source_path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield module, node.value


def documents():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        if path.name != "CHANGELOG.md":  # tells of what was
            yield path.name, ADDRESS.sub("", path.read_text(encoding="utf-8"))


def is_there(dotted):
    names = dotted.split(".")
    for count in range(len(names), 0, -1):
        try:
            found = importlib.import_module(".".join(names[:count]))
        except ModuleNotFoundError:
            continue
        for name in names[count:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.slow
def test_every_name_of_the_package_in_a_text_is_there():
    sources = [text for path in sorted(SOURCES.rglob("*.py")) for text in texts_of(path)]
    assert len(sources) > 1000
    missing = set()
    for place, text in [*sources, *documents()]:
        names = {*DOTTED.findall(text)} | {
            name if name.startswith("nephrograde.") else f"{place}.{name}" for name in ROLE.findall(text)
        }
        missing |= {(place, name) for name in names if not is_there(name)}
    assert missing == set()


@pytest.mark.slow
def test_every_source_file_that_a_text_names_is_there():
    sources = [text for path in sorted(SOURCES.rglob("*.py")) for text in texts_of(path)]
    named = {
        (place, name) for place, text in [*sources, *documents()] for name in FILE.findall(text) if name not in OTHERS
    }
    homes = (ROOT, SOURCES, SOURCES.parent)
    assert {(place, name) for place, name in named if not any((home / name).is_file() for home in homes)} == set()
