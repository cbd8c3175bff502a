"""A policy at one strength, as files that other programs load: a control vector, a LoRA adapter, a model's folder."""

from steer.export.gguf import export_control_vector
from steer.export.lora import export_gguf_lora, export_lora
from steer.export.weights import export_weights

__all__ = ["export_control_vector", "export_gguf_lora", "export_lora", "export_weights"]
