"""Accuracy and agreement by the size of the model: the table of `agreement`."""

from iclgd.reporting.kinds.agreement import BRACKETS, findings, headline

__all__ = ["BRACKETS", "findings", "headline"]
