"""Samples of stacks, summed up: which functions the time is spent in, and by whom they were called."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

Frame = tuple[str, str]
"""A function and its file."""

_LEAST = 0.01
"""Parts of the whole below this are not shown."""
_MOST = 40


@dataclass
class _Node:
    part: float = 0.0
    children: dict[Frame, _Node] = field(default_factory=lambda: defaultdict(_Node))


class Samples:
    """Stacks with their weights."""

    def __init__(self, stacks: Mapping[tuple[Frame, ...], float]) -> None:
        """`stacks` with their parts of the whole."""
        self._stacks = stacks

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a file of speedscope, as py-spy writes it."""
        recorded: dict[str, Any] = json.loads(path.read_text())
        frames = [(frame["name"], _short(frame.get("file", ""))) for frame in recorded["shared"]["frames"]]
        stacks: dict[tuple[Frame, ...], float] = defaultdict(float)
        for thread in recorded["profiles"]:
            for sample, weight in zip(thread["samples"], thread["weights"], strict=True):
                if sample:
                    stacks[tuple(frames[index] for index in sample)] += weight
        whole = sum(stacks.values())
        return cls({stack: weight / whole for stack, weight in stacks.items()})

    def summary(self, cost: float) -> Iterator[str]:
        """The functions that take most, and the tree of calls. `cost` is that of the whole, in S."""
        own: dict[Frame, float] = defaultdict(float)
        total: dict[Frame, float] = defaultdict(float)
        for stack, part in self._stacks.items():
            own[stack[-1]] += part
            for frame in set(stack):
                total[frame] += part
        yield ""
        yield f"{'own S':>7}{'total':>7}   function, by what it takes itself"
        for frame, part in sorted(own.items(), key=lambda item: -item[1])[:_MOST]:
            if part >= _LEAST / 2:
                yield f"{part * cost:7.3f}{total[frame] * cost:7.3f}   {_name(frame)}"
        yield ""
        yield f"{'total S':>7}   calls"
        yield from self._tree(self._root(), cost, 0)

    def _root(self) -> _Node:
        root = _Node()
        for stack, part in self._stacks.items():
            node = root
            for frame in stack:
                node = node.children[frame]
                node.part += part
        return root

    def _tree(self, node: _Node, cost: float, depth: int) -> Iterator[str]:
        for frame, child in sorted(node.children.items(), key=lambda item: -item[1].part):
            if child.part >= _LEAST:
                yield f"{child.part * cost:7.3f}   {'  ' * depth}{_name(frame)}"
                yield from self._tree(child, cost, depth + 1)


def _short(file: str) -> str:
    """The path of a file without where it is installed."""
    for mark in ("site-packages/", "/lib/python3"):
        if mark in file:
            return file.rpartition(mark)[2].partition("/")[2] if mark.startswith("/lib") else file.rpartition(mark)[2]
    for folder in ("/provider/", "/plugins/"):
        if folder in file:
            return "creance" + folder + file.partition(folder)[2]
    return file


def _name(frame: Frame) -> str:
    return f"{frame[0]}  {frame[1]}"
