"""The recipes for CI services: none was run on its service, so each is held against the service's schema and linters, and
against what a run really writes. That each judge can complain is shown by breaking the recipes."""

import re

import pytest
import yaml

from support import recipes
from support.program import ROOT, twinstorm
from support.recipes import ACTION, AZURE, GITLAB, JENKINS, WORKFLOW, YAML

ALL = (*YAML, JENKINS)


def complaints(recipe, content, folder):
    """What all judges of this recipe have to say."""
    path = recipes.laid_out(folder, recipe, content)
    told = []
    if recipe == JENKINS:
        told.append(recipes.groovy(content))
    else:
        told += [recipes.schema(recipe, path), recipes.yamllint(path)]
    if recipe in (WORKFLOW, ACTION):
        told.append(recipes.actionlint(folder))
    try:
        told.append(recipes.injections(recipe, content))
        # Those of the workflow actionlint hands to shellcheck as well; those of the others nobody else looks at.
        told += [recipes.shellcheck(script, folder) for script in recipes.scripts(recipe, content)]
    except yaml.YAMLError as error:
        told.append(str(error))
    return "\n".join(words for words in told if words)


@pytest.mark.parametrize("recipe", ALL)
def test_no_judge_complains(recipe, tmp_path):
    assert complaints(recipe, recipes.text(recipe), tmp_path) == ""


BROKEN = [
    (WORKFLOW, "an unknown key", "    runs-on: ubuntu-latest", "    run-on: ubuntu-latest"),
    (WORKFLOW, "an unknown input of a known action", "if-no-files-found", "if-no-file-found"),
    (WORKFLOW, "an unknown input of our action", "          baseline:", "          base:"),
    (WORKFLOW, "an unknown output", "steps.twinstorm.outputs.verdict", "steps.twinstorm.outputs.verdic"),
    (WORKFLOW, "an unknown job", "needs: run", "needs: running"),
    (WORKFLOW, "an action whose runtime is gone", "actions/checkout@v7", "actions/checkout@v3"),
    (WORKFLOW, "an unknown permission", "checks: write", "check: write"),
    (WORKFLOW, "a broken expression", "github.ref == 'refs/heads/main' }}", "github.ref = 'refs/heads/main' }}"),
    (WORKFLOW, "an event that there is not", "workflow_dispatch:", "workflow_dispatched:"),
    (WORKFLOW, "an input in a script", "mkdir -p trend", "mkdir -p ${{ github.head_ref }}"),
    (ACTION, "an input in a script", '"--out=$OUT"', '"--out=${{ inputs.out }}"'),
    (ACTION, "a step without a shell", "      shell: bash\n      env:", "      env:"),
    (ACTION, "an unknown kind of action", "using: composite", "using: compost"),
    (ACTION, "a variable without quotes", '>>"$GITHUB_OUTPUT"', ">>$GITHUB_OUTPUT"),
    (ACTION, "a quote that is not closed", 'exit "$code"', 'exit "$code'),
    (ACTION, "an output that is gone", "  exit-code:\n", "  exit_code:\n    valeu: 1\n  exit-code:\n"),
    (GITLAB, "an unknown report", "junit:", "junitt:"),
    (GITLAB, "a word that there is not", "when: always", "when: evermore"),
    (GITLAB, "a job without a script", "  script:\n    - cargo build", "  scripts:\n    - cargo build"),
    (AZURE, "an unknown step", "- task: Cache@2", "- tusk: Cache@2"),
    (AZURE, "an unknown input", "testResultsFormat: JUnit", "testResultsFormats: JUnit"),
    (AZURE, "an unknown word", "testResultsFormat: JUnit", "testResultsFormat: JUnot"),
    (AZURE, "a variable in a script", '--out "$RESULTS"\n', "--out $(results)\n"),
    (JENKINS, "a brace that is not closed", "agent any\n", "agent any {\n"),
    (JENKINS, "a closing brace too many", "agent any\n", "agent any }\n"),
    (JENKINS, "a quote that is not closed", "stage('Build')", "stage('Build)"),
    (JENKINS, "no agent", "    agent any\n", ""),
    (JENKINS, "no stages", "    stages {", "    stage {"),
    (JENKINS, "nothing afterwards", "    post {", "    pots {"),
    (JENKINS, "a variable in a script", "sh 'cargo build", "sh 'cargo ${env.WHAT} build"),
    *((recipe, "no YAML", "\n", "\n\t- : [\n") for recipe in YAML),
]


@pytest.mark.parametrize(
    ("recipe", "what", "right", "wrong"), BROKEN, ids=[f"{recipe.split('/')[-1]}: {what}" for recipe, what, *_ in BROKEN]
)
def test_a_broken_recipe_is_told(recipe, what, right, wrong, tmp_path):
    content = recipes.text(recipe)
    assert right in content, f"{recipe} has no `{right}` to break any more"
    assert complaints(recipe, content.replace(right, wrong, 1), tmp_path), f"nobody complains of {what}"


FILE = re.compile(r"[\w./$()-]*[\w-]\.(?:json|md|xml|html|txt|hlog|ndjson)\b")


def code_of(recipe):
    """A recipe without its comments."""
    return "\n".join(line for line in recipes.text(recipe).splitlines() if not re.match(r"\s*(#|//)", line))


@pytest.mark.parametrize("recipe", ALL)
def test_only_files_that_a_run_writes_are_used(recipe, runs):
    # The trend is the benchmark action's own file.
    used = [path for path in FILE.findall(code_of(recipe)) if not path.startswith("trend/")]
    used = {path.split("/")[-1] for path in used if "description:" not in path}
    assert used, f"{recipe} uses nothing"
    for name in used:
        assert runs["broken"].file(name)


@pytest.mark.parametrize("recipe", ALL)
def test_the_commands_are_ours(recipe):
    """Every subcommand and flag stands in the program's own help."""
    calls = re.findall(r'twinstorm"? (run|compare)\b([^\n]*(?:\n +--?[^\n]*)*)', code_of(recipe))
    calls += re.findall(r"=\((run|compare)\b([^\n]*)", code_of(recipe))
    if recipe == WORKFLOW:
        calls += [("compare", yaml.safe_load(recipes.text(recipe))["jobs"]["run"]["steps"][2]["with"]["compare-args"])]
    assert calls, f"{recipe} runs nothing"
    for command, words in calls:
        known = twinstorm(command, "--help").stdout
        for flag in re.findall(r"--[a-z-]+(?=[= \n\"])", words + "\n"):
            assert re.search(rf"{flag}\b", known), f"`twinstorm {command}` has no {flag}"


@pytest.mark.parametrize("recipe", [recipe for recipe in ALL if recipe != ACTION])
def test_what_lies_in_the_repository_is_there(recipe):
    for path in re.findall(r"reports/baselines/[\w-]+", code_of(recipe)):
        assert (ROOT / path).exists(), f"{recipe} names {path}"


@pytest.mark.parametrize("recipe", [WORKFLOW, GITLAB, AZURE, JENKINS])
def test_the_files_are_kept_whatever_the_verdict_is(recipe):
    content = code_of(recipe)
    kept = {
        WORKFLOW: r"if: always\(\)\n +uses: actions/upload-artifact@",
        GITLAB: r"artifacts:\n +name: twinstorm\n +when: always\n",
        AZURE: r"PublishPipelineArtifact@1\n.*\n +condition: succeededOrFailed\(\)",
        JENKINS: r"always \{\n(?: .*\n)*? +archiveArtifacts ",
    }
    assert re.search(kept[recipe], content)


def test_nobody_may_do_more_than_needed():
    workflow = yaml.safe_load(recipes.text(WORKFLOW))
    assert workflow["permissions"] == {}
    allowed = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert allowed == {"run": {"contents": "read"}, "publish": {"checks": "write"}}
