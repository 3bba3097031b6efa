"""Hubs for the tests, and the table of what the tests show."""

import os
from pathlib import Path

import pytest

from support.addresses import CannotListen
from support.hub import Hub
from support.program import ROOT
from support.rows import cells
from support.table import Table


@pytest.fixture(scope="session")
def tls_dir(tmp_path_factory):
    """Where the hubs of this process keep their CA. The service SDK is told to trust it as a user tells it."""
    folder = tmp_path_factory.mktemp("tls")
    os.environ["REQUESTS_CA_BUNDLE"] = str(folder / "ca.pem")
    return folder


def _started(*arguments, **options):
    try:
        return Hub(*arguments, **options)
    except CannotListen as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def hub(tmp_path_factory, tls_dir):
    """A hub that many tests share; each uses devices of its own."""
    hub = _started(tmp_path_factory.mktemp("hub"), tls_dir)
    yield hub
    hub.stop()


@pytest.fixture
def start_hub(tmp_path_factory, tls_dir):
    """Starts hubs for one test alone, with arguments of their own."""
    started = []

    def start(*arguments, **options):
        started.append(_started(tmp_path_factory.mktemp("hub"), tls_dir, *arguments, **options))
        return started[-1]

    yield start
    for hub in started:
        hub.stop()


@pytest.fixture
def name(request):
    """An id for a device of this test alone."""
    words = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return words.strip("-")[:100]


def pytest_collection_modifyitems(items):
    # A worker of xdist tells the controller nothing but these; the place in the order comes along.
    for place, item in enumerate(items):
        for row in cells(item):
            item.user_properties.append(("row", (place, *row)))


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(Path(ROOT / "target/interop-table.md")), "interop-table")
