"""Who sent a command: the one node that the arm listens to, or somebody else."""

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

_UNKNOWN = "_NODE_NAME_UNKNOWN_"
_NOT_SHOWN = "a node that the graph does not show yet"


class Commander:
    """Knows the publishers of the node `name` by their gids, which every message carries.

    A gid is looked up in the graph once. A second publisher of the same name is a stranger for as
    long as the first is in the graph; afterwards it is the node, started again. Where rclpy does
    not tell the sender (before Kilted), the graph must show this node as the only publisher.
    """

    def __init__(self, node: Node, name: str) -> None:
        self.name = name
        self._node = node
        self._gids: dict[str, bytes] = {}

    def stranger(self, topic: str, info: Mapping[str, Any]) -> str | None:
        """None where the message comes from the node; else whose it is, as far as it is known."""
        sent = info.get("publisher_gid")
        gid = bytes(sent["data"]) if sent else None
        if gid is not None and gid == self._gids.get(topic):
            return None
        found = {bytes(p.endpoint_gid): p for p in self._node.get_publishers_info_by_topic(topic)}
        if gid is None:
            return self._only_one(sorted(p.node_name for p in found.values()))
        if gid not in found or found[gid].node_name == _UNKNOWN:
            return _NOT_SHOWN
        if found[gid].node_name != self.name:
            return found[gid].node_name
        if self._gids.get(topic) in found:
            return f"a second {self.name}"
        self._gids[topic] = gid
        return None

    def _only_one(self, names: list[str]) -> str | None:
        """A publisher may be discovered before its message is, or before its node's name is."""
        if not names or _UNKNOWN in names:
            return _NOT_SHOWN
        return None if names == [self.name] else f"one of {', '.join(names)}"
