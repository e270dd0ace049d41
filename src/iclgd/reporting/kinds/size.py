"""Accuracy and agreement by the size of the model: the table of `agreement`."""

from iclgd.reporting.kinds.agreement import BRACKETS, findings, headline

# For the report: its section, what the figure means, and what it does not.
SECTION = "growth"
MEANS = "Whether larger models are nearer to GD, or farther."
MEANS_NOT = "Models differ in more than their size, and few of them make no law."

__all__ = ["BRACKETS", "MEANS", "MEANS_NOT", "SECTION", "findings", "headline"]
