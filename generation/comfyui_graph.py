"""A ComfyUI graph as sd-parsers can read it: with its links, with each sampler in one node, and within bounds."""

import json
from contextlib import suppress
from typing import Any, TypeAlias

Nodes: TypeAlias = dict[str, Any]

MOST_NODES, MOST_LINKS = 500, 2000
_SAMPLERS = 2  #: that are looked at, the first ones: for each the parser goes through all of the graph
_LIKE_A_SAMPLER = {"sampler_name", "steps", "cfg"}
_CHECKPOINTS = ("ckpt_name", "unet_name")


def graph_of(prompt: str) -> tuple[Nodes, dict[str, Any]] | None:
    """Return the nodes of the graph that ran (the text "prompt"), and a "workflow" with their links.

    The links are made of the nodes, as the workflow that the editor drew may be missing. None for more than 500 nodes
    or 2,000 links. Raises anything for a text of another form.
    """
    nodes: Nodes = json.loads(prompt)
    if len(nodes) > MOST_NODES:
        return None
    nodes = {name: _in_one(node, nodes) for name, node in nodes.items()}
    for name in [name for name, node in nodes.items() if _is_sampler(node)][_SAMPLERS:]:
        del nodes[name]
    links: list[tuple[Any, ...]] = [
        (0, value[0], 0, name, 0, "CLIP" if key.startswith("clip") else "any")
        for name, node in nodes.items()
        for key, value in node["inputs"].items()
        if isinstance(value, list) and value
    ]
    return None if len(links) > MOST_LINKS else (nodes, {"links": links})


def checkpoint_of(nodes: Nodes) -> str | None:
    """Return the file of the model that the first sampler draws with, behind whatever changes it on the way."""
    with suppress(Exception):
        node = next(filter(_is_sampler, nodes.values()))
        for _ in nodes:
            node = nodes[node["inputs"]["model"][0]]
            names = [node["inputs"].get(name) for name in _CHECKPOINTS]
            if (name := next((name for name in names if isinstance(name, str)), None)) is not None:
                return name
    return None


def loras_of(nodes: Nodes) -> list[dict[str, Any]]:
    """Return what the nodes say that load a LoRA: its file as "lora_name", and "strength_model"."""
    return [node["inputs"] for node in nodes.values() if isinstance(node["inputs"].get("lora_name"), str)]


def _is_sampler(node: Any) -> bool:
    return node["inputs"].keys() >= _LIKE_A_SAMPLER


def _in_one(node: Any, nodes: Nodes) -> Any:
    """Give a sampler whose noise, guider, sampler and sigmas are nodes of their own what these say (Flux, SD 3)."""
    if not str(node["class_type"]).startswith("SamplerCustom"):
        return node
    own: dict[str, Any] = node["inputs"]
    said: dict[str, Any] = {"cfg": None}
    for value in own.values():
        if isinstance(value, list):
            with suppress(Exception):
                said |= nodes[value[0]]["inputs"]
    said |= own
    if "conditioning" in said:
        said["positive"] = said["conditioning"]
    return {**node, "inputs": said}
