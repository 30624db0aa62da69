"""The policy that imagines, seeing through a masked autoencoder."""

from dataclasses import dataclass, field

from robot_rl.networks.dreaming import DreamingConfig, DreamingPolicy
from robot_rl.networks.masked import MaskedConfig, TokenEncoder
from robot_rl.types import Interface


@dataclass(frozen=True, kw_only=True)
class MaskedDreamingConfig(DreamingConfig):
    masked: MaskedConfig = field(default_factory=MaskedConfig)


class MaskedDreamingPolicy(DreamingPolicy):
    """Sees by `masked`, which it carries along."""

    kind = "masked_dreaming"
    Config = MaskedDreamingConfig
    config: MaskedDreamingConfig
    encoder: TokenEncoder

    def _make_encoder(self, config: DreamingConfig, interface: Interface) -> TokenEncoder:
        assert isinstance(config, MaskedDreamingConfig)
        return TokenEncoder(config.masked, interface)
