"""The claims of papers that the project judges."""

from conftest import SRC

from iclgd.reporting.claims import judge

CLAIMS = judge.read(SRC / "iclgd/reporting/claims/claims.yaml")
