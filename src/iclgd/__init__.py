"""In-context learning against gradient descent: a library of tensors and tables.

`compare`, `icl`, `gd` and `agreement` (`iclgd.api`) are for a model in memory; they are imported
when they are first used, as they need torch.
"""

NAMES = ("compare", "icl", "gd", "agreement", "Comparison")


def __getattr__(name: str):
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from iclgd import api

    return getattr(api, name)
