"""The first lines of the pages that `xlt report` writes."""

from __future__ import annotations

HEAD = """<!-- written by `xlt report` from results/*.json; a test compares: do not edit -->
"""
