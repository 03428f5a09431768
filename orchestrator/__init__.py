"""The orchestrator's container: when stages run on a cluster. `python -m orchestrator`."""
