"""States (nested dicts and lists of tensors and JSON values) as plain data beside named tensors."""

from typing import Any

from torch import Tensor


def split_tensors(node: Any, tensors: dict[str, Tensor], path: str = "") -> Any:
    """`node` with a name in every tensor's place; the tensors, on the CPU, go into `tensors`."""
    if isinstance(node, Tensor):
        # A copy: safetensors refuses tensors that share memory.
        tensors[path] = node.detach().to("cpu", copy=True).contiguous()
        return {"$tensor": path}
    if isinstance(node, dict):
        kind = "$ints" if node and all(isinstance(key, int) for key in node) else "$dict"
        return {kind: {str(k): split_tensors(v, tensors, f"{path}/{k}") for k, v in node.items()}}
    if isinstance(node, list | tuple):
        return [split_tensors(value, tensors, f"{path}/{i}") for i, value in enumerate(node)]
    return node


def join_tensors(node: Any, tensors: dict[str, Tensor]) -> Any:
    """What `split_tensors` took apart."""
    if isinstance(node, list):
        return [join_tensors(value, tensors) for value in node]
    if not isinstance(node, dict):
        return node
    if "$tensor" in node:
        return tensors[node["$tensor"]]
    if "$ints" in node:
        return {int(key): join_tensors(value, tensors) for key, value in node["$ints"].items()}
    return {key: join_tensors(value, tensors) for key, value in node["$dict"].items()}
