"""Where a check happens: a copy of terraform/ and userdata/, and a Terraform that has a provider at hand.

The provider is a stand-in with the AWS provider's schema (see `provider`). Terraform finds it in a mirror on disk, as it
would find the provider of a machine without a network.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What tests/setup/terraform has made.
TOOLS = Path(sys.prefix)


class Skip(Exception):
    """What is needed is not on this machine; says what."""


class Bench:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="terraform-"))
        for name in ("terraform", "userdata"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        self.tree = self.folder / "terraform"
        # A break is seen sooner if only its module, or only its file of tests, is looked at.
        self.only = None
        self.notes = []
        self.initialised = set()
        self.settings = self.folder / "terraform.rc"
        self.settings.write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{self.folder}/mirror"\n  }}\n}}\n')
        version = json.loads((HERE / "aws.json").read_text())["version"]
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        place = self.folder / "mirror/registry.terraform.io/hashicorp/aws" / version / f"linux_{machine}"
        place.mkdir(parents=True)
        program = place / f"terraform-provider-aws_v{version}"
        program.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{HERE}/provider' '{HERE}/aws.json'\n")
        program.chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def roots(self):
        """The folders that are modules: the group's, the bucket's, the examples."""
        return [self.only] if self.only else sorted({path.parent for path in self.tree.rglob("versions.tf")})

    def name(self, root):
        return str(root.relative_to(self.folder))

    def terraform(self, *words, root=None, program="terraform"):
        """Runs Terraform in a module, with nothing of the caller's environment."""
        path = TOOLS / "bin" / program
        if not path.exists():
            path = program == "terraform" and shutil.which("terraform")
        if not path:
            raise Skip(f"no {program} on this machine")
        return subprocess.run(
            [path, *words], cwd=root or self.tree, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=300, stdin=subprocess.DEVNULL, env={
                "PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder),
                "TF_CLI_CONFIG_FILE": str(self.settings), "TF_DISABLE_PLUGIN_TLS": "1", "TF_IN_AUTOMATION": "1",
                "CHECKPOINT_DISABLE": "1"})

    def init(self, root, program="terraform"):
        """Fetches modules and provider, both from this folder; returns what went wrong."""
        if (root, program) in self.initialised:
            return []
        shutil.rmtree(root / ".terraform", ignore_errors=True)
        (root / ".terraform.lock.hcl").unlink(missing_ok=True)
        done = self.terraform("init", "-backend=false", "-no-color", root=root, program=program)
        if done.returncode:
            return [f"{self.name(root)}: init: {done.stdout}"]
        self.initialised = {pair for pair in self.initialised if pair[0] != root} | {(root, program)}
        return []
