"""Exported models: onnxruntime runs them, without torch and ESPnet. They cannot be trained."""

HEAD, BACKBONE = "head.onnx", "backbone.onnx"
