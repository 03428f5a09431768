"""What a server of a stage and the orchestrator's have in common: listening, health, credentials, settings."""
