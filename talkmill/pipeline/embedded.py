"""A whole run in this process: `talkmill.run`, and the command of the same name."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import structlog
from threadpoolctl import threadpool_limits

from talkmill.dataset.environment import DatasetError
from talkmill.environment import bound_memory, core_count, quiet_libraries
from talkmill.models.choice import DEFAULT_MODELS, ModelChoice
from talkmill.models.repository import ModelRepository
from talkmill.option import OptionError
from talkmill.pipeline.composition import build_stages
from talkmill.pipeline.events import Event
from talkmill.pipeline.folders import open_store
from talkmill.pipeline.graph import RunParameters
from talkmill.pipeline.options import RunOptions, SourceOptions
from talkmill.pipeline.run import RunSummary, held_kinds, run_dataset
from talkmill.pipeline.settings import Settings
from talkmill.telemetry.logs import configure_logs

_OPTIONS, _KNOWN = RunOptions(), SourceOptions()


def run(
    inputs: str | Path | Iterable[str | Path],
    out: str | Path,
    options: RunOptions = _OPTIONS,
    *,
    models: ModelChoice = DEFAULT_MODELS,
    known: SourceOptions = _KNOWN,
    jobs: int = 1,
    provider: str = "",
    settings: Settings | None = None,
    emit: Callable[[Event], None] = lambda event: None,
    announce: Callable[[str], None] = lambda line: None,
    cancelled: threading.Event | None = None,
) -> RunSummary:
    """Turn videos into a data set; finished work of an earlier run into the same folder is kept.

    Args:
        inputs: Video files, folders, http(s) addresses; one or many.
        out: Folder of the data set.
        options: What decides the numbers.
        models: Which landmark, morphable and detector models are used; they are fetched where they are missing.
        known: What is known of the sources: person, split, plan.
        jobs: Sources and clips at a time.
        provider: Execution provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`; that of the settings when empty.
        settings: Where models lie and what runs them; read from the environment when None.
        emit: Called with every event (`talkmill.pipeline.events`), from several threads, one at a time.
        announce: Called with a line for each model that is fetched.
        cancelled: Set it to stop; finished stages are kept.

    Returns:
        What became of the clips. A clip that is left out does not raise: `rejected` says why.

    Raises:
        InputError: An input cannot be run.
        OptionError: An option cannot be read, or the folder cannot be written.
        ModelError: A model cannot be had.
        FolderBusyError: Another run works in the folder.
        StageError: The run had to stop, such as for a full disk; `reason` names why.
        OSError: A file cannot be read.
        ValueError: The execution provider is not there, or a setting cannot be read.
    """
    quiet_libraries()
    bound_memory()
    if not structlog.is_configured():
        configure_logs("warning")
    if not str(out):
        raise OptionError("out", "is empty")
    if jobs < 1:
        raise OptionError("jobs", f"{jobs}: at least 1 is wanted")
    folder, settings = Path(out), settings or Settings()
    parameters = options.parameters()
    found = known.sources(inputs)
    _check_writable(folder)
    stages = build_stages(
        folder,
        ModelRepository(settings.models.directory, settings.models.mirror, announce),
        models,
        _with_held(folder, parameters),
        provider or settings.execution_provider,
        settings.threads or max(1, core_count() // jobs),
        settings.gpu,
    )
    # The caller has loaded NumPy before: what `quiet_libraries` sets in the environment comes too late for its BLAS.
    with threadpool_limits(1, user_api="blas"):
        return run_dataset(
            folder, found, stages, open_store(folder), parameters, jobs, emit, cancelled or threading.Event()
        )


def _with_held(folder: Path, parameters: RunParameters) -> RunParameters:
    """Return the parameters with the kinds of files that the set of the folder has: its stages are wanted too."""
    if not parameters.kinds:
        return parameters
    try:
        held = held_kinds(folder / "lmdb" / str(parameters.crop.size)).values()
    except DatasetError:
        # The run opens the set too, and says what is wrong with it.
        return parameters
    return replace(parameters, kinds=tuple(frozenset(parameters.kinds).union(*held)))


def _check_writable(folder: Path) -> None:
    try:
        (folder / "work").mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder / "work"):
            pass
    except OSError as error:
        raise OptionError(
            "out", f"{folder} cannot be written ({error.strerror}); give a folder that you may write to"
        ) from error
