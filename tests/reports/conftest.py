"""What the tests share: results and comparisons, each made once."""

import pytest

from support.capacity import capacity_of
from support.compared import compare, every_comparison
from support.made import SAMPLES, every_run, make


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Every made run by name."""
    return make(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def capacity(runs, tmp_path_factory):
    """The result of a search for a capacity."""
    return capacity_of(runs["quickstart"], tmp_path_factory.mktemp("capacity"))


@pytest.fixture(params=[made.name for made in every_run()])
def made(request, runs):
    """Each made run in turn."""
    return runs[request.param]


@pytest.fixture(scope="session")
def comparisons(runs, tmp_path_factory):
    """Every comparison by name."""
    return compare(runs, tmp_path_factory.mktemp("comparisons"))


@pytest.fixture(params=[compared.name for compared in every_comparison()])
def compared(request, comparisons):
    """Each comparison in turn."""
    return comparisons[request.param]


@pytest.fixture(params=SAMPLES, ids=lambda path: path.parent.name)
def sample(request):
    """Each committed results.json in turn."""
    return request.param
