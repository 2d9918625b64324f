"""What prefrl export writes."""

from typing import Literal

StoreFormat = Literal["jsonl", "npz", "parquet", "minari"]
"""Of answers."""

ExportFormat = Literal[StoreFormat, "onnx"]
"""Of all there is to export: onnx is the agent's policy."""
