"""The rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(p for room in ("bot", "generation", "migrations") for p in (ROOT / room).rglob("*.py"))
FEWEST_MODULES = 80  #: a contract that sees no modules is kept by accident
MOST_LINES = 150  #: of the README; what is longer belongs on one of the other pages
PAGES = ("README.md", "bot/README.md", "generation/README.md", "tests/README.md", ".github/CONTRIBUTING.md")


def test_imports_go_downwards_and_heavy_libraries_stay_at_home() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen = re.search(r"Analyzed (\d+) files", done.stdout)
    assert seen is not None
    assert int(seen[1]) >= FEWEST_MODULES
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"{len(contracts)} kept, 0 broken" in done.stdout


def test_importing_the_bot_and_its_parts_loads_no_torch() -> None:
    code = (
        "import sys, bot.app, bot.discord_ui.client, generation.workers.local, generation.diffusion.loading.sources;"
        "print(*sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_nouns_of_our_domain_and_say_what_they_are_for(path: Path) -> None:
    assert not set(path.stem.split("_")) & {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), "the first line says what the module is for"


def test_nothing_is_pickled() -> None:
    """Weights come as safetensors and rows as columns; a pickle could run its maker's code."""
    for path in SOURCES:
        text = path.read_text("utf-8")
        assert not re.search(r"^\s*(import|from) (pickle|dill|cloudpickle|shelve)\b", text, re.MULTILINE), path
        assert "weights_only=False" not in text, path


def test_what_is_pinned_is_what_is_asked_for() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    names = {name.lower().replace("_", "-") for name in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(w for extra in project["optional-dependencies"].values() for w in extra)]
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement)
        assert name is not None
        assert name[0].lower().replace("_", "-") in names, f"{requirement} has no pin"
    assert pins["torch"] == "2.13.0"


# Tests go through public doors


TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_PRIVATE = 12  #: accesses to private members in all tests


def test_tests_go_through_public_doors() -> None:
    """A test needs a behaviour, a public name or a parameter; an access that is left says why none of them will do."""
    found = [(path, line) for path in TESTS for line in private_accesses(ast.parse(path.read_text("utf-8")))]
    assert len(found) <= MOST_PRIVATE, [f"{path.relative_to(ROOT)}:{line}" for path, line in found]
    for path, line in found:
        lines = path.read_text("utf-8").splitlines()
        reason = re.search(r"#.*private: \S", "\n".join(lines[max(0, line - 2) : line]))
        assert reason, f"{path.relative_to(ROOT)}:{line} needs a comment: private: and the reason"


def test_a_private_access_is_found_in_each_of_its_forms() -> None:
    code = """
class Own:
    _room = 1
    def __init__(self, engine):
        self._engine = engine
        self._engine._step()
        Own()._room, other()._engine, engine.__dict__, cls._made, engine.step
        super()._report()
        monkeypatch.setattr(engine, "_calls", 1)
        monkeypatch.setattr("generation.diffusion.engine.loop._calls", 1)
        monkeypatch.setattr(engine, "calls", "_calls")
"""
    assert private_accesses(ast.parse(code)) == [6, 8, 9, 10]


def private_accesses(tree: ast.Module) -> list[int]:
    """The lines with a private member of something else, except names that a class of the same file gives its own."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own = {name for node in classes for name in names_defined_by(node)}
    lines: list[int] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            on_itself = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            name = "" if on_itself or node.attr in own else node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("setattr", "getattr"):
            # The first string names what is reached: an attribute, or the whole way to it.
            strings = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            name = "".join(strings[:1]).rpartition(".")[2]
        else:
            continue
        if name.startswith("_") and not name.endswith("__"):
            lines.append(node.lineno)
    return sorted(lines)


def names_defined_by(node: ast.ClassDef) -> Iterator[str]:
    """Methods and attributes, those that are set on `self` among them."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and ast.unparse(part.value) == "self":
            yield part.attr


# What others may use is documented


DOCUMENTED = ("generation", "bot")
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def test_everything_public_has_a_docstring() -> None:
    """Functions, classes and their methods; of a base or a seam it is enough if the method there has one."""
    modules = {p: ast.parse(p.read_text("utf-8")) for room in DOCUMENTED for p in sorted((ROOT / room).rglob("*.py"))}
    modules = {path: tree for path, tree in modules.items() if "playground" not in path.parts}
    classes = {node.name: node for tree in modules.values() for node in public(tree, ast.ClassDef)}
    missing: list[str] = []
    for path, tree in modules.items():
        for node in [*public(tree, ast.ClassDef), *public(tree, ast.FunctionDef, ast.AsyncFunctionDef)]:
            if ast.get_docstring(node) is None:
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
        for owner in public(tree, ast.ClassDef):
            elsewhere = {name for stands in stands_for(owner, classes) for name in documented_methods(stands)}
            missing += [
                f"{path.relative_to(ROOT)}:{method.lineno} {owner.name}.{method.name}"
                for method in public(owner, ast.FunctionDef, ast.AsyncFunctionDef)
                if ast.get_docstring(method) is None and method.name not in elsewhere
            ]
    assert missing == []


def public(parent: ast.Module | ast.ClassDef, *kinds: type[ast.stmt]) -> list[Any]:
    """The public definitions of these kinds in a body; a property's setter is no more than its getter."""
    return [
        node
        for node in parent.body
        if isinstance(node, kinds)
        and not node.name.startswith("_")
        and not any(ast.unparse(decorator).endswith(".setter") for decorator in node.decorator_list)
    ]


def documented_methods(owner: ast.ClassDef) -> set[str]:
    methods = public(owner, ast.FunctionDef, ast.AsyncFunctionDef)
    return {method.name for method in methods if ast.get_docstring(method) is not None}


def stands_for(owner: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """Its bases, with theirs, and the protocols of which it has every method."""
    methods = {method.name for method in public(owner, ast.FunctionDef, ast.AsyncFunctionDef)}
    for other in classes.values():
        bases = {ast.unparse(base) for base in other.bases}
        theirs = {method.name for method in public(other, ast.FunctionDef, ast.AsyncFunctionDef)}
        if other is not owner and any(base.startswith("Protocol") for base in bases) and theirs <= methods:
            yield other
    for base in owner.bases:
        if (found := classes.get(ast.unparse(base).partition("[")[0])) is not None:
            yield found
            yield from stands_for(found, classes)
