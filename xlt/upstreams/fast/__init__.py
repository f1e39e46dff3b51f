"""Transformers without padding, for feature extraction."""
