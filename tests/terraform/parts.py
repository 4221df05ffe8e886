"""What is checked of terraform/. Each part takes a bench and returns what it has to complain of; `Skip` where a tool is
not to be had."""

import base64
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import tables
from bench import ROOT, TOOLS, Skip


def fmt(bench):
    """As `terraform fmt` writes it."""
    done = bench.terraform("fmt", "-check", "-diff", "-recursive", "-no-color", ".")
    return [done.stdout] if done.returncode else []


def validate(bench):
    """Every module, by Terraform and the provider's schema: references, types, arguments, what modules are given."""
    problems = []
    for root in bench.roots():
        problems += bench.init(root)
        done = bench.terraform("validate", "-no-color", root=root)
        if done.returncode:
            problems.append(f"{bench.name(root)}: {done.stdout}")
    return problems


def declarations(bench):
    """Every variable has a type, a description and a use; every output a description; every local and data a use."""
    problems = []
    if len({(root / "versions.tf").read_text() for root in bench.roots()}) != 1:
        problems.append("versions.tf is not the same everywhere")
    for root in bench.roots():
        files = {path.name: path.read_text() for path in root.glob("*.tf")}
        text = "\n".join(files.values())
        # A validation mentions its variable: that is no use of it.
        used = "\n".join(files[name] for name in files if name != "variables.tf")
        for name, body in tables.declared(root, "variable").items():
            missing = [part for part in ("type", "description") if not body.get(part)]
            problems += [f"{bench.name(root)}: variable {name} has no {part}" for part in missing]
            if not re.search(rf"\bvar\.{name}\b", used):
                problems.append(f"{bench.name(root)}: variable {name} is not used")
        for name, body in tables.declared(root, "output").items():
            if not body.get("description"):
                problems.append(f"{bench.name(root)}: output {name} has no description")
        for name in tables.declared(root, "locals"):
            if not re.search(rf"\blocal\.{name}\b", text):
                problems.append(f"{bench.name(root)}: local {name} is not used")
        for kind, of in tables.declared(root, "data").items():
            problems += [f"{bench.name(root)}: data {kind}.{name} is not used"
                         for name in of if f"data.{kind}.{name}." not in text]
    return problems


def readmes(bench):
    """The tables of every README say what the module declares."""
    problems = []
    for root in bench.roots():
        now, due = tables.rendered(root)
        if due is None:
            problems.append(f"{bench.name(root)}/README.md has no place for tables: {tables.BEGIN} … {tables.END}")
        elif now != due:
            problems.append(f"{bench.name(root)}/README.md: the tables are old: make terraform-docs")
    return problems


def values(bench, program="terraform"):
    """terraform/tests: what an apply would make, by value; then the user-data that came out of it, by a shell."""
    problems = bench.init(bench.tree, program)
    only = [f"-filter={bench.only}"] if bench.only else []
    done = bench.terraform("test", "-json", "-verbose", *only, program=program)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    summary = [event["test_summary"] for event in events if event["type"] == "test_summary"]
    failed = [event["test_run"] for event in events if event["type"] == "test_run"
              and event["test_run"].get("status") in ("fail", "error")]
    if done.returncode or not summary or not summary[0].get("passed"):
        said = [f"{event['diagnostic']['summary']}: {event['diagnostic']['detail']}" for event in events
                if event["type"] == "diagnostic" and event.get("@testrun") in {run["run"] for run in failed}]
        problems += [f"{run['path']}: {run['run']} failed" for run in failed] + (said or [done.stdout[-2000:]])
        return problems
    scripts = {text for event in events if event["type"] == "test_state" for text in user_data(event["test_state"])}
    if len(scripts) < 5 and not bench.only:
        problems.append(f"only {len(scripts)} different user-data were seen")
    for text in sorted(scripts):
        problems += script(bench, text)
    bench.notes.append(f"{summary[0]['passed']} tests, {len(scripts)} user-data")
    return problems


def oldest(bench):
    """The same tests with the oldest Terraform that versions.tf admits."""
    [floor] = re.findall(r'required_version = ">= (\S+)"', (bench.tree / "versions.tf").read_text())
    return values(bench, f"terraform-{floor}")


def user_data(state):
    """The user-data of all launch templates in a state."""
    modules = [state.get("values", state).get("root_module", {})]
    while modules:
        module = modules.pop()
        modules += module.get("child_modules", [])
        for resource in module.get("resources", []):
            if resource["type"] == "aws_launch_template":
                yield base64.b64decode(resource["values"]["user_data"]).decode()


def script(bench, text):
    """User-data is small, a shell takes it, shellcheck too, and its settings are read back as they were meant."""
    problems = []
    bootstrap = (bench.folder / "userdata/bootstrap.sh").read_text()
    head = text.removesuffix(bootstrap)
    if head == text:
        return ["user-data does not end with userdata/bootstrap.sh"]
    if len(text.encode()) > 16384:
        problems.append(f"user-data has {len(text.encode())} bytes")
    # A setting is read by `set`, and may hold what looks like an expansion or an escape.
    for words in (["sh", "-n"], ["shellcheck", "--shell=sh", "--exclude=SC2034,SC2016,SC1003", "-"]):
        done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
        if done.returncode:
            problems.append(f"{words[0]}: {done.stdout}{done.stderr}")
    meant = dict(word.split("=", 1) for word in shlex.split(head, comments=True))
    # The script takes of the shell's variables those that this finds.
    [taken] = re.findall(r"set \| sed -nE '([^']+)'", bootstrap) or ["d"]
    for name, value in meant.items():
        found = subprocess.run(["sed", "-nE", taken], input=f"{name}=x\n", text=True, capture_output=True, check=False)
        if found.stdout != f"{name}\n":
            problems.append(f"{name}: userdata/bootstrap.sh does not hand it on {found.stderr}")
        read = subprocess.run(["sh", "-c", f'{head}\nprintf %s "${name}"'], text=True, capture_output=True, check=False,
                              env={"PATH": os.environ["PATH"]})
        if read.stdout != value or read.stderr:
            problems.append(f"{name}: a shell reads {read.stdout!r}, and {value!r} was meant {read.stderr}")
    return problems + printed(text, meant)


def binary():
    """The program whose output is compared, where there is one."""
    path = os.environ.get("ROLECALL_BIN")
    return Path(path).resolve() if path else None


def printed(text, settings):
    """`rolecall user-data` prints the same, be it in another order."""
    if not binary():
        return []
    flags = {"ROLECALL_URL": "--url", "ROLECALL_SHA256": "--sha256", "ROLECALL_SOURCE": "--source"}
    words = []
    for name, value in settings.items():
        words += [flags[name], value] if name in flags else ["--set", f"{name}={value}"]
    done = subprocess.run([binary(), "user-data", "--format", "sh", *words], text=True, capture_output=True, check=False)
    lines = len(settings) + 1

    def ordered(script):
        return sorted(script.splitlines()[:lines]) + script.splitlines()[lines:]

    if done.returncode or ordered(done.stdout) != ordered(text):
        return [f"rolecall user-data {shlex.join(words)} prints other user-data:\n{done.stderr}{done.stdout[:600]}"]
    return []


def policies(bench):
    """The policies of the examples are what the `rolecall iam` of their READMEs prints; their projects are valid."""
    if not binary():
        raise Skip("ROLECALL_BIN names no rolecall")
    problems, made = [], set()
    for root in bench.roots():
        text = (root / "README.md").read_text().replace("\\\n", " ")
        for line in re.findall(r"^ *(rolecall iam .*) > (\S+)$", text, re.M):
            command, file = line
            path = root / file
            done = subprocess.run([binary(), *shlex.split(command)[1:]], cwd=root, text=True, capture_output=True,
                                  check=False)
            made.add(path)
            if done.returncode or done.stdout != path.read_text():
                problems.append(f"{bench.name(path)} is not what `{command}` prints:\n{done.stderr}{done.stdout}")
    for path in bench.tree.glob("examples/*/project/compose.yaml"):
        done = subprocess.run([binary(), "validate", path], text=True, capture_output=True, check=False)
        if done.returncode:
            problems.append(f"{bench.name(path)}: {done.stdout}{done.stderr}")
    for path in bench.tree.glob("examples/**/*.json"):
        if path not in made:
            problems.append(f"{bench.name(path)}: no README says how it was made")
    return problems


def checkov(bench):
    """No finding of checkov but those that are skipped where they are, each with a reason, and each still found."""
    program = TOOLS / "checkov/bin/checkov"
    if not program.exists():
        raise Skip("no checkov on this machine")
    done = subprocess.run(
        [program, "--directory", bench.tree, "--framework", "terraform", "--output", "json",
         "--skip-download", "--skip-results-upload", "--download-external-modules", "false"],
        text=True, capture_output=True, check=False, cwd=bench.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(bench.folder), "LOG_LEVEL": "ERROR"})
    try:
        results = json.loads(done.stdout)
    except ValueError:
        return [f"checkov: {done.stdout}{done.stderr}"]
    if isinstance(results, list) or "results" not in results:
        return [f"checkov found nothing to check: {done.stdout[:1000]}"]
    summary, results = results["summary"], results["results"]
    problems = [f"{found['check_id']} {found['file_path']} {found['resource']}: {found['check_name']}"
                for found in results["failed_checks"]]
    problems += [f"not parsed: {path}" for path in results.get("parsing_errors", [])]
    if summary["passed"] < 100:
        problems.append(f"checkov looked at too little: {summary}")
    met = {(found["file_path"], found["check_id"]) for found in results["skipped_checks"]}
    for path in bench.tree.rglob("*.tf"):
        for check, reason in re.findall(r"#checkov:skip=(\w+):?(.*)", path.read_text()):
            if ("/" + str(path.relative_to(bench.tree)), check) not in met:
                problems.append(f"{bench.name(path)}: the skip of {check} skips nothing")
            if len(reason.split()) < 4:
                problems.append(f"{bench.name(path)}: the skip of {check} has no reason")
    bench.notes.append(f"{summary['passed']} passed, {len(met)} skipped")
    return problems


ALL = [fmt, validate, values, oldest, declarations, readmes, policies, checkov]
