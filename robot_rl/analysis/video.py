"""Videos in mp4 (H.264)."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np


def write_mp4(path: Path, frames: Sequence[np.ndarray], rate_hz: float) -> None:
    """Frames uint8 [H, W, 3], H and W even."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate_hz).limit_denominator(1000))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}
        for image in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
