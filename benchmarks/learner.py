"""Updates per second: the compact preset with its split, and paper against a textbook."""

import time

import numpy as np
import torch

from benchmarks.replay import filled, interface
from benchmarks.textbook import Textbook
from benchmarks.timing import Row, median_s
from robot_rl.agents.drqv2 import DrQV2, DrQV2Config
from robot_rl.agents.pixel_agent import AgentConfig
from robot_rl.build.agents import build_agent
from robot_rl.build.compose import compose
from robot_rl.build.run import make_envs
from robot_rl.clocks import SplitTimer
from robot_rl.networks.compute import Compute
from robot_rl.networks.stacked import NetworkConfig

TITLE = "learner"
PAPER = NetworkConfig(encoder="paper", hidden_dim=1024, layer_norm=False)
_UPDATES = 30
_RUN_STEPS = 100_000  # of a run that this would be, for its schedules


def run() -> list[Row]:
    return _compact() + _paper()


def _compact() -> list[Row]:
    """Batch 128 while one environment process collects, as `robot-rl train` does it."""
    config = compose(("task=arm/reach", "agent.network.frame_stack=3", "~task.cameras.wrist"))
    envs = make_envs(config, 0)
    agent = agent_of(config.agent, size=64, precision="auto")
    replay = filled(5000, 5000, size=64, frame_stack=3, nstep=3)
    timer = SplitTimer()
    agent.split = timer
    action = np.zeros((1, 3), np.float32)
    envs.reset()

    def step() -> None:
        envs.send(action, [None], ["policy"])
        with timer("sample"):
            batch = replay.sample(128)
        agent.update(batch)
        envs.receive()

    for _ in range(5):
        step()
    timer.total_s.clear()
    start = time.perf_counter()
    for _ in range(_UPDATES):
        step()
    rate = _UPDATES / (time.perf_counter() - start)
    envs.close()
    rows = [Row("compact, batch 128, while collecting", rate, "updates/s", ">= 20")]
    rows += [Row(f"  {k}", 1e3 * v / _UPDATES, "ms") for k, v in timer.total_s.items()]
    return rows


def _paper() -> list[Row]:
    """Batch 256 at 84x84, published hyperparameters; the same weights and draws for both."""
    config = DrQV2Config(network=PAPER)
    replay = filled(3000, 3000, frame_stack=3, nstep=3)
    batch = replay.sample(config.batch_size)
    exact = agent_of(config, size=84, precision="float32")
    book = Textbook(exact)
    gap = 0.0
    for seed in range(2):
        torch.manual_seed(seed)
        theirs = book.update(batch)
        torch.manual_seed(seed)
        ours = exact.update(batch)
        pair = (float(ours["critic_loss"]), float(ours["actor_loss"]))
        gap = max(gap, *(abs(a - b) / abs(b) for a, b in zip(pair, theirs, strict=True)))
    fast = agent_of(config, size=84, precision="auto")
    slow_s = median_s(lambda: book.update(replay.sample(256)), 8.0, warm_up=1)
    exact_s = median_s(lambda: exact.update(replay.sample(256)), 5.0, warm_up=1)
    fast_s = median_s(lambda: fast.update(replay.sample(256)), 5.0)
    return [
        Row("paper, textbook, float32", 1 / slow_s, "updates/s"),
        Row("paper, ours, float32", 1 / exact_s, "updates/s"),
        Row("paper, ours", 1 / fast_s, "updates/s"),
        Row("paper, ours / textbook", slow_s / fast_s, "times", ">= 3"),
        Row("largest relative difference of losses in float32", gap, "", "<= 1e-3"),
    ]


def agent_of(config: AgentConfig, size: int, precision: str) -> DrQV2:
    torch.manual_seed(0)
    compute = Compute.choose("auto", precision)
    agent = build_agent(config.for_run(_RUN_STEPS), interface(size), compute)
    assert isinstance(agent, DrQV2)
    return agent
