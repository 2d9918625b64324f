"""Notice what an environment changes in MuJoCo's model, and put it into another environment's before it is drawn.

Meta-World and Fetch move the site of a goal; domain randomisation changes colours, sizes, masses, textures. None of it
is part of MuJoCo's state, and much of it is seen.
"""

import ctypes
import re
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from prefrl.data.model_change import FreshModel, ModelChange
from prefrl.errors import EnvError

Arrays = dict[str, NDArray[Any]]

LARGE = 2**16
"""Bytes from which on an array, a texture or a mesh, is looked at every `SELDOM` steps alone."""

SELDOM = 25

OURS = ("vis.quality", "vis.global_.offwidth", "vis.global_.offheight")
"""What drawing sets itself."""

CHOICES: dict[str, str | int] = {"matid": "nmat", "texid": "ntex", "group": 6, "active": 3}
"""Whole numbers that may change how something looks, by the ends of their names -> how many there are to choose."""

PHYSICS = ("contype", "conaffinity", "condim", "priority", "dim")
"""Ends of the names of whole numbers that nothing is drawn by."""

UPLOADS = {"tex_data": ("Texture", "ntex"), "mesh_": ("Mesh", "nmesh"), "hfield_": ("HField", "nhfield")}
"""Beginnings of the names of arrays that a graphics card has a copy of -> of what, and the number of these."""

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

_fresh_models: WeakValueDictionary[Any, FreshModel] = WeakValueDictionary()
"""What the environments of one kind share, whose constructors may already choose at random."""


def model_arrays(model: Any) -> Arrays:
    """Name -> array of `model`, its memory; and the single numbers of how it is drawn, by dotted names, as copies."""
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    arrays = {name: array for name, array in found.items() if isinstance(array, np.ndarray) and array.size}
    return arrays | dict(pair for name in ("vis", "stat") for pair in _fields(getattr(model, name), name))


def _fields(struct: Any, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in dir(struct):
        value, full = getattr(struct, name), f"{path}.{name}"
        if name.startswith("_") or callable(value) or full.startswith(OURS):
            continue
        if not isinstance(value, int | float | np.ndarray):
            yield from _fields(value, full)
        elif np.size(value):
            yield full, np.array(value)


def _is_kept(name: str, array: NDArray[Any]) -> bool:
    """Whether another model may be given the array: no number in it makes MuJoCo read where nothing is."""
    if "." in name:
        return array.dtype.kind == "f" or name == "vis.headlight.active"
    return array.dtype.kind in "fb" or name == "tex_data" or name.rpartition("_")[2] in CHOICES


class ModelWatch:
    """Notices what the environment of `simulator`, just made, changes in its model."""

    def __init__(self, simulator: Any, is_known: bool = False) -> None:
        """`is_known`: no step of it is known to change anything, so that few are looked at, which costs time."""
        self._is_known = is_known
        self._simulator, self._model = simulator, simulator.model
        self._arrays = model_arrays(self._model)
        self._shared = self._share()
        own = {name: array.copy() for name, array in self._arrays.items()}
        self._fresh = FreshModel(own, self._shared.changing)
        if not self._differing(self._shared.arrays):
            self._fresh = self._shared  # one copy for all
        self._memory = _Memory(self._model, self._arrays)
        self._change: ModelChange | None = ModelChange(self._fresh)
        self._steps = 0

    def _share(self) -> FreshModel:
        simulator = self._simulator
        shapes = tuple((name, array.shape) for name, array in self._arrays.items())
        key = type(simulator), repr(simulator.spec), shapes
        fresh = _fresh_models.get(key)
        if fresh is None:
            fresh = FreshModel({name: array.copy() for name, array in self._arrays.items()})
            _fresh_models[key] = fresh
        fresh.changing.update(name for name in self._differing(fresh.arrays) if _is_kept(name, fresh.arrays[name]))
        return fresh

    def after_reset(self) -> ModelChange | None:
        """The model now, against the fresh one; None if it cannot be kept."""
        self._steps = 0
        large = self._simulator.model is self._model and self._memory.large_changed()
        if self._change is None or self._simulator.model is not self._model or large or self._memory.small_changed():
            self._change = self._look(large=large or self._change is None)
        return self._change

    def after_step(self, ends: bool) -> ModelChange | None:
        """The same; `ends`: the episode does. None, too, if it may have changed some steps ago."""
        self._steps += 1
        looks = ends or self._steps % SELDOM == 0
        if self._change is None or (self._is_known and not looks):  # None stays so until the next reset
            return self._change
        small, large = self._memory.small_changed(), looks and self._memory.large_changed()
        if self._simulator.model is not self._model or large or (small and self._is_known):
            self._change = None
        elif small:
            self._change = self._look(large=False)
        return self._change

    def _look(self, large: bool) -> ModelChange | None:
        """`large`: at large arrays, too, which else are as they were. What is as it was is not copied again."""
        if self._simulator.model is not self._model:
            return None  # another one is not what is drawn, or of other sizes
        self._memory.remember(large)
        before = {} if self._change is None else self._change.changed
        kept = {} if large else {name: array for name, array in before.items() if array.nbytes > LARGE}
        names = [*kept, *self._differing(self._fresh.arrays, large)]
        if any(not _is_kept(name, self._arrays[name]) for name in names):
            return None
        self._fresh.changing.update(names)
        looked = {name: self._arrays[name] for name in names if name not in kept}
        changed = {
            name: before[name] if name in before and _same(before[name], array) else array.copy()
            for name, array in looked.items()
        }
        return ModelChange(self._fresh, kept | changed)

    def _differing(self, fresh: Mapping[str, NDArray[Any]], large: bool = True) -> list[str]:
        """Names of the arrays that are not as in `fresh`, those left out that nothing is drawn by."""
        self._arrays |= {name: np.array(attrgetter(name)(self._model)) for name in self._arrays if "." in name}
        looked = ((name, array) for name, array in self._arrays.items() if large or array.nbytes <= LARGE)
        differ = (name for name, array in looked if not _same(array, fresh[name]))
        return [name for name in differ if name.rpartition("_")[2] not in PHYSICS]


def _same(array: NDArray[Any], other: NDArray[Any]) -> bool:
    return array.tobytes() == other.tobytes()  # NaN too; a few bytes are compared in half the time of array_equal


class ModelSetter:
    """Gives the model of an environment, just made, what the model of an episode had."""

    def __init__(self, simulator: Any) -> None:
        self._model, self._name = simulator.model, simulator.spec.id if simulator.spec else type(simulator).__name__
        self._fresh = {name: array.copy() for name, array in model_arrays(self._model).items()}

    def set(self, rows: Mapping[str, NDArray[Any]], step: int) -> set[str]:
        """Make the model that of state `step` of a segment, fresh but for `rows`; the names of what that changed.

        Raises:
            EnvError: they are none of this model.
        """
        for name, array in rows.items():
            self._check(name, array)
        now, changed = model_arrays(self._model), set()
        for name, fresh in self._fresh.items():
            wanted = rows[name][min(step, len(rows[name]) - 1)] if name in rows else fresh
            if _is_kept(name, fresh) and not _same(now[name], wanted):
                _put(self._model, name, wanted)
                changed.add(name)
        return changed

    def _check(self, name: str, array: NDArray[Any]) -> None:
        fresh = self._fresh.get(name)
        same = fresh is not None and (array.shape[1:], array.dtype) == (fresh.shape, fresh.dtype) and len(array) > 0
        if fresh is None or not same or not _is_kept(name, fresh) or not self._chooses(name, array):
            what = f"{name} {array.dtype}{array.shape[1:]}"
            raise EnvError(
                f"a clip of {self._name} has {what} in its model, and this model another; use the kwargs and versions "
                "it was recorded with"
            )

    def _chooses(self, name: str, array: NDArray[Any]) -> bool:
        most = CHOICES.get(re.split(r"[_.]", name)[-1])
        if array.dtype.kind == "f" or most is None:
            return bool(np.isfinite(array).all())
        number: int = most if isinstance(most, int) else getattr(self._model, most)
        return bool((array >= -1).all() and (array < number).all())


def _put(model: Any, name: str, value: NDArray[Any]) -> None:
    path, _, last = name.rpartition(".")
    owner = attrgetter(path)(model) if path else model
    there = getattr(owner, last)
    if isinstance(there, np.ndarray):
        there[...] = value
    else:
        setattr(owner, last, value.item())


def upload(model: Any, context: Any, names: set[str]) -> None:
    """Copy to the graphics card what `names` changed of what it has a copy of."""
    import mujoco

    for beginning, (what, number) in UPLOADS.items():
        if any(name.startswith(beginning) for name in names):
            for i in range(getattr(model, number)):
                getattr(mujoco, f"mjr_upload{what}")(model, context, i)


class _Memory:
    """The memory of a model, compared as a whole: it has hundreds of arrays."""

    def __init__(self, model: Any, arrays: Arrays) -> None:
        spans = sorted((_address(array), array.nbytes) for name, array in arrays.items() if "." not in name)
        small: list[tuple[int, int]] = []
        self._large = [span for span in spans if span[1] > LARGE]
        for start, size in (span for span in spans if span[1] <= LARGE):
            if small and 0 <= start - sum(small[-1]) < 64:  # but for what aligns them, they lie side by side
                small[-1] = small[-1][0], start + size - small[-1][0]
            else:
                small.append((start, size))
        first, last = _address(model.vis.headlight.ambient), _address(model.stat.center)  # of one structure
        self._small = [*small, *([(first, last + 24 - first)] if 0 < last - first < 4096 else [])]
        self._seen: dict[int, Any] = {}
        self.remember(large=True)

    def remember(self, large: bool) -> None:
        """Compare with what is there now; `large`: large arrays, too."""
        for start, size in (*self._small, *(self._large if large else ())):
            if start not in self._seen:
                self._seen[start] = ctypes.create_string_buffer(size)
            ctypes.memmove(self._seen[start], start, size)

    def small_changed(self) -> bool:
        """Whether it is another than was remembered, but for large arrays."""
        return any(_memcmp(start, self._seen[start], size) for start, size in self._small)

    def large_changed(self) -> bool:
        """The same of large arrays."""
        return any(_memcmp(start, self._seen[start], size) for start, size in self._large)


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
