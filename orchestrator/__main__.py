"""Serve the orchestrator: `python -m orchestrator`, configured by the environment."""

import sys

from orchestrator.server import main

if __name__ == "__main__":
    sys.exit(main())
