"""Pretrained encoders: one interface, their weights, what of them is trained."""
