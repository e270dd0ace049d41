"""The data dictionary by room: artifacts with the meaning of their columns."""
