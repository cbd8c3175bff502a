"""What is public is what `__all__` says, in every room and at the door."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("steer_kernels", "steer_vectors", "steer_evals")
DOOR = {
    "load", "extract", "steered", "sweep", "generate",
    "Run", "Plan", "Vector", "SteerError", "__version__",
}  # fmt: skip
# Left in a namespace by `from __future__ import annotations` and by a lazy door's type imports.
SCAFFOLDING = {"annotations", "TYPE_CHECKING"}


def public_variables(module: ModuleType) -> set[str]:
    """Names without a leading underscore that are neither modules nor words of type annotations."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "") != "typing"
        and name not in SCAFFOLDING
    }


@pytest.mark.parametrize("package", [*ROOMS, "steer"])
def test_all_says_what_is_public(package: str) -> None:
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__))
    assert public_variables(module) <= set(module.__all__)
    for name in module.__all__:
        assert not isinstance(getattr(module, name), ModuleType), f"{package}.{name} is a module"


def test_door_is_small_and_complete() -> None:
    steer = importlib.import_module("steer")
    assert set(steer.__all__) >= DOOR
    assert len(steer.__all__) <= 14, "about ten public names: what is not public can be changed"
    assert set(dir(steer)) >= set(steer.__all__)


def test_no_submodule_takes_a_public_name() -> None:
    """Importing steer/x.py sets `steer.x`, and the lazy name `x` would never be asked for again."""
    steer = importlib.import_module("steer")
    submodules = {path.stem for path in (ROOT / "steer").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert submodules & set(steer.__all__) == set()


def test_unknown_name_is_an_attribute_error() -> None:
    steer = importlib.import_module("steer")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = steer.no_such_name


def test_version_is_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.import_module("steer").__version__ == project["version"]
