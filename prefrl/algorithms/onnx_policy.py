"""A policy as an ONNX graph, which needs neither prefrl nor torch to run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from prefrl.algorithms.normalise import moments
from prefrl.environments.actions import ActionUnits, bounds
from prefrl.errors import UsageError

OPSET, IR_VERSION = 17, 8  # of 2022: nothing here needs what came later
OBS, ACTION = "obs", "action"
ACTIVATIONS: Mapping[type[nn.Module], str] = {nn.ReLU: "Relu", nn.Tanh: "Tanh"}


def policy_graph(
    layers: Sequence[nn.Module],
    normaliser: VecNormalize,
    units: ActionUnits,
    observation_space: spaces.Box,
    metadata: Mapping[str, str],
) -> bytes:
    """A graph from raw observations `obs` (N, *shape), as float32, to executed actions `action`: the policy's mode.

    Actions are float32 (N, *shape) inside their bounds, or whole numbers (N,) where the environment's are discrete.

    Args:
        layers: from a normalised observation (N, D) to an action in `units` (N, A), or to a logit for each of A.
        normaliser: what the agent's observations were normalised by.
        units: of the agent.
        observation_space: of the environment.
        metadata: kept in the file.

    Raises:
        UsageError: onnx is not installed, or it cannot express a layer.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError("--format onnx needs a package; try: pip install 'prefrl[onnx]'") from error
    chain = Chain(onnx)
    chain.normalise(normaliser)
    for layer in layers:
        chain.layer(layer)
    chain.act(units)
    shape = () if isinstance(units.space, spaces.Discrete) else units.space.shape or ()
    kind = onnx.TensorProto.INT64 if isinstance(units.space, spaces.Discrete) else onnx.TensorProto.FLOAT
    helper = onnx.helper
    graph = helper.make_graph(
        [*chain.nodes, helper.make_node("Identity", [chain.last], [ACTION])],
        "policy",
        [helper.make_tensor_value_info(OBS, onnx.TensorProto.FLOAT, ["N", *observation_space.shape])],
        [helper.make_tensor_value_info(ACTION, kind, ["N", *shape])],
        chain.constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="prefrl"
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


class Chain:
    """Nodes that each take what the one before gives."""

    def __init__(self, onnx: Any) -> None:
        self.onnx, self.last = onnx, OBS
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *constants: Any, **attributes: Any) -> None:
        """A node that takes the last one's output, and then `constants`."""
        names = [f"{operator}_{len(self.nodes)}_{i}" for i, _ in enumerate(constants)]
        self.constants += map(self.onnx.numpy_helper.from_array, map(np.asarray, constants), names)
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, [self.last, *names], [output], **attributes))
        self.last = output

    def normalise(self, normaliser: VecNormalize) -> None:
        """Flat observations in standard deviations, computed in double precision as in training."""
        mean, std = moments(normaliser)
        limit = np.float64(normaliser.clip_obs)
        self.add("Flatten", axis=1)
        self.add("Cast", to=self.onnx.TensorProto.DOUBLE)
        self.add("Sub", mean)
        self.add("Div", std)
        self.add("Clip", -limit, limit)
        self.add("Cast", to=self.onnx.TensorProto.FLOAT)

    def layer(self, layer: nn.Module) -> None:
        """A layer of the policy's net."""
        if isinstance(layer, nn.Linear):
            self.add("Gemm", *(part.detach().numpy() for part in (layer.weight, layer.bias)), transB=1)
        elif type(layer) in ACTIVATIONS:
            self.add(ACTIVATIONS[type(layer)])
        else:
            raise UsageError(f"--format onnx knows no layer {layer}; take agent.zip")

    def act(self, units: ActionUnits) -> None:
        """The most likely choice, or numbers in the environment's units and bounds."""
        if isinstance(units.space, spaces.Discrete):
            self.add("ArgMax", axis=1, keepdims=0)
            return
        assert isinstance(units.space, spaces.Box)
        self.add("Cast", to=self.onnx.TensorProto.DOUBLE)
        for operator, row in zip(("Mul", "Add", "Max", "Min"), _flat(units.space, units), strict=True):
            self.add(operator, row)
        self.add("Cast", to=self.onnx.TensorProto.FLOAT)
        self.add("Reshape", np.array([-1, *units.space.shape], np.int64))


def _flat(space: spaces.Box, units: ActionUnits) -> Iterator[NDArray[np.float64]]:
    yield from (np.ravel(row) for row in (units.unit, units.origin, *bounds(space)))
