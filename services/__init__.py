"""The containers of the stages: `python -m services STAGE`."""
