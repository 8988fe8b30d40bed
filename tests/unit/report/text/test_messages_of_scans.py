"""Everything that is said about images and masks has its Chinese: the texts are read from the code that builds them."""

from __future__ import annotations

import ast
import itertools
import re
from importlib import resources
from pathlib import Path

import pytest

from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told
from nephrograde.volume.masks.registration import Motion

PACKAGE = Path(str(resources.files("nephrograde")))
MODULES = tuple(
    path.relative_to(PACKAGE).as_posix()
    for room in ("volume", "quality", "sample", "organs")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if path.stem not in {"dataset", "radiomics"}  # about files of a run, and about packages
)
_BUILDERS = re.compile(r"(?:(?<!Key)(?<!Value)Error|Fault|Finding|Problem|^warn|^as_fault)$")
_TEXTS = frozenset({"message", "remedy"})
_VALUE = "7"
"""What stands for a value that is known only when the program runs."""
_UP = "; the two scans agree best when this one is moved 8 mm up"
_CUT = "; 12% of it lies outside the image"
_MOST = 400
"""Texts of one expression; its alternatives multiply."""


class Module:
    """A module whose texts are wanted, with all that its names and functions may be."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        self.functions = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)}

    def texts(self) -> list[str]:
        """Every message and remedy: arguments of errors, faults and findings, and variables with these names."""
        found: dict[str, None] = {}
        for scope in (self.tree, *self.functions.values()):
            for node in _within(scope):
                for argument in _arguments(node):
                    found.update(dict.fromkeys(self.expand(argument, scope)))
        # A space before the full stop: a part that is left out where it is empty.
        return [text for text in found if len(text.split()) > 2 and not text.endswith(" .")]

    def expand(self, node: ast.expr, scope: ast.AST, depth: int = 0) -> list[str]:
        """All that an expression may say, with a number for each value."""
        if depth > 14:
            return [_VALUE]
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [_VALUE]
        if isinstance(node, ast.FormattedValue):
            return self.expand(node.value, scope, depth + 1)
        if isinstance(node, ast.JoinedStr):
            return self._product(node.values, scope, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._product([node.left, node.right], scope, depth)
        alternatives = self._alternatives(node, scope)
        texts = [text for each, where in alternatives for text in self.expand(each, where, depth + 1)]
        return list(dict.fromkeys(texts)) or [_VALUE]

    def _product(self, parts: list[ast.expr], scope: ast.AST, depth: int) -> list[str]:
        each = [self.expand(part, scope, depth + 1) for part in parts]
        return ["".join(words) for words in itertools.islice(itertools.product(*each), _MOST)]

    def _alternatives(  # noqa: PLR0911 (one kind of expression after the other)
        self, node: ast.expr, scope: ast.AST
    ) -> list[tuple[ast.expr, ast.AST]]:
        """What a choice, a name, a table or a function of the module may be, and where that is written."""
        if isinstance(node, ast.IfExp):
            return [(node.body, scope), (node.orelse, scope)]
        if isinstance(node, ast.BoolOp):
            return [(value, scope) for value in node.values]
        if isinstance(node, ast.Name):
            own = [(value, scope) for value in _assigned(scope, node.id, node)]
            passed = self._passed(scope, node.id)
            return own or passed or [(value, self.tree) for value in _assigned(self.tree, node.id)]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "join" and node.args:
            listed = [(node.args[0], scope), *self._alternatives(node.args[0], scope)]
            return [(each, where) for items, where in listed for each in _elements(items)]
        if isinstance(node, ast.Subscript):
            return [
                (value, where)
                for table, where in [(node.value, scope), *self._alternatives(node.value, scope)]
                if isinstance(table, ast.Dict)
                for value in table.values
            ]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self.functions:
            function = self.functions[node.func.id]
            return [(each.value, function) for each in _within(function) if isinstance(each, ast.Return) and each.value]
        return []

    def _passed(self, scope: ast.AST, name: str) -> list[tuple[ast.expr, ast.AST]]:
        """What the callers of a function pass for one of its parameters."""
        if not isinstance(scope, ast.FunctionDef):
            return []
        parameters = [each.arg for each in (*scope.args.args, *scope.args.kwonlyargs)]
        if name not in parameters:
            return []
        at = parameters.index(name)
        found: list[tuple[ast.expr, ast.AST]] = []
        for caller in (self.tree, *self.functions.values()):
            for node in _within(caller):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == scope.name:
                    found += [(each.value, caller) for each in node.keywords if each.arg == name]
                    found += [(each, caller) for each in node.args[at : at + 1]]
        return found


def _within(scope: ast.AST) -> list[ast.AST]:
    """The nodes of a module or function without those of the functions inside it."""
    found: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, ast.FunctionDef):
            waiting = [*ast.iter_child_nodes(node), *waiting]
    return found


def _arguments(node: ast.AST) -> list[ast.expr]:
    """What a statement or call says to the user."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if _BUILDERS.search(name):
            return [*node.args, *(each.value for each in node.keywords)]
        return [each.value for each in node.keywords if each.arg in _TEXTS]
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        return [node.value] if any(name.strip("_").lower() in _TEXTS for name in named) else []
    return []


def _elements(node: ast.expr) -> list[ast.expr]:
    """The texts of a list or of a comprehension."""
    if isinstance(node, ast.List | ast.Tuple):
        return [each for each in node.elts if not isinstance(each, ast.Starred)]
    return [node.elt] if isinstance(node, ast.ListComp | ast.GeneratorExp) else []


def _assigned(scope: ast.AST, name: str, use: ast.expr | None = None) -> list[ast.expr]:
    """The values that a name may have where it is used, also as one of several, or put together."""
    values: list[ast.expr] = []
    around = [block for block in _blocks(scope) if use is not None and any(use in ast.walk(each) for each in block)]
    for node in _within(scope):
        if use is not None and getattr(node, "lineno", 0) > use.lineno:
            continue
        given = _given(node, name)
        if given and any(node in block for block in around):
            values = []
        if isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") == name:
            values = [ast.BinOp(value, ast.Add(), node.value) for value in values]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            given += [ast.List(node.args)] if getattr(node.func.value, "id", "") == name else []
        values += given
    return values


def _blocks(scope: ast.AST) -> list[list[ast.stmt]]:
    nodes = [scope, *_within(scope)]
    return [
        block
        for node in nodes
        for field in ("body", "orelse", "finalbody")
        if isinstance(block := getattr(node, field, None), list)
    ]


def _given(node: ast.AST, name: str) -> list[ast.expr]:
    """The values that a statement gives a name."""
    pairs: list[tuple[ast.expr, ast.expr]]
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    else:
        return []
    values: list[ast.expr] = []
    for target, value in pairs:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.IfExp):
            pairs += [(target, value.body), (target, value.orelse)]
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs += zip(target.elts, value.elts, strict=False)
        elif isinstance(target, ast.Name) and target.id == name:
            values.append(value)
    return values


def english_left(text: str) -> str:
    """The Chinese of a text if two English words follow one another in it; names of files and programs may."""
    with speaking("zh"):
        said = told(text)
    own = re.sub(r"`[^`]*`|“# [^”]*”|nephrograde [a-z]+", "", said)
    return said if re.search(r"(?<![\w./-])[A-Za-z]?[a-z]{2,},? [a-z]{2,}(?![\w/])", own) else ""


@pytest.mark.parametrize("module", MODULES)
def test_all_that_is_said_about_scans_has_its_chinese(module: str) -> None:
    texts = Module((PACKAGE / module).read_text(encoding="utf-8")).texts()
    english = [f"{text}\n    {left}" for text in texts if (left := english_left(text))]
    assert not english, "\n".join(english)


def test_sides_are_listed_in_chinese() -> None:
    with speaking("zh"):
        said = told("the tumour touches the first slice and the last slice of the image.")
    assert not re.search("[a-z]", said), said


@pytest.mark.parametrize("motion", [Motion(), Motion(is_tried=True), Motion(is_found=True, moved_mm=3.1, turn_deg=1.2)])
@pytest.mark.parametrize("note", ["", _UP, _CUT, f"{_UP}{_CUT}"])
def test_how_a_mask_was_carried_is_said_in_chinese(motion: Motion, note: str) -> None:
    measures = "fat 3% and air 0% under it, where it was drawn 0% and 0%; median 117 HU, there 115 HU"
    with speaking("zh"):
        said = told(f"was drawn on another phase and carried here {motion}: {measures}{note}.")
    assert not re.search("[a-z]", said.replace("mm", "")), said


def test_texts_are_found_however_they_are_built() -> None:
    source = """
_TABLE = {"a": "from a table", "b": "or the other one"}
def _what(n):
    return f"{n} of these slices" if n else "none of these slices"
def _refuse(what):
    raise VolumeError("code", f"{what}, as it was passed.", "Nothing.")
def faults(n, warn):
    message = f"{_what(n)} are lost, {_TABLE[n]}."
    remedy = "Export it again " + "as a whole."
    if n:
        remedy = "Put together"
        remedy += " from two."
        warn("code", f"said by {n} a helper.", remedy)
    parts = ["the first of several"]
    parts.append(f"or number {n}")
    _refuse(f"holds {n}")
    return [Fault("code", "warning", f"it says {' '.join(parts)}.", remedy="Look at it again.")]
"""
    lost = [f"{what} of these slices are lost" for what in ("7", "none")]
    assert set(Module(source).texts()) == {
        *(f"{what}, {table}." for what in lost for table in ("from a table", "or the other one")),
        "Export it again as a whole.",
        "Put together from two.",
        "said by 7 a helper.",
        "holds 7, as it was passed.",
        "it says the first of several.",
        "it says or number 7.",
        "Look at it again.",
    }
