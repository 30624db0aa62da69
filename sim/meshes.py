"""Meshes thinned for a software rasteriser, whose cost is vertices and not pixels."""

import copy

import mujoco
import numpy as np

_CELLS_ACROSS = 24
_FINEST_M, _COARSEST_M = 0.005, 0.016


def with_thin_meshes(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy of `model` to draw from: equal but for its meshes. Physics keeps the original.

    Vertices inside one cell of a grid (5 to 16 mm, by the size of the mesh) become their mean;
    triangles that lose a corner go. Every corner keeps its own normal, so that edges stay crisp.
    """
    thin = copy.copy(model)
    for mesh in range(model.nmesh):
        _thin(thin, mesh)
    return thin


def _thin(model: mujoco.MjModel, mesh: int) -> None:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count]
    cell = _cells(vertices)
    vertices[:] = _means(vertices, cell)[cell]
    start, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    every = slice(start, start + faces)
    kept = start + _whole_faces(cell[model.mesh_face[every]])
    model.mesh_facenum[mesh] = kept.size
    for corners in (model.mesh_face, model.mesh_facenormal, model.mesh_facetexcoord):
        corners[start : start + kept.size] = corners[kept]


def _cells(vertices: np.ndarray) -> np.ndarray:
    """The number of each vertex's grid cell [V], counted without gaps."""
    across_m = np.ptp(vertices, axis=0).max() / _CELLS_ACROSS
    size_m = np.clip(across_m, _FINEST_M, _COARSEST_M)
    grid = np.floor((vertices - vertices.min(axis=0)) / size_m).astype(np.int64)
    return np.unique(grid, axis=0, return_inverse=True)[1].ravel()


def _means(vertices: np.ndarray, cell: np.ndarray) -> np.ndarray:
    sums = [np.bincount(cell, weights=vertices[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / np.bincount(cell)[:, None]


def _whole_faces(corners: np.ndarray) -> np.ndarray:
    """Indices of the first of each set of equal triangles with three different corners [F, 3]."""
    whole = np.flatnonzero((corners != np.roll(corners, 1, axis=1)).all(axis=1))
    # Rotated, not sorted: a thin plate's two sides have the same corners and both are needed.
    turned = (np.arange(3) + corners[whole].argmin(axis=1)[:, None]) % 3
    first = np.unique(np.take_along_axis(corners[whole], turned, axis=1), axis=0, return_index=True)
    return whole[np.sort(first[1])]
