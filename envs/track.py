"""The closed track of `drive`: its centre line, and where a car is along it."""

import math

import numpy as np
from numpy.typing import NDArray

CORNERS = (
    (16, 22), (40, 10), (98, 12), (124, 24), (126, 48), (104, 56), (88, 42), (72, 46), (74, 66), (104, 74), (112, 92),
    (92, 106), (64, 100), (58, 76), (52, 56), (32, 56), (30, 98), (8, 98), (8, 56),
)  # fmt: skip  # metres; each is cut into a bend
SIZE = (136, 116)  # metres
HALF_WIDTH = 4.5  # metres from the centre line to the edge
SHOULDER = 2.5  # metres of grass from the edge to the tyre wall


class Track:
    """A centre line of P points, `spacing` metres apart, driven in the order of the points."""

    def __init__(self) -> None:
        line = _evenly_spaced(_rounded(np.array(CORNERS, dtype=float)))
        step = np.roll(line, -1, axis=0) - line
        self.points = line  # (P, 2)
        self.headings = np.arctan2(step[:, 1], step[:, 0])  # (P,)
        turn = np.roll(self.headings, -1) - np.roll(self.headings, 1)
        self.spacing = float(np.linalg.norm(step, axis=1).mean())
        self.curvatures = _smooth(
            ((turn + np.pi) % (2 * np.pi) - np.pi) / (2 * self.spacing), 5
        )  # (P,) left is positive
        # Plain lists for the simulation: indexing single numbers of an array is several times as slow.
        self.length = len(line)
        self._xs, self._ys = line[:, 0].tolist(), line[:, 1].tolist()
        self._headings = self.headings.tolist()
        self._curvatures = self.curvatures.tolist()

    def locate(self, x: float, y: float, near: int) -> tuple[int, float, float, float]:
        """(index of the nearest point, metres beyond it along the line, metres left of it, the line's heading).

        Only points around the index `near` are looked at, which a car cannot outrun in one step.
        """
        xs, ys = self._xs, self._ys
        best, best_distance = near, math.inf
        for i in range(near - 3, near + 5):
            i %= self.length
            distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2
            if distance < best_distance:
                best, best_distance = i, distance
        heading = self._headings[best]
        cos, sin, dx, dy = math.cos(heading), math.sin(heading), x - xs[best], y - ys[best]
        return best, cos * dx + sin * dy, cos * dy - sin * dx, heading

    def curvatures_ahead(self, index: int, steps: tuple[int, ...]) -> list[float]:
        """Curvature (1/m) of the line `steps` points after `index`."""
        return [self._curvatures[(index + step) % self.length] for step in steps]

    def at(self, index: int, left: float) -> tuple[float, float, float]:
        """(x, y, heading) of the place `left` metres to the left of a point."""
        heading = self._headings[index]
        return self._xs[index] - left * math.sin(heading), self._ys[index] + left * math.cos(heading), heading

    def side(self, left: float) -> NDArray[np.float64]:
        """The line (P, 2) that runs `left` metres to the left of the centre line."""
        normals = np.stack([-np.sin(self.headings), np.cos(self.headings)], axis=1)
        return self.points + left * normals


def _rounded(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners cut again and again, which tends to a quadratic B-spline (Chaikin 1974)."""
    for _ in range(6):
        after = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * after, 0.25 * corners + 0.75 * after], axis=1).reshape(-1, 2)
    return corners


def _evenly_spaced(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The closed `line` (n, 2) resampled to points about a metre apart."""
    closed = np.concatenate([line, line[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, along[-1], round(along[-1]), endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)


def _smooth(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Mean over the closed line of `reach` neighbours on either side."""
    mean: NDArray[np.float64] = np.mean([np.roll(values, shift) for shift in range(-reach, reach + 1)], axis=0)
    return mean
