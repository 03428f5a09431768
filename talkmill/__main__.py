"""The command line: `talkmill`, or `python -m talkmill`."""

from talkmill.environment import bound_memory, quiet_libraries

# Native libraries read the environment when they are loaded.
quiet_libraries()
bound_memory()

from talkmill.cli.app import main

if __name__ == "__main__":
    main()
