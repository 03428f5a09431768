"""Exit codes and the error that ends a command."""

EXIT_OK, EXIT_FAILED, EXIT_SOME_REJECTED, EXIT_INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """A command cannot go on; the message says what was found and what to do."""
