"""The claims of papers that the project judges."""

from iclgd.reporting.claims import judge
from support.steps import SRC

CLAIMS = judge.read(SRC / "iclgd/reporting/claims/claims.yaml")
