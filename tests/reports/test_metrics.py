"""`metrics.txt` and what `--metrics` serves, read by the parser of the official Python client for OpenMetrics."""

import math
import re
import time
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from support.made import every_run
from support.program import Ended, start


def key_of(name, labels):
    # Quantiles are numbers, however they are written.
    return name, frozenset((label, float(text) if label == "quantile" else text) for label, text in labels.items())


def samples(families):
    """Every sample by name and labels."""
    found = {}
    for family in families:
        for sample in family.samples:
            key = key_of(sample.name, sample.labels)
            assert key not in found, f"{key} stands twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[key_of(name, labels)]


def test_the_parser_takes_the_file(made):
    text = made.file("metrics.txt").read_text()
    assert text.endswith("# EOF\n")
    found = samples(text_string_to_metric_families(text))
    results = made.results
    for outcome, count in results["census"].items():
        if outcome in ("planned", "unaccounted"):
            assert value(found, f"twinstorm_updates_{outcome}") == count
        else:
            assert value(found, "twinstorm_updates_total", outcome=outcome) == count
    assert value(found, "twinstorm_exit_code") == made.code
    assert value(found, "twinstorm_valid") == (made.verdict != "invalid")
    for name, series in results["series"].items():
        assert value(found, "twinstorm_duration_seconds_count", series=name) == series["count"]
        for quantile, key in (("0.5", "p50_us"), ("0.9", "p90_us"), ("0.99", "p99_us"), ("1", "max_us")):
            labels = {"series": name, "quantile": quantile}
            if series[key] is not None:
                # Three significant digits.
                assert value(found, "twinstorm_duration_seconds", **labels) == pytest.approx(series[key] / 1e6, rel=6e-3), name
            else:
                assert key_of("twinstorm_duration_seconds", labels) not in found
    for threshold in results["thresholds"]:
        if threshold["ok"] is not None:
            assert value(found, "twinstorm_threshold_ok", expr=threshold["expr"]) == threshold["ok"]


def test_a_capacity_has_its_ends(capacity, runs):
    found = samples(text_string_to_metric_families(capacity.file("metrics.txt").read_text()))
    assert value(found, "twinstorm_capacity_low", of="calls") == 40
    assert value(found, "twinstorm_capacity_high", of="calls") == 41.8
    assert value(found, "twinstorm_capacity_cause", of="calls", cause="throttled") == 1
    assert value(found, "twinstorm_capacity_finished", of="calls") == 1
    assert "capacity" not in runs["quickstart"].file("metrics.txt").read_text()


def test_every_family_is_told_of(runs):
    families = list(text_string_to_metric_families(runs["broken"].file("metrics.txt").read_text()))
    assert len(families) > 20
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith("twinstorm_"), family.name
        assert all(not math.isnan(sample.value) for sample in family.samples), family.name


BROKEN = [
    ("no end", lambda text: text.removesuffix("# EOF\n")),
    ("something after the end", lambda text: text + "twinstorm_more 1\n"),
    ("a counter without its suffix", lambda text: text.replace("_total{", "{")),
    ("a label that is not closed", lambda text: text.replace('"} ', '" ', 1)),
    ("a value that is none", lambda text: re.sub(r" \d+\n# ", " many\n# ", text, count=1)),
    ("a family in two parts", lambda text: text.replace("# EOF\n", "# TYPE twinstorm_updates counter\n# EOF\n")),
]


@pytest.mark.parametrize("damage", [damage for _, damage in BROKEN], ids=[what for what, _ in BROKEN])
def test_the_parser_refuses_what_is_broken(runs, damage):
    text = runs["broken"].file("metrics.txt").read_text()
    assert damage(text) != text
    with pytest.raises(ValueError):
        list(text_string_to_metric_families(damage(text)))


def get(url, accept=None):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    # A proxy of the environment is not for loopback.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_a_run_is_scraped_while_it_goes_on(tmp_path):
    """As Prometheus does it: by HTTP, asking for OpenMetrics; and as something older that takes the former text."""
    quick = next(made for made in every_run() if made.name == "quickstart")
    with start("run", *quick.arguments, "--metrics", "127.0.0.1:0", "--out", tmp_path / "run") as process:
        try:
            seen, address = [], None
            for line in process.stderr:
                seen.append(line)
                address = address or re.search(r"http://[\d.]+:\d+/metrics", line)
                if address and "running" in line:
                    break
            assert address and "running" in seen[-1], "".join(seen)
            # What is served is handed over once a second, at no set time before or after the line of that second.
            text = ""
            while "twinstorm_devices_connected " not in text:
                assert process.poll() is None, f"it ended, and served nothing but this:\n{text}"
                time.sleep(0.05)
                kind, text = get(address[0], "application/openmetrics-text; version=1.0.0")
            older_kind, older = get(address[0], "text/plain; version=0.0.4")
            Ended(process).expect(0)
        finally:
            process.kill()
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    found = samples(text_string_to_metric_families(text))
    assert value(found, "twinstorm_devices") == 150
    assert value(found, "twinstorm_devices_connected") == 150
    assert older_kind.startswith("text/plain")
    older_found = samples(prometheus_families(older))
    assert value(older_found, "twinstorm_devices") == 150
    assert not any(name.startswith("twinstorm_exit_code") for name, _ in found), "no verdict while it goes on"
