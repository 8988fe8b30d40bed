"""nephrograde: grade clear cell renal cell carcinoma from three-phase CT. Research use only.

One patient's way through the package: a row of the cohort table (``cohort``) becomes scans (``volume``),
regions a model sees (``sample``), a probability (``model``, ``fit``), a row of ``scores.csv`` and an estimate
(``evaluate``), a table cell and a figure (``report``). ``pipeline`` runs the study from top to bottom, ``cli`` is the
command line and ``api`` is what this package offers to Python; it is loaded on first use (PEP 562).

>>> import nephrograde as ng
>>> print(ng.auc([0.1, 0.3, 0.6, 0.5, 0.8, 0.9], [0, 0, 0, 1, 1, 1]))
0.889 (0.261–0.995)
"""

from typing import TYPE_CHECKING

from nephrograde.version import __version__ as __version__

if TYPE_CHECKING:
    from nephrograde.api import *  # noqa: F403


def __getattr__(name: str) -> object:
    from importlib import import_module
    from importlib.util import find_spec

    if name.startswith("__") or find_spec(f"{__name__}.{name}"):
        raise AttributeError(name)  # a module of the package, which Python imports next, without the API
    api = import_module("nephrograde.api")
    if name not in api.__all__:
        raise AttributeError(f"module 'nephrograde' has no attribute '{name}'; it offers {', '.join(api.__all__)}")
    return getattr(api, name)


def __dir__() -> list[str]:
    from importlib import import_module

    return ["__version__", *import_module("nephrograde.api").__all__]
