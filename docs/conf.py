"""Configuration of the documentation site: ``make docs`` builds it into ``build/docs/html``, without a network."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from pygments.lexers.special import TextLexer
from sphinx.util.typing import stringify_annotation

import nephrograde

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def site_date() -> str:
    """The day of the last commit, so that the same commit gives the same site; today where git knows none.

    Where the source was exported from git, ``SOURCE_DATE_EPOCH`` says when it was committed, in seconds.
    """
    if epoch_s := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch_s), UTC).date().isoformat()
    command = ["git", "log", "-1", "--format=%cs"]
    try:
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout  # noqa: S603 (constant)
    except (OSError, subprocess.CalledProcessError):
        told = ""
    return told.strip() or datetime.now(UTC).date().isoformat()


project = "nephrograde"
author = "The nephrograde authors"
version = release = nephrograde.__version__
project_copyright = "The nephrograde authors, Apache-2.0"
language = "en"

extensions = [
    "myst_nb",  # Markdown, and Markdown files with code cells that run during the build
    "sphinx_external_toc",  # the table of contents is _toc.yml, so that the pages stay plain Markdown
    "sphinx_copybutton",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["README.md"]
templates_path = ["_templates"]
highlight_language = "none"  # most unlabelled blocks are commands and tables

# Markdown ------------------------------------------------------------------------------------------------------------
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]

# Notebooks: always run, since a cached output would hide that a change of the package broke one -----------------------
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_output_stderr = "warn"  # with warnings as errors, nothing may be printed to stderr

# The kernels get a profile of their own: no history in the home folder, and no warning that they listen on loopback.
ipython_dir = Path(tempfile.mkdtemp(prefix="nephrograde-docs-"))
atexit.register(shutil.rmtree, ipython_dir, ignore_errors=True)
(ipython_dir / "profile_default").mkdir()
(ipython_dir / "profile_default" / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n')
os.environ["IPYTHONDIR"] = str(ipython_dir)

# The API reference ---------------------------------------------------------------------------------------------------
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Source"]
napoleon_use_rtype = False
# Types of NumPy, pandas and the standard library have no page here; references into this package must lead somewhere.
nitpick_ignore_regex = [("py:.*", r"(?!nephrograde\.).*")]
nitpick_ignore = [("py:class", "nephrograde.results.results.Results"), ("py:class", "nephrograde.run.folder.RunFolder")]
"""What functions take beside a path, for the package itself."""

RETURNED = {
    "nephrograde.Audits",
    "nephrograde.Grader",
    "nephrograde.Plan",
    "nephrograde.ReaderAnalysis",
    "nephrograde.Run",
}
"""Classes that functions of the package return; their constructors are not for users."""

# HTML ----------------------------------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "nephrograde"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_context = {"site_date": site_date()}  # with the version, on every page
html_theme_options = {
    "announcement": "Research use only: not a medical device. 仅供科研使用，不是医疗器械。",
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["research-use-only"],
    "footer_end": ["copyright"],
    "show_toc_level": 2,
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def set_page_language(_app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """Declare the Chinese pages as Chinese, so that browsers choose Chinese letter shapes and hyphenation."""
    if pagename.startswith("zh/"):
        context["language"] = "zh-CN"


def write_signature(
    _app: Sphinx, _what: str, name: str, item: object, _options: object, signature: str, returned: str
) -> tuple[str, str]:
    """Show the keys of a section of the study without the limits of their values, which make a signature unreadable."""
    if name in RETURNED:
        return "", returned
    if not (isinstance(item, type) and issubclass(item, BaseModel)):
        return signature, returned
    types = {key: stringify_annotation(kind, "smart") for key, kind in get_type_hints(item).items()}
    shown = [f"{key}: {types[key]}{default_text(field.default)}" for key, field in item.model_fields.items()]
    return f"(*, {', '.join(shown)})", returned


def default_text(default: object) -> str:
    """Write a default as in a signature; a section of the study as its constructor without arguments."""
    if default is PydanticUndefined:
        return ""
    return f" = {type(default).__name__}()" if isinstance(default, BaseModel) else f" = {default!r}"


def setup(app: Sphinx) -> None:
    """Register what the options above cannot express."""
    app.connect("autodoc-process-signature", write_signature)
    app.connect("html-page-context", set_page_language)
    app.add_lexer("csv", TextLexer)  # a language that GitHub knows and Pygments does not
