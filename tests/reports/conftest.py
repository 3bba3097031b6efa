"""What the tests share: results, made once, and a browser."""

import pytest

from support.made import SAMPLES, every_run, make


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Every made run by name."""
    return make(tmp_path_factory.mktemp("runs"))


@pytest.fixture(params=[made.name for made in every_run()])
def made(request, runs):
    """Each made run in turn."""
    return runs[request.param]


@pytest.fixture(params=SAMPLES, ids=lambda path: path.parent.name)
def sample(request):
    """Each committed results.json in turn."""
    return request.param
