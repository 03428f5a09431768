"""`make dashboards`: generates deploy/grafana/dashboards/*.json.

The overview answers, from top to bottom: how fast is it, where does it wait, why do clips fail, what does it cost. The
other dashboard has a row for each stage.
"""

from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.panels import FULL, HALF, THIRD, bars, lines, number, rows, stacked
from talkmill.pipeline.graph import GRAPH

FOLDER = Path(__file__).with_name("dashboards")
GPU = "|".join(entry.name for entry in GRAPH if entry.gpu)
GPU_UTILISATION = 'DCGM_FI_DEV_GPU_UTIL{pod=~".*-(split|matting|landmarks)-.*"}'
# The last stage that every clip goes through, whatever its run is for.
LAST = "landmarks"


def overview() -> dashboard.Dashboard:
    """Return the dashboard of the whole."""
    board = _board("talkmill-overview", "talkmill: overview").with_variable(
        dashboard.TextBoxVariable("gpu_price").label("price of a pod with a GPU, an hour").default_value("1.0")
    )
    board.with_variable(
        dashboard.TextBoxVariable("cpu_price").label("price of a pod without, an hour").default_value("0.1")
    )
    cost = (
        f'(sum(stage:talkmill_stage_pods:count{{stage=~"{GPU}"}}) * $gpu_price'
        f' + sum(stage:talkmill_stage_pods:count{{stage!~"{GPU}"}}) * $cpu_price)'
        f' / sum(rate(talkmill_stage_video_seconds_total{{stage="{LAST}"}}[1h]))'
    )
    finished = "outcome:talkmill_orchestrator_clips_finished:rate1h"
    for panel in (
        number("Clips an hour", "short", f'3600 * sum({finished}{{outcome="succeeded"}})', says="Of the last hour."),
        number("Hours of video an hour", "h", f'sum(stage:talkmill_stage_video_seconds:rate5m{{stage="{LAST}"}})'),
        number("Clips that fail", "percentunit", f'sum({finished}{{outcome="failed"}}) / sum({finished})'),
        number("Work in all queues", "short", "sum(stage:talkmill_orchestrator_backlog:max)"),
        number("Cost of an hour of video", "short", cost, says="Of all pods, busy or not, at the prices above."),
        number("Store and database answer", "bool_yes_no",
               "min(talkmill_orchestrator_dependency_reachable)"),
    ):  # fmt: skip
        board.with_panel(panel)
    board.with_row(dashboard.Row("How fast"))
    board.with_panel(
        lines("Frames a second", "short", [("stage:talkmill_stage_frames:rate5m", "{{stage}}")], says="Of each stage.")
    )
    board.with_panel(
        lines("Hours of video an hour", "short", [("stage:talkmill_stage_video_seconds:rate5m", "{{stage}}")],
              says="1 is as fast as the clips play. coarse_fit and pack do not know how long a clip lasts.")
    )  # fmt: skip
    board.with_panel(lines("Clips an hour", "short", [(f"3600 * {finished}", "{{outcome}}")], THIRD))
    board.with_panel(
        lines("GPU utilisation", "percent", [(f"avg by (gpu, Hostname) ({GPU_UTILISATION})", "{{Hostname}} {{gpu}}")],
              THIRD, "From the DCGM exporter.")
    )  # fmt: skip
    board.with_panel(
        lines("Frames a second of a GPU", "short",
              [(f'sum(stage:talkmill_stage_frames:rate5m{{stage=~"{GPU}"}})'
                f" / count(count by (gpu, Hostname) ({GPU_UTILISATION}))", "")], THIRD, "From the DCGM exporter.")
    )  # fmt: skip
    board.with_row(dashboard.Row("Where it waits"))
    board.with_panel(
        bars("Bottleneck: seconds until the backlog is done", "s",
             "sort_desc(stage:talkmill_orchestrator_backlog:max"
             ' / (sum by (stage) (stage_outcome:talkmill_stage_executions:rate5m) > 0))', "{{stage}}",
             says="At the pace of the last five minutes; the longest bar is the stage that wants more pods.")
    )  # fmt: skip
    board.with_panel(lines("Backlog", "short", [("stage:talkmill_orchestrator_backlog:max", "{{stage}}")]))
    board.with_panel(
        lines("Age of the oldest that waits", "s",
              [("stage:talkmill_orchestrator_oldest_pending_seconds:max", "{{stage}}")], THIRD)
    )  # fmt: skip
    board.with_panel(
        lines("Executions in progress", "short",
              [("stage:talkmill_stage_executions_in_progress:sum", "{{stage}}")], THIRD)
    )  # fmt: skip
    board.with_panel(lines("Pods", "short", [("stage:talkmill_stage_pods:count", "{{stage}}")], THIRD))
    board.with_panel(
        stacked("Where the time goes", "percentunit",
                "sum by (phase) (stage_phase:talkmill_stage_execution_seconds:rate5m)"
                " / ignoring (phase) group_left sum(stage_phase:talkmill_stage_execution_seconds:rate5m)",
                "{{phase}}", FULL, "fetch from the store, execute, upload to the store.")
    )  # fmt: skip
    board.with_row(dashboard.Row("Why clips fail"))
    board.with_panel(
        rows("Dead letters of the last hour",
             "sort_desc(stage_reason:talkmill_orchestrator_dead_letters:increase1h > 0)"
             " or topk(1, stage_reason:talkmill_orchestrator_dead_letters:increase1h)",
             says="By stage and reason; docs/errors.md says what each means.")
    )  # fmt: skip
    board.with_panel(
        lines("Executions by outcome", "short",
              [("sum by (outcome) (stage_outcome:talkmill_stage_executions:rate5m) > 0"
                ' or sum by (outcome) (stage_outcome:talkmill_stage_executions:rate5m{outcome="OK"})', "{{outcome}}")])
    )  # fmt: skip
    board.with_panel(
        lines("Executions that end with a fault", "percentunit",
              [("stage:talkmill_stage_faults:ratio_rate10m", "{{stage}}")],
              HALF, "Faults are ours or the cluster's; a clip that is refused for what it shows is none.")
    )  # fmt: skip
    board.with_panel(
        lines("Calls of the API", "reqps",
              [("sum by (method, code) (rate(talkmill_rpcs_total[5m]))", "{{method}} {{code}}")])
    )  # fmt: skip
    return board


def stages() -> dashboard.Dashboard:
    """Return the dashboard with a row for each stage."""
    board = _board("talkmill-stages", "talkmill: stages")
    for entry in GRAPH:
        own = f'{{stage="{entry.name}"}}'
        board.with_row(dashboard.Row(entry.name))
        board.with_panel(
            lines("Executions a minute", "short",
                  [(f"60 * stage_outcome:talkmill_stage_executions:rate5m{own} > 0"
                    f' or 60 * stage_outcome:talkmill_stage_executions:rate5m{{stage="{entry.name}", outcome="OK"}}',
                    "{{outcome}}")], THIRD, entry.summary)
        )  # fmt: skip
        board.with_panel(
            lines("Frames a second", "short", [(f"stage:talkmill_stage_frames:rate5m{own}", "frames")], THIRD)
        )
        board.with_panel(
            stacked("Busy executions: fetch, execute, upload", "short",
                    f"stage_phase:talkmill_stage_execution_seconds:rate5m{own}", "{{phase}}", THIRD,
                    "Seconds of work in a second, in all pods.")
        )  # fmt: skip
        board.with_panel(
            lines("Backlog and work in progress", "short",
                  [(f"stage:talkmill_orchestrator_backlog:max{own}", "backlog"),
                   (f"stage:talkmill_stage_executions_in_progress:sum{own}", "in progress"),
                   (f"stage:talkmill_stage_pods:count{own}", "pods")], THIRD)
        )  # fmt: skip
        board.with_panel(
            lines("Time of an execution", "s",
                  [(f"histogram_quantile({quantile}, sum by (le) (rate("
                    f'talkmill_stage_execution_duration_seconds_bucket{{stage="{entry.name}", phase="execute"}}[5m])))',
                    f"{quantile:.0%}") for quantile in (0.5, 0.95)], THIRD)
        )  # fmt: skip
        board.with_panel(
            lines("Bytes from and to the store", "Bps",
                  [(f"sum by (direction) (rate(talkmill_artifact_transfer_bytes_total{own}[5m]))", "{{direction}}")],
                  THIRD)
        )  # fmt: skip
        if entry.gpu:
            board.with_panel(
                lines("Time of one run of a network", "s",
                      [(f"rate(talkmill_inference_duration_seconds_sum{own}[5m])"
                        f" / (rate(talkmill_inference_duration_seconds_count{own}[5m]) > 0)",
                        "{{instance}} {{model_id}} {{execution_provider}}")], FULL)
            )  # fmt: skip
    return board


def _board(uid: str, title: str) -> dashboard.Dashboard:
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    board = dashboard.Dashboard(title).uid(uid).tags(["talkmill"]).readonly().refresh("30s").time("now-3h", "now")
    return board.timezone("browser").with_variable(source)


def write() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(exist_ok=True)
    for build in (overview, stages):
        board = build().build()
        for number_of_panel, panel in enumerate(board.panels or [], 1):
            panel.id_val = number_of_panel
        text = JSONEncoder(sort_keys=True, indent=1).encode(board)
        (FOLDER / f"{build.__name__}.json").write_text(text + "\n")


if __name__ == "__main__":
    write()
