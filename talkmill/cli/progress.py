"""Progress of a run: live bars on a terminal, plain lines otherwise."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from talkmill.cli.errors import reason_text
from talkmill.cli.terminal import say
from talkmill.pipeline.events import (
    ClipFinished,
    ClipsFound,
    Event,
    FilesPassedOver,
    Note,
    Rejected,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from talkmill.pipeline.graph import nodes_of
from talkmill.pipeline.search import told
from talkmill.text import counted

# A plain line for a stage that takes long, at most this often.
PLAIN_INTERVAL_SECONDS = 30.0
# Shares of the work of a clip on a CPU (docs/measurements.md); only the estimate of the time left uses them.
STAGE_SHARES = {node.name: node.share for node in nodes_of("clip")}


class ProgressDisplay:
    """Shows events; a context manager."""

    def __init__(self, console: Console) -> None:
        """Create a display on a console."""
        self._console = console
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not self._live,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._began: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._estimate = _Estimate(1, ())
        self._overall = self._progress.add_task("all clips", total=1.0, rate="")

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case RunStarted(source_count, stages):
                self._estimate = _Estimate(source_count, stages)
            case FilesPassedOver(rows):
                self._say(told(rows), "yellow")
            case StageStarted(subject, stage):
                self._began[subject, stage] = time.monotonic()
            case StageProgress():
                self._show_progress(event)
            case StageFinished(subject, stage, manifest, cached):
                self._finish(subject, stage, manifest.execute_seconds, cached)
            case ClipsFound(source, clips, seconds):
                self._estimate.add(clips, seconds)
                self._say(f"{source}: {counted(len(clips), 'clip')}, {seconds:.1f} s")
            case Rejected(subject, stage, rejection):
                self._close(subject, stage)
                self._estimate.drop(subject)
                self._say(f"{subject}: rejected in {stage}: {reason_text(rejection.reason, rejection.message)}", "red")
            case ClipFinished(subject, frame_count):
                self._say(f"{subject}: ready, {frame_count} frames", "green")
            case Note(subject, stage, text):
                self._say(f"{subject}: {stage}: {text}", "yellow")
        self._show_overall()

    def _show_progress(self, event: StageProgress) -> None:
        key = event.subject, event.stage
        now = time.monotonic()
        elapsed = now - self._began.get(key, now)
        rate = event.done / elapsed if elapsed > 0.5 else 0.0
        self._estimate.advance(event.subject, event.stage, event.done / max(1, event.total))
        speed = f"{event.done}/{event.total} {event.unit}" + (
            f", {rate:.1f}/s" if rate and event.unit != "bytes" else ""
        )
        if self._live:
            if key not in self._tasks:
                description = f"{escape(event.subject)} [dim]{event.stage}[/dim]"
                self._tasks[key] = self._progress.add_task(description, total=event.total, rate="")
            self._progress.update(self._tasks[key], completed=event.done, total=event.total, rate=speed)
        elif elapsed > PLAIN_INTERVAL_SECONDS and now - self._told.get(key, 0) > PLAIN_INTERVAL_SECONDS:
            self._told[key] = now
            self._say(f"{event.subject}: {event.stage}: {speed}{self._estimate.text('; whole run: about {} left')}")

    def _finish(self, subject: str, stage: str, seconds: float, cached: bool) -> None:
        self._close(subject, stage)
        self._estimate.advance(subject, stage, 1.0, cached)
        self._say(f"{subject}: {stage} " + ("was done before" if cached else f"done in {seconds:.1f} s"), "dim")

    def _close(self, subject: str, stage: str) -> None:
        task = self._tasks.pop((subject, stage), None)
        if task is not None:
            self._progress.remove_task(task)

    def _show_overall(self) -> None:
        text = self._estimate.text("{} left")
        self._progress.update(self._overall, completed=self._estimate.fraction, rate=text)

    def _say(self, text: str, style: str = "") -> None:
        say(self._console, text, style)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()


class _Estimate:
    """Time left, from the share of the known clips' work that is done."""

    def __init__(self, source_count: int, stages: Sequence[str]) -> None:
        self._sources = source_count
        whole = sum(STAGE_SHARES[stage] for stage in stages)
        self._shares = {stage: STAGE_SHARES[stage] / whole for stage in stages}
        self._surveyed = 0
        self._weights: dict[str, float] = {}
        self._done: dict[tuple[str, str], float] = {}
        self._found = 0.0
        self._began = time.monotonic()

    def add(self, clips: tuple[str, ...], seconds: float) -> None:
        self._surveyed += 1
        self._weights |= {clip: seconds / len(clips) for clip in clips}

    def drop(self, clip: str) -> None:
        self._weights.pop(clip, None)

    def advance(self, clip: str, stage: str, share: float, cached: bool = False) -> None:
        if clip in self._weights and stage in self._shares:
            self._done[clip, stage] = share
            if cached:
                self._found += self._weights[clip] * self._shares[stage]

    @property
    def fraction(self) -> float:
        total = sum(self._weights.values()) * self._sources / max(1, self._surveyed)
        done = sum(
            self._weights.get(clip, 0) * self._shares[stage] * share for (clip, stage), share in self._done.items()
        )
        return min(1.0, done / total) if total else 0.0

    def text(self, template: str) -> str:
        total = sum(self._weights.values()) * self._sources / max(1, self._surveyed)
        found = self._found / total if total else 0.0
        worked, elapsed = self.fraction - found, time.monotonic() - self._began
        if worked < 0.01 or self.fraction >= 1:
            return ""
        left = int(elapsed * (1 - self.fraction) / worked)
        clock = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"
        return template.format(clock)
