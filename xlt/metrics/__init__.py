"""Scores of hypotheses against references: one metric a file, each with its signature and a bootstrap
interval.

A leaf: it imports no other part of xlt but the version, and numpy only when a score is computed.
"""
