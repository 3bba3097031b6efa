"""`histograms.hlog`, read by the PyPI package hdrhistogram, which shares no code with what wrote it."""

import shutil

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

PERCENTILES = {"p50_us": 50, "p90_us": 90, "p95_us": 95, "p99_us": 99, "p99_9_us": 99.9, "p99_99_us": 99.99}


def read(path):
    """All intervals of each tag, merged; and where they began and how long they were, in seconds."""
    # One second to one hour in nanoseconds, three digits: what MaxValueDivisor and results.json say.
    log = HistogramLogReader(str(path), HdrHistogram(1, 3600 * 10**9, 3))
    merged, spans = {}, []
    while (interval := log.get_next_interval_histogram()) is not None:
        spans.append((interval.get_start_time_stamp() / 1000, interval.get_end_time_stamp() / 1000))
        tag = interval.get_tag()
        if tag in merged:
            merged[tag].add(interval)
        else:
            merged[tag] = interval
    log.close()
    return merged, spans


def about(microseconds):
    # Three digits, of either reading; and results.json rounds to whole microseconds.
    return pytest.approx(microseconds, rel=2e-3, abs=1)


def value_at(histogram, percentile):
    """The value that at least so many percent are not above.

    The package rounds the rank to the nearest, where the original in Java and the crate go up. It is asked for the
    percentile of that whole rank, so that there is nothing to round.
    """
    count = histogram.get_total_count()
    # In thousandths of a percent, as whole numbers have no rounding errors.
    rank = -(-round(percentile * 1000) * count // 100_000)
    return histogram.get_value_at_percentile(100 * rank / count)


def compare(path, results):
    merged, _ = read(path)
    assert set(merged) == {name for name, series in results["series"].items() if series["count"]}
    for name, histogram in merged.items():
        series = results["series"][name]
        assert histogram.get_total_count() == series["count"], name
        assert histogram.get_max_value() / 1e3 == about(series["max_us"]), name
        assert histogram.get_min_value() / 1e3 == about(series["min_us"]), name
        assert histogram.get_mean_value() / 1e3 == about(series["mean_us"]), name
        for key, percentile in PERCENTILES.items():
            if series[key] is not None:
                assert value_at(histogram, percentile) / 1e3 == about(series[key]), f"{name} {key}"


def test_same_counts_and_percentiles(made):
    compare(made.file("histograms.hlog"), made.results)


def test_intervals_lie_within_the_run(made):
    _, spans = read(made.file("histograms.hlog"))
    assert spans
    first = min(begin for begin, _ in spans)
    assert all(begin < end <= begin + 1.5 for begin, end in spans)
    assert max(end for _, end in spans) - first <= made.results["duration_s"] + 1


def test_a_lost_line_would_be_seen(runs, tmp_path):
    """The comparison can fail."""
    quickstart = runs["quickstart"]
    path = tmp_path / "histograms.hlog"
    shutil.copy(quickstart.file("histograms.hlog"), path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(AssertionError):
        compare(path, quickstart.results)
