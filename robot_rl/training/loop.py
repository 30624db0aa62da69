"""A run: it collects and learns in turn, or learns beside actors, or learns alone. Start and resume
are the same call."""

from collections.abc import Callable

from robot_rl.errors import EnvWorkerError, HardwareError
from robot_rl.replay.overlay import RewardOverlay
from robot_rl.training.apart.learning import Apart
from robot_rl.training.collector import Collector, RandomActions
from robot_rl.training.learner import Learner
from robot_rl.training.monitor import Monitor
from robot_rl.training.parts import LoopConfig, Parts
from robot_rl.training.sink import Recorded, ReplaySink


class Trainer:
    """One run from where its directory stands to its end or an orderly stop."""

    def __init__(self, config: LoopConfig, parts: Parts, seed: int) -> None:
        self.config, self.parts = config, parts
        self._random = RandomActions(seed)
        self.learner = Learner(config, parts, beside={"actions": self._random})

    def load_or_start(self) -> bool:
        """Restore replay and checkpoint where there are any; True when this resumes a run."""
        replay = self.parts.replay
        steps = sum(journal.restore(replay) for journal in self.parts.journals)
        replay.keep_rewards(RewardOverlay(self.parts.run.replay))
        return self.learner.load(steps)

    def train(self, monitor: Monitor, stop: Callable[[], bool]) -> bool:
        """True when the run is complete, False when `stop` ended it early."""
        if self.learner.step < self.config.steps:
            if self.parts.apart is None:
                self._collect_and_learn(monitor, stop)
            else:
                self._learn_from(self.parts.apart, monitor, stop)
        else:
            self.learner.begin(monitor, stop)
            self.learner.learn_offline(monitor, stop)
        self.learner.save()
        return self.learner.finished

    def _collect_and_learn(self, monitor: Monitor, stop: Callable[[], bool]) -> None:
        learner, collector = self.learner, self._collector()
        try:
            collector.start()  # first of all: what is missing is told before anything is learned
            if learner.begin(monitor, stop):
                collector.drop_events()
            learner.learn_offline(monitor, stop)
            while not learner.finished and not stop() and not collector.stop_wished:
                collector.act(random=learner.step < self.learner.parts.seed_steps)
                learner.catch_up(stop)
                collector.receive()
                learner.collected(collector.lanes)
                if learner.keep_up(monitor, stop):
                    collector.drop_events()
        except HardwareError:
            learner.save()  # an unplugged device costs no update either
            raise
        finally:
            collector.close()

    def _learn_from(self, apart: Apart, monitor: Monitor, stop: Callable[[], bool]) -> None:
        arranged = apart.open(self.learner, self._replay_sink())
        try:
            arranged.run(monitor, stop)
        except (HardwareError, EnvWorkerError):
            self.learner.save()
            raise
        finally:
            for journal in self.parts.journals:
                journal.close()

    def _replay_sink(self) -> ReplaySink:
        return ReplaySink(self.parts.replay, self.learner.end_episode)

    def _collector(self) -> Collector:
        parts = self.parts
        return Collector(
            # A resumed run opens episodes it has never seen: steps outnumber episodes.
            envs=parts.make_envs(self.learner.step),
            actor=parts.agent.actor(),
            sink=Recorded(parts.journals, self._replay_sink()),
            gates=parts.gates,
            steps=[journal.steps for journal in parts.journals],
            random=self._random,
            device=parts.agent.compute.device,
            pace=parts.pace,
        )
