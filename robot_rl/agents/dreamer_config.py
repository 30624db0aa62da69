"""Settings of Dreamer and its kin."""

from dataclasses import dataclass, field
from typing import Literal

from robot_rl.agents.pixel_agent import PixelConfig
from robot_rl.agents.representation import Kind
from robot_rl.networks.rssm import RSSMConfig
from robot_rl.networks.values import SYMLOG_BINS, ValueConfig
from robot_rl.replay.draws import Draws


@dataclass(frozen=True, kw_only=True)
class KLConfig:
    """`balance` is the share of the loss in which the prior learns. `free`: no less than so many
    nats are paid for, each side by itself. `target` > 0: a dual variable holds the divergence there
    instead (RePo, eq. 5), begun at `dual_initial`.
    """

    weight: float = 1.1
    balance: float = 1.0 / 1.1
    free: float = 1.0
    target: float = 0.0
    dual_initial: float = 1e-5
    dual_lr: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class EmpowermentConfig:
    """`weight` > 0: actions must be told from what they lead to. The bound log q(a | z, z') is held
    at `target` nats an action by a dual variable, and `weight` times it is imagined reward.
    """

    weight: float = 0.0
    target: float = 0.0
    dual_initial: float = 0.1
    dual_lr: float = 1e-3


@dataclass(frozen=True, kw_only=True)
class DreamerConfig(PixelConfig):
    """`segment_length` T and `batch_size` B of what is replayed, `imagined` H of what is not."""

    name: str = "dreamer"
    batch_size: int = 16
    segment_length: int = 64
    lr: float = 3e-4
    actor_lr: float = 1e-4
    clip_grad_norm: float = 100.0
    shift_pad: int = 0
    policy_ema_decay: float = 0.0
    rssm: RSSMConfig = field(default_factory=RSSMConfig)
    embed_dim: int = 256
    representation: Kind = "reconstruct"
    representation_weight: float = 1.0
    probe: bool = False  # a decoder that the latent does not feel, to see what it holds
    decoder_depth: int = 32
    kl: KLConfig = field(default_factory=KLConfig)
    empowerment: EmpowermentConfig = field(default_factory=EmpowermentConfig)
    reward_weight: float = 1.0
    value: ValueConfig = SYMLOG_BINS
    imagined: int = 15
    imagine_from: int = 0  # states of a batch, at random; 0 takes all of them
    lam: float = 0.95
    actor_gradient: Literal["pathwise", "score"] = "score"
    entropy: float = 3e-4
    slow_value_tau: float = 0.02

    @property
    def draws(self) -> Draws:
        return self.segments(self.segment_length, cross_episodes=True)

    def idle(self) -> dict[str, str]:
        off = {
            "agent.nstep=": "an agent of transitions, such as agent=drqv2",
            "agent.network.frame_stack=": "an agent that stacks frames, such as agent=drqv2",
        }
        if self.representation != "reconstruct" and not self.probe:
            off["agent.decoder_depth="] = "agent.probe=true or agent.representation=reconstruct"
        if self.kl.target:
            off["agent.kl.free="] = "agent.kl.target=0"
        else:
            off["agent.kl.dual_"] = "agent.kl.target=3"
        if not self.empowerment.weight:
            off["agent.empowerment."] = "agent.empowerment.weight=0.1"
        return {**super().idle(), **self.value.idle(), **off}
