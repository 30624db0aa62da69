"""What torch.compile gives on this machine after its warm-up: DrQ-v2 in both sizes."""

import time

from benchmarks.learner import PAPER, agent_of
from benchmarks.replay import filled
from benchmarks.timing import Row, median_s
from robot_rl.agents.drqv2 import DrQV2Config
from robot_rl.agents.pixel_agent import AgentConfig
from robot_rl.build.compose import compose
from robot_rl.replay import Replay

TITLE = "torch.compile"


def run() -> list[Row]:
    compact = compose(("agent.network.frame_stack=3", "~task.cameras.wrist")).agent
    return [
        *_compared("compact", compact, 64, filled(3000, 3000, size=64, frame_stack=3, nstep=3)),
        *_compared("paper", DrQV2Config(network=PAPER), 84, filled(3000, 3000, frame_stack=3)),
    ]


def _compared(title: str, config: AgentConfig, size: int, replay: Replay) -> list[Row]:
    """Updates of one agent as it is and compiled, on batches of its own size."""
    eager, compiled = (agent_of(config, size, "auto") for _ in range(2))
    compiled.compile()
    start = time.perf_counter()
    compiled.update(replay.sample(config.batch_size))
    warm_up_s = time.perf_counter() - start
    slow_s, fast_s = (
        median_s(lambda agent=agent: agent.update(replay.sample(config.batch_size)), 8.0)
        for agent in (eager, compiled)
    )
    return [
        Row(f"{title}, eager / compiled", slow_s / fast_s, "times"),
        Row(f"{title}, first compiled update", warm_up_s, "s"),
    ]
