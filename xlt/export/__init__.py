"""Trained bundles for places without torch: ONNX for xlt's own runtime, and one file for sherpa-onnx."""
