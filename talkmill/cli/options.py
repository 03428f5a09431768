"""Sources and parameters of a run as the command line gives them."""

from talkmill.cli.outcome import CommandError
from talkmill.cli.signature import flag_of
from talkmill.hdtf.plan import ListError, read_table
from talkmill.option import OptionError
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.naming import InputError, NamedSource, collect_sources, with_plan
from talkmill.pipeline.options import RunOptions, SourceOptions


def parameters_of(options: RunOptions) -> RunParameters:
    """Return the parameters of every stage.

    Raises:
        CommandError: An option cannot be read.
    """
    try:
        return options.parameters()
    except OptionError as error:
        raise CommandError(f"{flag_of(error.option, RunOptions)} {error.why}") from error


def sources_of(inputs: list[str], options: SourceOptions) -> list[NamedSource]:
    """Return the sources that the command line names, with the people and the splits of a plan where one is given.

    Raises:
        CommandError: An input cannot be run, or the plan does not fit.
    """
    if options.plan is not None and options.person is not None:
        raise CommandError("--person and --plan both say who is seen: give one of them")
    if options.link_persons and options.person is None and options.plan is None:
        raise CommandError("--link-persons needs --person or --plan")
    try:
        sources = collect_sources(inputs, options.person, options.link_persons, options.split)
        if options.plan is None:
            return sources
        rows = {clip.name: (clip.person, clip.split) for clip in read_table(options.plan)}
        return with_plan(sources, rows, options.link_persons)
    except (InputError, ListError, OSError) as error:
        raise CommandError(str(error)) from error
