"""The command line: `talkmill`, or `python -m talkmill`."""

from talkmill.environment import quiet_libraries

# Native libraries read the environment when they are loaded.
quiet_libraries()

from talkmill.cli.app import main

if __name__ == "__main__":
    main()
