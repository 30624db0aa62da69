"""Tiny real objects that the tests share."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from robot_rl.networks.compute import Compute
from robot_rl.types import (
    PROPRIO,
    ActionField,
    Batch,
    CameraField,
    Interface,
    Observation,
    ProprioField,
    Rows,
    Segment,
)

torch.set_num_threads(1)
# How long a case takes is the machine's business.
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")


def make_interface(
    cameras: int = 1, size: int = 36, proprio: int = 3, actions: int = 2
) -> Interface:
    fields = (ProprioField(name="tcp_pos", unit="m", size=proprio),) if proprio else ()
    return Interface(
        task="test/tiny",
        control_rate_hz=10.0,
        cameras=tuple(
            CameraField(name=f"cam{i}", height=size, width=size, rate_hz=10.0)
            for i in range(cameras)
        ),
        proprio=fields,
        actions=tuple(
            ActionField(name=f"a{i}", unit="m", scale=0.03, kind="displacement", hold=0.0)
            for i in range(actions)
        ),
    )


def random_obs(interface: Interface, rng: np.random.Generator) -> Observation:
    obs: Observation = {
        c.key: rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in interface.cameras
    }
    if interface.proprio:
        obs[PROPRIO] = rng.normal(size=interface.proprio_size).astype(np.float32)
    return obs


def random_batch(
    interface: Interface, size: int = 8, stack: int = 2, segment: int = 0, seed: int = 0
) -> Batch:
    rng = np.random.default_rng(seed)

    def obs() -> dict[str, np.ndarray]:
        frames = {
            c.key: rng.integers(0, 256, (size, stack, 3, c.height, c.width), np.uint8)
            for c in interface.cameras
        }
        if interface.proprio:
            frames[PROPRIO] = rng.normal(size=(size, interface.proprio_size)).astype(np.float32)
        return frames

    def vector(*shape: int) -> np.ndarray:
        return rng.uniform(-1, 1, (size, *shape)).astype(np.float32)

    a = interface.action_size
    ahead = ending_in(action=vector(segment, a), reward=vector(segment), last_obs=obs())
    first, action = obs(), vector(a)
    return Batch(
        obs=first,
        action=action,
        reward=vector(),
        gripper_changes=np.zeros(size, np.float32),
        discount=np.full(size, 0.9, np.float32),
        next_obs=obs(),
        label=action,
        rows=Rows(np.zeros(size, np.int64), np.arange(size)),
        segment=ahead if segment else None,
    )


def ending_in(action: np.ndarray, reward: np.ndarray, last_obs: dict[str, np.ndarray]) -> Segment:
    """Whole windows that end in `last_obs`, stacked as in a batch; all before it is black."""
    size, length = reward.shape
    before = {
        key: np.zeros((size, length, *x.shape[1 + (key != PROPRIO) :]), x.dtype)
        for key, x in last_obs.items()
    }
    ends = {key: x[:, None] if key == PROPRIO else x for key, x in last_obs.items()}
    none = np.zeros((size, length), bool)
    return Segment(
        obs={key: np.concatenate([before[key], ends[key]], axis=1) for key in ends},
        action=action,
        reward=reward,
        terminated=none,
        is_first=np.zeros((size, length + 1), bool),
        mask=np.ones((size, length), np.float32),
        label=action,
        own=~none,
        taught=none,
        labelled=none,
        rows=Rows(np.zeros((size, length), np.int64), np.full((size, length), -1)),
    )


@pytest.fixture
def cpu() -> Compute:
    return Compute(torch.device("cpu"), bfloat16=False)


@pytest.fixture
def repository() -> Path:
    return Path(__file__).parent.parent


BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    chromium = next(filter(None, found), None)
    assert chromium, "install Debian's chromium: make test does"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS)
        yield browser
        browser.close()
