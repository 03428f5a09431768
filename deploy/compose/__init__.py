"""talkmill on one workstation by docker compose."""
