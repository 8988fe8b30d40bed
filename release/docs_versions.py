"""Build the documentation of every release and of the present source, side by side, into ``build/docs/site``.

A release is a git tag such as ``v1.2.3``; of each minor version the newest patch is shown, in a folder such as ``1.2``,
so that links survive a patch. ``stable`` leads to the newest. The present source is what ``make docs`` has built; it is
shown as ``development``, unless it is a release and nothing was changed.

Each release is exported from git and built from its own pages and its own package, with the packages that are installed
now. What was built is kept in ``build/docs/versions`` and built once.

Run: make docs-versions, or python -m release.docs_versions build/docs/html
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from docs.check_site import site_problems
from release.version_bar import DEVELOPMENT, Edition, assemble

ROOT = Path(__file__).resolve().parents[1]
_LISTED = 10  # problems that are printed
_TAG = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class BuildError(Exception):
    """The documentation of a version cannot be built; the message says why, and what to do."""


def git(root: Path, *words: str) -> str:
    """What git answers, without the end of the line."""
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def releases(root: Path) -> list[str]:
    """The tags whose documentation is shown: the newest patch of each minor version, the newest version first.

    Args:
        root: A checkout. Tags that are no version, or one of a pre-release, are left out.
    """
    numbers = [tuple(map(int, found.groups())) for tag in git(root, "tag").split() if (found := _TAG.fullmatch(tag))]
    newest: dict[tuple[int, ...], tuple[int, ...]] = {}
    for number in sorted(numbers):
        newest[number[:2]] = number
    return [f"v{'.'.join(map(str, number))}" for number in sorted(newest.values(), reverse=True)]


def built(root: Path, tag: str, kept_dir: Path) -> Path:
    """Build the documentation of a release, unless that was done before.

    Args:
        root: The checkout that has the tag.
        tag: Such as ``v1.2.3``.
        kept_dir: Where built documentation is kept, by tag and commit.

    Returns:
        The folder with ``index.html``.

    Raises:
        BuildError: Sphinx fails, or the tag's package has another version or is not the one that Python imports.
    """
    html_dir = kept_dir / f"{tag}-{git(root, 'rev-parse', f'{tag}^{{commit}}')[:12]}"
    if html_dir.exists():
        return html_dir
    kept_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nephrograde-docs-") as name:
        source_dir = Path(name).resolve() / "source"
        _export(root, tag, source_dir)
        environ = {**os.environ, "PYTHONPATH": str(source_dir / "src"), "OMP_NUM_THREADS": "1"}
        environ["SOURCE_DATE_EPOCH"] = git(root, "log", "-1", "--format=%ct", tag)  # the export has no history
        _refuse_other_package(tag, source_dir, environ)
        words = [sys.executable, "-m", "sphinx", "-b", "html", "-d", f"{name}/doctrees", "--keep-going", "--quiet"]
        done = subprocess.run(
            [*words, "docs", f"{name}/html"], cwd=source_dir, env=environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BuildError(
                f"{tag}: Sphinx ended with {done.returncode}: {done.stderr.strip()[-2000:]}\nIf the packages that are "
                f"installed now are too new for it, run make docs in a checkout of {tag} with packages of its time, "
                f"and copy its build/docs/html to {html_dir}."
            )
        partial_dir = html_dir.with_name(f"{html_dir.name}.partial")
        shutil.rmtree(partial_dir, ignore_errors=True)
        shutil.copytree(f"{name}/html", partial_dir)
        partial_dir.replace(html_dir)
    return html_dir


def _export(root: Path, tag: str, source_dir: Path) -> None:
    """Write the files of a tag into a new folder."""
    archive_path = source_dir.with_suffix(".tar")
    git(root, "archive", "--format", "tar", "--output", str(archive_path), tag)
    with tarfile.open(archive_path) as archive:
        archive.extractall(source_dir, filter="data")
    if not (source_dir / "docs" / "conf.py").is_file():
        raise BuildError(f"{tag}: has no docs/conf.py, so there is nothing to build.")


def _refuse_other_package(tag: str, source_dir: Path, environ: dict[str, str]) -> None:
    """Refuse if Sphinx would describe another package than the tag's own."""
    words = "import nephrograde; print(nephrograde.__version__, nephrograde.__file__)"
    asked = subprocess.run(
        [sys.executable, "-c", words], cwd=source_dir, env=environ, capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise BuildError(f"{tag}: its package cannot be imported: {asked.stderr.strip()[-500:]}")
    version, _, place = asked.stdout.strip().partition(" ")
    if not Path(place).resolve().is_relative_to(source_dir):
        raise BuildError(f"{tag}: Python imports {place} instead of the package of the tag.")
    if f"v{version}" != tag:
        raise BuildError(f"{tag}: its package says that it is {version}. Set the tag on the commit of that version.")


def editions_of(root: Path, present_dir: Path, kept_dir: Path) -> tuple[list[Edition], list[str]]:
    """Build what is missing; all versions to be shown, and what is wrong with the others.

    Args:
        root: The checkout.
        present_dir: What ``make docs`` built from it.
        kept_dir: Where built documentation of releases is kept.
    """
    head = git(root, "rev-parse", "HEAD")
    is_clean = not git(root, "status", "--porcelain")
    editions, problems, is_release = [], [], False
    for tag in releases(root):
        is_present = is_clean and git(root, "rev-parse", f"{tag}^{{commit}}") == head
        is_release |= is_present
        try:
            html_dir = present_dir if is_present else built(root, tag, kept_dir)
        except BuildError as error:
            problems.append(str(error))
        else:
            editions.append(Edition(tag[1:].rpartition(".")[0], tag[1:], html_dir))
    told = (root / "src" / "nephrograde" / "version.py").read_text(encoding="utf-8")
    if not is_release:
        editions.append(Edition(DEVELOPMENT, re.findall(r'__version__ = "(.*)"', told)[0], present_dir))
    return editions, problems


def main() -> int:
    """Build, assemble and check the site; 1 if a version is missing or a page is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("present", type=Path, help="what make docs built")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: that of this script)")
    options = parser.parse_args()
    if not (options.present / "index.html").is_file():
        print(f"{options.present} holds no index.html; run make docs first.")
        return 1
    site_dir = options.root / "build" / "docs" / "site"
    editions, problems = editions_of(options.root, options.present, options.root / "build" / "docs" / "versions")
    assemble(site_dir, editions)
    for one in editions:
        problems += site_problems(site_dir / one.folder, one.name)
        print(f"{one.folder:12} {one.name:10} {len(one.pages())} pages")
    problems += [] if problems else site_problems(site_dir)
    if len(problems) > _LISTED:
        problems = [*problems[:_LISTED], f"{len(problems) - _LISTED} more"]
    print("\n".join(problems) or f"The site is whole; open {site_dir / 'index.html'}.")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
