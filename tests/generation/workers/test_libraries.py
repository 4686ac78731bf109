"""The libraries are imported once and kept from the garbage collector, which collects all that comes later."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.workers.libraries import import_libraries


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library that notes whether garbage is collected while it is imported."""
    name = "library_that_takes_long"
    monkeypatch.setattr("generation.workers.libraries.HOME", name)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / f"{name}.py"
    gc.unfreeze()
    path.write_text("import gc\ncollected = gc.isenabled()\n")
    yield path
    sys.modules.pop(name, None)
    gc.unfreeze()


def test_imports_are_kept_from_the_garbage_collector(home: Path) -> None:
    import_libraries()
    assert not sys.modules[home.stem].collected
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_objects_are_frozen_once_so_that_a_model_can_be_collected(home: Path) -> None:
    import_libraries()
    gc.unfreeze()
    import_libraries()
    assert gc.get_freeze_count() == 0


def test_a_failed_import_leaves_the_collector_at_work(home: Path) -> None:
    home.write_text("import a_module_that_is_missing\n")
    with pytest.raises(ModuleNotFoundError):
        import_libraries()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
