"""The claims of papers that the project judges, and rows of summaries to judge them by."""

import polars as pl

from iclgd.io.figures import Figure
from iclgd.reporting.claims import judge
from support.roles import ROLES
from support.steps import SRC

CLAIMS = judge.read(SRC / "iclgd/reporting/claims/claims.yaml")


RUN = {"model": "m", "task": "t", "design": "d", "shots": 8}


def summary(*rows):
    return pl.DataFrame(rows, infer_schema_length=None)


def estimate(value, error=0.01, df=4.0, **more):
    return {**RUN, "estimate": value, "error": error, "df": df, "draws": 5, "queries": 96, **more}


def judged(kind, *rows, roles=None, **keys):
    figure = Figure("figure", kind, roles=ROLES | (roles or {}), **keys)
    table = judge.judged([(figure, summary(*rows))], CLAIMS)
    assert table.schema == judge.SCHEMA
    return table
