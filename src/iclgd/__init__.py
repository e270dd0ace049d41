"""In-context learning against gradient descent: a library of tensors and tables.

Nothing in here knows a path scheme, a configuration or Snakemake.
"""
