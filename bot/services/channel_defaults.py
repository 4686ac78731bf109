"""What /imagine takes in a channel where a member leaves it open. Decides and touches nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from generation.catalog import DrawingOptions, ModelCatalog, ModelSpec
from generation.errors import InvalidRequest

Defaults: TypeAlias = Mapping[str, str | int | float]  #: by the names of DrawingOptions

#: What can be set, in the order in which it is filled in.
DEFAULTS = ("model", "aspect", "steps", "guidance", "scheduler", "count")
_OF_A_MODEL = frozenset({"steps", "guidance", "scheduler"})  #: what suits one model and not another
_A_PICTURE = "0" * 64  #: stands for the sha256 of one


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """The choices of a member, completed."""

    options: DrawingOptions
    not_taken: tuple[str, ...] = ()  #: the defaults that the catalogue does not take any more


def filled(
    options: DrawingOptions, defaults: Defaults, catalog: ModelCatalog, may_use: Callable[[str], bool]
) -> Filled:
    """Complete what is left open, as far as the catalogue takes it and it goes with what was chosen.

    Without a model's name it is the default's, or the first on offer that the member may use. What was set together
    with a model is not used for another one, and the shape of a picture goes before a default shape. Never raises:
    what a member chose wrongly is found where the request is made.
    """
    wanted = _named(catalog, defaults.get("model"))
    not_taken = ["model"] if "model" in defaults and wanted is None else []
    options = _with_model(options, wanted, catalog, may_use)
    spec = _named(catalog, options.model) if options.model is not None else catalog.default
    if spec is None:
        return Filled(options=options)
    for name in DEFAULTS[1:]:
        value = defaults.get(name)
        if value is None or getattr(options, name) is not None:
            continue
        if name in _OF_A_MODEL and "model" in defaults and spec is not wanted:
            continue
        if name == "aspect" and options.source is not None:
            continue
        if _takes(spec, completed := replace(options, **{name: value})):
            options = completed
        elif not _takes(spec, _alone(spec, name, value)):
            not_taken.append(name)
    return Filled(options=options, not_taken=tuple(not_taken))


def check(defaults: Defaults, catalog: ModelCatalog) -> Defaults:
    """The same in the catalogue's own spelling. Raises InvalidRequest for what it does not take together."""
    request = catalog.request(DrawingOptions(prompt="a picture", seed=0, **dict(defaults)))  # pyright: ignore
    spelled: Defaults = {"model": request.model, "scheduler": str(request.scheduler)}
    return {name: spelled.get(name, defaults[name]) for name in DEFAULTS if name in defaults}


def _with_model(
    options: DrawingOptions, wanted: ModelSpec | None, catalog: ModelCatalog, may_use: Callable[[str], bool]
) -> DrawingOptions:
    if options.model is not None:
        return options
    for spec in (wanted, *catalog):
        # The catalogue's own default is taken whatever it needs: its rules say what is missing.
        if spec is not None and may_use(spec.name):
            if spec is catalog.default:
                break
            if options.mask is not None or not spec.inpaints:
                return replace(options, model=spec.name)
    return options


def _named(catalog: ModelCatalog, name: str | int | float | None) -> ModelSpec | None:
    try:
        return catalog.get(str(name))
    except InvalidRequest:
        return None


def _takes(spec: ModelSpec, options: DrawingOptions) -> bool:
    try:
        spec.request(options)
    except InvalidRequest:
        return False
    return True


def _alone(spec: ModelSpec, name: str, value: str | int | float) -> DrawingOptions:
    """This choice and no other, with the pictures that the model cannot do without."""
    picture = _A_PICTURE if spec.inpaints else None
    return replace(DrawingOptions(prompt="a picture", seed=0, source=picture, mask=picture), **{name: value})
