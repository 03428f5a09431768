"""A stage behind gRPC: messages, executions, errors, health, credentials and the server itself."""
