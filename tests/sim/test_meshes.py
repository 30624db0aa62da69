"""Thinned meshes: fewer faces on the same surface, and physics left alone."""

import mujoco
import numpy as np
import pytest

from sim.meshes import with_thin_meshes

_RADIUS_M = 0.05


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    ball = spec.add_mesh(name="ball")
    ball.make_sphere(subdivision=4)
    ball.scale = [_RADIUS_M] * 3
    plate = spec.add_mesh(name="plate")
    plate.uservert = [0, 0, 0, 0.1, 0, 0, 0, 0.1, 0, 0, 0, 1e-3, 0.1, 0, 1e-3, 0, 0.1, 1e-3]
    plate.userface = [0, 2, 1, 3, 4, 5]
    plate.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    for name in ("ball", "plate"):
        body = spec.worldbody.add_body(name=name)
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
    return spec.compile()


def test_a_fine_mesh_loses_most_faces_and_keeps_its_surface(model):
    thin = with_thin_meshes(model)
    start, count = thin.mesh_vertadr[0], thin.mesh_vertnum[0]
    vertices = thin.mesh_vert[start : start + count]
    assert model.mesh_facenum[0] == 5120
    assert 500 < thin.mesh_facenum[0] < 3000
    used = np.unique(thin.mesh_face[thin.mesh_faceadr[0] :][: thin.mesh_facenum[0]])
    radii = np.linalg.norm(vertices[used], axis=1)
    np.testing.assert_allclose(radii, _RADIUS_M, atol=0.002)


def test_the_thin_surface_stays_closed(model):
    """Every edge of a closed surface is shared by an even number of triangles."""
    thin = with_thin_meshes(model)
    faces = thin.mesh_face[thin.mesh_faceadr[0] :][: thin.mesh_facenum[0]]
    cells = np.unique(thin.mesh_vert[thin.mesh_vertadr[0] :], axis=0, return_inverse=True)[1]
    corners = cells.ravel()[faces]
    edges = np.sort(np.concatenate((corners[:, :2], corners[:, 1:], corners[:, ::2])), axis=1)
    shared = np.unique(edges, axis=0, return_counts=True)[1]
    assert (shared % 2 == 0).mean() > 0.98


def test_both_sides_of_a_plate_thinner_than_a_cell_stay(model):
    thin = with_thin_meshes(model)
    assert thin.mesh_facenum[1] == 2


def test_the_model_itself_is_untouched(model):
    faces, vertices = model.mesh_face.copy(), model.mesh_vert.copy()
    with_thin_meshes(model)
    np.testing.assert_array_equal(model.mesh_face, faces)
    np.testing.assert_array_equal(model.mesh_vert, vertices)
