"""Scores of hypotheses against references: one metric a file, each with its signature and a bootstrap
interval.

:mod:`xlt.metrics.metric` says what the rest of xlt asks a metric. numpy is imported only when a score is
computed.
"""
