"""Whether the runs that everything else looks at are what they are taken for."""


def test_each_ended_as_it_should(made):
    assert made.results["verdict"] == made.verdict
    assert made.results["exit_code"] == made.code
    assert made.results["valid"] == (made.verdict != "invalid")
    assert sum(made.results["census"].values()) > made.results["census"]["planned"], "updates have outcomes"


def test_awkward_words_came_along(runs):
    """The other tests mean to see what formats do with these."""
    words = runs["drill"].results["drill"]["claim"]
    assert all(awkward in words for awkward in ['"', "<", "&", "|", "`", "%0A", "::error::", "##vso[", "ü", "漢"])
