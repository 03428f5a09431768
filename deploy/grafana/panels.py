"""The kinds of panels that the dashboards are made of."""

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# The grid of a dashboard is 24 wide.
THIRD, HALF, FULL = 8, 12, 24
HEIGHT = 8


def query(expression: str, legend: str = "") -> prometheus.Dataquery:
    """Return a PromQL query; the legend is a template of labels, such as `{{stage}}`."""
    built = prometheus.Dataquery().expr(expression).datasource(SOURCE)
    return built.legend_format(legend) if legend else built


def lines(title: str, unit: str, queries: list[tuple[str, str]], span: int = HALF, says: str = "") -> timeseries.Panel:
    """Return values over time; a list of expressions and legends."""
    panel = timeseries.Panel().title(title).unit(unit).span(span).height(HEIGHT).datasource(SOURCE).min(0)
    panel.fill_opacity(10).line_width(1).description(says)
    for expression, legend in queries:
        panel.with_target(query(expression, legend))
    return panel


def stacked(title: str, unit: str, expression: str, legend: str, span: int = HALF, says: str = "") -> timeseries.Panel:
    """Return parts of a whole over time."""
    panel = lines(title, unit, [(expression, legend)], span, says).fill_opacity(60)
    return panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))


def number(title: str, unit: str, expression: str, span: int = 4, says: str = "") -> stat.Panel:
    """Return one number as it is now."""
    panel = stat.Panel().title(title).unit(unit).span(span).height(4).datasource(SOURCE).description(says)
    return panel.with_target(query(expression))


def bars(title: str, unit: str, expression: str, legend: str, span: int = HALF, says: str = "") -> bargauge.Panel:
    """Return one bar for each series as it is now."""
    panel = bargauge.Panel().title(title).unit(unit).span(span).height(HEIGHT).datasource(SOURCE).description(says)
    panel.orientation(common_models.VizOrientation.HORIZONTAL).min(0)
    return panel.with_target(query(expression, legend).instant())


def rows(title: str, expression: str, span: int = HALF, says: str = "") -> table.Panel:
    """Return a table of series as they are now."""
    panel = table.Panel().title(title).span(span).height(HEIGHT).datasource(SOURCE).description(says)
    return panel.with_target(query(expression).instant().format(PromQueryFormat.TABLE))
