"""The agents that imagine, as settings of one: see `agents.dreamer`."""

from typing import Any

from robot_rl.agents.base import AgentEntry
from robot_rl.agents.dreamer import Dreamer
from robot_rl.agents.dreamer_config import DreamerConfig, EmpowermentConfig, KLConfig
from robot_rl.agents.representation import Barlow, Contrast, Kind, Nothing, Reconstruct
from robot_rl.networks.compute import Compute
from robot_rl.networks.decoder import Decoder
from robot_rl.networks.dreaming import DreamingConfig, DreamingPolicy
from robot_rl.types import Interface


def build(config: DreamerConfig, interface: Interface, compute: Compute) -> Dreamer:
    settings = DreamingConfig(network=config.network, rssm=config.rssm, embed_dim=config.embed_dim)
    policy = DreamingPolicy(settings, interface)
    policy.encoder.load_pretrained()
    feature_dim, embed_dim = policy.rssm.feature_dim, policy.embedding.dim

    def decoder() -> Decoder:
        return Decoder(feature_dim, interface, config.decoder_depth)

    kinds: dict[Kind, Any] = {
        "reconstruct": lambda: Reconstruct(decoder(), policy.encoder.scale),
        "contrast": lambda: Contrast(feature_dim, embed_dim),
        "barlow": lambda: Barlow(feature_dim, embed_dim),
        "none": Nothing,
    }
    probe = decoder() if config.probe else None
    return Dreamer(config, policy, kinds[config.representation](), probe, compute)


DREAMER = AgentEntry(DreamerConfig(), build, "behaviour learned in a model that draws what it sees")
REPO = AgentEntry(
    DreamerConfig(
        name="repo",
        representation="none",
        kl=KLConfig(balance=5.0 / 6.0, target=3.0),
        actor_gradient="pathwise",
    ),
    build,
    "a model that keeps what rewards and dynamics need, and nothing else",
)
INFOPOWER = AgentEntry(
    DreamerConfig(
        name="infopower",
        representation="contrast",
        kl=KLConfig(weight=1.0, balance=0.5, free=0.0),
        empowerment=EmpowermentConfig(weight=0.1),
        actor_gradient="pathwise",
    ),
    build,
    "a model that keeps what its own actions move",
)
R2_DREAMER = AgentEntry(
    DreamerConfig(name="r2dreamer", representation="barlow", representation_weight=0.05),
    build,
    "Dreamer without a decoder: latents that correlate with what is seen",
)
