"""A step of building the package: the workflow goes into it as `iclgd/workflow`, as it is here.

Its steps run with the library that lies beside them there, as they do in a checkout.
"""

from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = ("Snakefile", "config.yaml", "config", "rules", "envs", "profiles", "models", "src")
CARRIED += ("docs/methods.md", "docs/reference")  # what the report shows


class CarryWorkflow(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if version == "editable":  # which finds the checkout's own
            return
        for path in CARRIED:
            build_data["force_include"][str(Path(self.root) / path)] = f"iclgd/workflow/{path}"
