"""Check what is about to be published: the wheel and the source distribution hold what they must, and nothing else.

The wheel holds every file of the package and nothing besides its metadata. Its files are of known kinds, so that no
image, DICOM, model or compiled file can be among them. The metadata say what ``pyproject.toml`` says.

Run: python release/check_distribution.py dist
"""

from __future__ import annotations

import email
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).resolve().parents[1]
KINDS = {".bib", ".css", ".html", ".j2", ".js", ".json", ".py", ".toml", ".typed"}
"""Suffixes of what the package consists of."""
MOST_BYTES = {"wheel": 3_000_000, "source distribution": 3_000_000, "installed package": 9_000_000}
OF_METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
OF_SOURCE = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "MANIFEST.in", "README.md", "README.zh-CN.md"}
OF_SOURCE |= {"PKG-INFO", "constraints.txt", "pyproject.toml", "setup.cfg"}
UNREAL = ("__pycache__", ".egg-info")
"""Parts of paths that are no part of the package, wherever they are."""


def problems_of(folder: Path, root: Path = ROOT) -> list[str]:
    """Everything that is wrong with the distributions of a folder; empty if they can be published.

    Args:
        folder: Holds one wheel and one source distribution.
        root: The checkout that they were built from.
    """
    wheels, sources = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sources) != 1:
        return [f"{folder} holds {len(wheels)} wheels and {len(sources)} source distributions instead of one of each."]
    package = package_files(root)
    return [
        *wheel_problems(wheels[0], package, root),
        *source_problems(sources[0], package),
        *size_problems(wheels[0], sources[0]),
    ]


def package_files(root: Path) -> set[str]:
    """The files of the package in a checkout, such as ``nephrograde/py.typed``."""
    src = root / "src"
    found = {path.relative_to(src).as_posix() for path in (src / "nephrograde").rglob("*") if path.is_file()}
    return {name for name in found if not any(part in name for part in UNREAL)}


def wheel_problems(wheel: Path, package: set[str], root: Path) -> list[str]:
    """What is wrong with a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next((name.partition("/")[0] for name in names if name.endswith(".dist-info/METADATA")), "")
        if not info:
            return [f"{wheel.name} has no metadata."]
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
        entry = archive.read(f"{info}/entry_points.txt").decode() if f"{info}/entry_points.txt" in names else ""
    own = names - {f"{info}/{name}" for name in OF_METADATA}
    problems = [f"{wheel.name} lacks {name}." for name in sorted(package - own)]
    problems += [f"{wheel.name} holds {name}, which is no part of the package." for name in sorted(own - package)]
    problems += [
        f"{wheel.name} holds {name}, a kind of file that is not known."
        for name in sorted(own)
        if kind(name) not in KINDS
    ]
    if f"{info}/licenses/LICENSE" not in names:
        problems.append(f"{wheel.name} holds no licence.")
    return [*problems, *metadata_problems(metadata, entry, root)]


def kind(name: str) -> str:
    """The suffix of a file; ``py.typed`` has one, too."""
    return PurePosixPath(name).suffix


def metadata_problems(metadata: Message, entry: str, root: Path) -> list[str]:
    """Where the metadata of a wheel differ from what the checkout says."""
    project: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {
        "Name": project["name"],
        "Version": project["version"],
        "License-Expression": project["license"],
        "Requires-Python": project["requires-python"],
        "Description-Content-Type": "text/markdown",
    }
    problems = [
        f"METADATA: {key} is {metadata[key]!r} instead of {value!r}."
        for key, value in wanted.items()
        if metadata[key] != value
    ]
    classifiers = metadata.get_all("Classifier", [])
    if sorted(classifiers) != sorted(project["classifiers"]):
        problems.append("METADATA: the classifiers are not those of pyproject.toml.")
    readme = (root / project["readme"]).read_text(encoding="utf-8")
    description: Any = metadata.get_payload(decode=True)
    if description.decode("utf-8").strip() != readme.strip():
        problems.append("METADATA: the description is not the README.")
    if (found := versions_in(root)) != {project["version"]}:
        problems.append(
            f"pyproject.toml, version.py and CITATION.cff name different versions: {', '.join(sorted(found))}."
        )
    scripts = [f"{name} = {place}" for name, place in project["scripts"].items()]
    problems += [f"entry_points.txt lacks {line}." for line in scripts if line not in entry]
    requires = {re.sub(r"\s|;.*", "", line) for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    if requires != set(project["dependencies"]):
        problems.append("METADATA: the dependencies are not those of pyproject.toml.")
    return problems


def versions_in(root: Path) -> set[str]:
    """The versions that the files of a checkout name."""
    places = {"src/nephrograde/version.py": r'__version__ = "(.*)"', "CITATION.cff": r"^version: (.*)$"}
    places["pyproject.toml"] = r'^version = "(.*)"$'
    return {
        version
        for name, pattern in places.items()
        for version in re.findall(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
    }


def source_problems(source: Path, package: set[str]) -> list[str]:
    """What is wrong with a source distribution: it holds the package, and the documents of the project."""
    with tarfile.open(source) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    wanted = {f"src/{name}" for name in package} | OF_SOURCE
    own = {name for name in names if not any(part in name for part in UNREAL)}
    problems = [f"{source.name} lacks {name}." for name in sorted(wanted - own)]
    return problems + [f"{source.name} holds {name}, which does not belong there." for name in sorted(own - wanted)]


def size_problems(wheel: Path, source: Path) -> list[str]:
    """Which distribution is larger than it may be."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(one.file_size for one in archive.infolist())
    sizes = {"wheel": wheel.stat().st_size, "source distribution": source.stat().st_size, "installed package": unpacked}
    return [
        f"The {what} has {size / 1e6:.1f} MB, more than {MOST_BYTES[what] / 1e6:.0f} MB."
        for what, size in sizes.items()
        if size > MOST_BYTES[what]
    ]


def main() -> int:
    """Print every problem; 1 if there is one."""
    problems = problems_of(Path(sys.argv[1]))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
