"""Names of executions: what the orchestrator calls the work that it asks a stage for."""

from talkmill.pipeline.graph import GRAPH

_SCOPES = {node.name: node.scope for node in GRAPH}


def execution_name(run_id: str, subject: str) -> str:
    """Return the name of work for a source or a clip, or of what is done once a run."""
    return f"runs/{run_id}/{subject}"


def about_execution(stage: str, name: str) -> dict[str, str]:
    """Return what a trace says of an execution: stage, run, and source or clip; less where the name is another's.

    Args:
        stage: What does it; may be none of the graph.
        name: Of `execution_name`, or any text.
    """
    kind, _, rest = name.partition("/")
    run_id, _, subject = rest.partition("/")
    about = {"stage": stage}
    if kind == "runs" and run_id:
        about["run"] = run_id
        if subject and _SCOPES.get(stage, "run") != "run":
            about[_SCOPES[stage]] = subject
    return about
