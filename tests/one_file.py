"""Files of `integrations/`, imported by their path."""

import importlib.util
from pathlib import Path
from typing import Any

INTEGRATIONS = Path(__file__).parents[1] / "integrations"


def imported(path: Path) -> Any:
    """Import a file that belongs to no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
