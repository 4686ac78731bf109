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
        "import sys, bot.app, bot.discord_ui.client, generation.workers.local, generation.diffusion.sources;"
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


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text("utf-8"))
    relative = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert relative, "no link was found, so none was looked at"
    assert [link for link in relative if not ((ROOT / page).parent / link).is_file()] == []
