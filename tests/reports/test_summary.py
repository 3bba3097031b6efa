"""`summary.md`, read by a Markdown parser with GitHub's tables, and what a run tells the CI service that it runs in."""

import re

import pytest
from markdown_it import MarkdownIt

from support.made import PROFILES
from support.program import twinstorm

# What GitHub takes of a step's summary.
LIMIT = 1024 * 1024


def parse(text):
    return MarkdownIt("gfm-like", {"linkify": False}).parse(text)


def tables(tokens):
    """Each table as rows of cells, as text."""
    found, row = [], None
    for token in tokens:
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            found[-1].append(row)
        elif token.type == "inline" and row is not None:
            row.append("".join(child.content for child in token.children))
        elif token.type == "table_close":
            row = None
    return found


def test_tables_are_tables(made):
    text = made.file("summary.md").read_text()
    assert 0 < len(text.encode()) < LIMIT
    tokens = parse(text)
    assert tokens[0].type == "heading_open", "the verdict comes first"
    found = tables(tokens)
    # Every line that was meant as a table's is in one: none fell out as a paragraph.
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert sum(len(table) + 1 for table in found) == len(rows)
    for table in found:
        assert len({len(row) for row in table}) == 1, f"{table[0]} has rows of different lengths"


def test_each_step_of_a_capacity_is_a_row(capacity):
    text = capacity.file("summary.md").read_text()
    rows = [row for table in tables(parse(text)) for row in table if "kept" in row[-2] or "broken" in row[-2]]
    assert len(rows) == len(capacity.results["capacity"]["steps"])
    assert [float(row[0]) for row in rows] == sorted(step["load"] for step in capacity.results["capacity"]["steps"])
    assert "&lt;b&gt;" in text and "<b>" not in text


def test_it_says_what_the_result_says(made):
    text = made.file("summary.md").read_text()
    cells = [cell for table in tables(parse(text)) for row in table for cell in row]
    for threshold in made.results["thresholds"]:
        assert threshold["expr"] in cells
    heading = text.splitlines()[0].lower().replace("_", " ")
    assert made.verdict.replace("_", " ") in heading or made.verdict in ("invalid",) and "not count" in text.lower()


def test_no_word_of_a_profile_becomes_markup(runs):
    """The drill's claim has tags, pipes and marks of code in it."""
    text = runs["drill"].file("summary.md").read_text()
    tokens = [child for token in parse(text) for child in [token, *(token.children or [])]]
    ours = {"details", "summary", "br", "sub", "b", "/details", "/summary", "/sub", "/b"}
    for token in tokens:
        if token.type in ("html_inline", "html_block"):
            assert {tag.lower() for tag in re.findall(r"</?(\w+)", token.content)} <= ours
            assert "back" not in token.content
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert "are &lt;b&gt;back&lt;/b&gt; &amp; all | are" in rendered
    assert "漢" in rendered


QUICK_TO_BREAK = ["run", PROFILES / "broken.toml"]


def annotations(stdout):
    return [line for line in stdout.splitlines() if line.startswith(("::", "##vso["))]


@pytest.fixture(scope="module")
def on_github(tmp_path_factory):
    """The run that breaks its thresholds, in a job of GitHub Actions whose step has said something already."""
    folder = tmp_path_factory.mktemp("github")
    summary = folder / "step.md"
    summary.write_text("said before\n")
    ended = twinstorm(
        *QUICK_TO_BREAK, "--out", folder / "run", code=99,
        environment={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": summary},
    )
    return folder, summary, ended


def test_the_job_summary_is_appended(on_github):
    folder, summary, _ = on_github
    text = summary.read_text()
    assert text.startswith("said before\n")
    assert (folder / "run/summary.md").read_text().strip() in text
    assert len(tables(parse(text))) == len(tables(parse((folder / "run/summary.md").read_text())))


COMMAND = re.compile(r"::(error|warning|notice) ((?:\w+=[^:,\n]*,?)+)::([^\n]*)")


def test_broken_thresholds_are_annotations(on_github):
    told = annotations(on_github[2].stdout)
    assert 2 <= len(told) <= 10
    commands = [COMMAND.fullmatch(line) for line in told]
    assert all(commands), told
    text = "\n".join(told)
    # As data of a command, a percent sign is written %25.
    assert "census.completed.pct >= 100" in text and "census.failed < 1" in text
    assert "%25" in text and not re.search(r"%(?!25|0A|0D|3A|2C)", text)
    assert "##vso[" not in text


def test_outside_of_a_service_nothing_is_told(runs):
    for made in runs.values():
        assert not annotations(made.ended.stdout)


@pytest.fixture(scope="module")
def many_broken(tmp_path_factory):
    """A profile with thirteen thresholds that cannot hold."""
    profile = tmp_path_factory.mktemp("many") / "many.toml"
    lines = [(PROFILES / "broken.toml").read_text()]
    lines += [f'[[threshold]]\nexpr = "census.failed < {n}"\n' for n in range(2, 13)]
    profile.write_text("\n".join(lines))
    return profile


def test_there_are_ten_at_most(many_broken, tmp_path):
    ended = twinstorm("run", many_broken, "--out", tmp_path / "run", code=99, environment={"GITHUB_ACTIONS": "true"})
    told = annotations(ended.stdout)
    assert len(told) == 10
    # None is left out silently.
    assert re.search(r"\d+ more", told[-1]), told[-1]


def test_azure_is_told_in_its_own_words(tmp_path):
    ended = twinstorm(*QUICK_TO_BREAK, "--out", tmp_path / "run", code=99, environment={"TF_BUILD": "True"})
    told = annotations(ended.stdout)
    (upload,) = [line for line in told if line.startswith("##vso[task.uploadsummary]")]
    # The agent reads it from wherever it stands itself.
    path = upload.removeprefix("##vso[task.uploadsummary]")
    assert path == str(tmp_path / "run/summary.md")
    issues = [line for line in told if line.startswith("##vso[task.logissue")]
    assert len(issues) >= 2
    for line in issues:
        assert re.fullmatch(r"##vso\[task\.logissue type=(error|warning)[^\]]*\][^\n]+", line), line
    assert not any(line.startswith("::") for line in told)
