"""The recipes for CI services, and who judges them. Each judge returns what it has to complain about; nothing is good."""

import os
import re
import subprocess
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_groovy
import yaml

from support.program import ROOT, clean_environment

WORKFLOW = ".github/workflows/twinstorm.yml"
ACTION = ".github/actions/twinstorm/action.yml"
GITLAB = "reports/ci/gitlab-ci.yml"
AZURE = "reports/ci/azure-pipelines.yml"
JENKINS = "reports/ci/Jenkinsfile"
YAML = (WORKFLOW, ACTION, GITLAB, AZURE)

_TOOLS = Path(sys.executable).parent
# The schemas that come with check-jsonschema, which fetches nothing for them.
_SCHEMAS = {
    WORKFLOW: ["vendor.github-workflows"],
    ACTION: ["vendor.github-actions"],
    GITLAB: ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    # It has patterns that are valid in the older of the two dialects alone.
    AZURE: ["vendor.azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"],
}


def text(recipe):
    return (ROOT / recipe).read_text()


def _complaints(*command, folder=None):
    # The linters look for one another on the path.
    environment = clean_environment({"PATH": f"{_TOOLS}{os.pathsep}{os.environ['PATH']}"})
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=folder, env=environment, timeout=60)
    # 1 means complaints. With anything else the judge itself is broken, which must not pass for a complaint in a test that
    # wants one.
    assert done.returncode in (0, 1), f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr if done.returncode else ""


def laid_out(folder, recipe, content):
    """Writes the recipe below `folder` where it belongs, in a repository with the real ones of GitHub beside it."""
    (folder / ".git").mkdir(exist_ok=True)
    files = {ACTION: text(ACTION), WORKFLOW: text(WORKFLOW)} | {recipe: content}
    for name, words in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    return folder / recipe


def schema(recipe, path):
    """The service's own schema."""
    return _complaints(_TOOLS / "check-jsonschema", "--builtin-schema", *_SCHEMAS[recipe], path)


def yamllint(path):
    return _complaints(_TOOLS / "yamllint", "--strict", "--config-file", ROOT / "tests/reports/yamllint.yml", path)


def actionlint(folder):
    """All workflows below `folder`, expressions, inputs of known actions and of ours, and scripts (by shellcheck) included."""
    return _complaints(_TOOLS / "actionlint", "-no-color", folder / WORKFLOW, folder=folder)


def scripts(recipe, content):
    """The shell scripts in a recipe."""
    if recipe == JENKINS:
        # In Groovy a backslash that the shell is to see is written twice.
        found = re.findall(r"(?:sh|script:) (?:'''(.*?)'''|'([^'\n]*)')", content, re.DOTALL)
        return [(long or short).replace("\\\\", "\\") for long, short in found]
    found = []

    def collect(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "script") and isinstance(value, (str, list)):
                    found.append(value if isinstance(value, str) else "\n".join(value))
                else:
                    collect(value)
        elif isinstance(node, list):
            for each in node:
                collect(each)

    collect(yaml.safe_load(content))
    return found


def shellcheck(script, folder):
    path = folder / "script.sh"
    path.write_text("#!/usr/bin/env bash\nset -e\n" + script)
    return _complaints("shellcheck", "--severity=style", path)


def injections(recipe, content):
    """Expressions of the service inside a script: whoever has a say in their values could say more."""
    marks = {AZURE: r"\$\([A-Za-z_.]+\)", JENKINS: r"\$\{"}.get(recipe, r"\$\{\{")
    return "\n".join(script for script in scripts(recipe, content) if re.search(marks, script))


def groovy(content):
    """Where a Jenkinsfile is no Groovy, or no declarative pipeline with what one must have."""
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_groovy.language()))
    root = parser.parse(content.encode()).root_node
    wrong = []

    def look(node):
        if node.is_error or node.is_missing:
            wrong.append(f"line {node.start_point.row + 1}: {node.type}")
        for child in node.children:
            look(child)

    look(root)

    def name(node):
        if node.type in ("method_invocation", "juxt_function_call") and node.child_by_field_name("name"):
            return node.child_by_field_name("name").text.decode()
        return None

    def sections(node, depth=0):
        """Names of calls directly in the closure of `node`."""
        for child in node.named_children:
            if name(child):
                yield child
            elif child.type in ("closure", "expression_statement", "local_variable_declaration"):
                yield from sections(child, depth + 1)

    top = [each for each in sections(root) if name(each) == "pipeline"]
    if len(top) != 1:
        return "\n".join([*wrong, "not one pipeline"])
    inner = {name(each) for each in sections(top[0])} | {"agent" for _ in re.finditer(r"^    agent \w", content, re.MULTILINE)}
    wrong.extend(f"no section `{section}`" for section in ("agent", "stages", "post") if section not in inner)
    return "\n".join(wrong)
