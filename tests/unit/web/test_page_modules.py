"""The modules of the pages import each other in one direction, like the rooms of the package."""

import re
from graphlib import TopologicalSorter
from importlib.resources import files

PAGES = files("nephrograde") / "web" / "pages"


def test_modules_do_not_import_each_other_in_a_circle():
    modules = [page for page in PAGES.iterdir() if page.name.endswith(".js")]
    imports = {
        page.name: re.findall(r'^(?:import|export)\b.*?\bfrom "\./([\w.]+)";', page.read_text("utf-8"), re.M | re.S)
        for page in modules
    }

    order = list(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle

    assert sorted(order) == sorted(imports)
    assert "state.js" in imports["screen.js"]
