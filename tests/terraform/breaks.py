"""That the checks can fail: each breaks a copy, and the part that is to see it has to say so."""

import os
from concurrent.futures import ThreadPoolExecutor

import parts
from bench import Bench, Skip

# (part, file, what stands there, what stands there instead, what is said)
BREAKS = [
    (parts.fmt, "iam.tf", "  role = aws_iam_role.this.name", " role=aws_iam_role.this.name", "iam.tf"),
    (parts.validate, "launch_template.tf", "var.instance_type", "var.instance_typo", "undeclared input variable"),
    (parts.validate, "launch_template.tf", "http_tokens  ", "http_token  ", "Unsupported argument"),
    (parts.validate, "asg.tf", "  max_size  ", "  max_sise  ", '"max_size" is required'),
    (parts.validate, "bucket/outputs.tf", "this.arn", "this.urn", "no argument, nested block"),
    (parts.validate, "examples/baked-ami/main.tf", "  warm_pool =", "  warm_pond =", "warm_pond"),
    (parts.validate, "examples/two-roles/main.tf", '  source   = "../.."', '  source = "../../bucket"', "ami_id"),
    (parts.validate, "versions.tf", '"~> 6.25"', '"~> 7.0"', "no available releases match"),
    (parts.values, "launch_template.tf", '= "required"', '= "optional"', "metadata_is_for_the_host_alone failed"),
    (parts.values, "launch_template.tf", "encrypted             = true", "encrypted = false",
     "the_root_volume_is_encrypted failed"),
    (parts.values, "user_data.tf", """replace(value, "'", "'\\\\''")""", "value",
     "settings_are_lines_in_quotes failed"),
    (parts.values, "bucket/policy.tf", '"1.2"', '"1.0"', "nobody_comes_without_tls failed"),
    (parts.values, "iam.tf", "    condition     = local.readable", "    condition     = local.readable || true",
     "another_project_is_refused failed"),
    (parts.values, "bucket/policy.tf", "var.binaries == null || var.kms_key_arn == null", "var.binaries == null || true",
     "no_key_for_binaries failed"),
    (parts.values, "variables.tf", 'optional(string, "ABANDON")', 'optional(string, "CONTINUE")',
     "hooks_hold_the_first_instance_too failed"),
    (parts.values, "asg.tf", "this.latest_version", "this.default_version", "the_group_runs_the_planned_version failed"),
    (parts.values, "../userdata/bootstrap.sh", "set -eu\n", "set -eu\nif\n", "sh: "),
    (parts.values, "../userdata/bootstrap.sh", "DOCKER_HOST", "DOCKER_HOT", "DOCKER_HOST: userdata/bootstrap.sh does not"),
    (parts.declarations, "variables.tf", "  description = \"ARN of a policy that bounds the role.\"\n", "",
     "permissions_boundary has no description"),
    (parts.declarations, "iam.tf", "var.permissions_boundary", "null", "permissions_boundary is not used"),
    (parts.declarations, "bucket/outputs.tf", '  description = "ARN of the bucket."\n', "", "arn has no description"),
    (parts.readmes, "bucket/variables.tf", "default     = 90", "default     = 30", "the tables are old"),
    (parts.checkov, "launch_template.tf", '= "required"', '= "optional"', "CKV_AWS_79"),
    (parts.checkov, "bucket/main.tf", "block_public_policy     = true", "block_public_policy = false", "CKV_AWS_54"),
    (parts.policies, "examples/baked-ami/policy.json", "acme-deploy/site/*", "acme-deploy/*", "policy.json is not what"),
    (parts.policies, "examples/two-roles/project/compose.yaml", "    image:", "    imagine:", "project/compose.yaml: "),
    # An old Terraform looks at both sides of `||`.
    (parts.oldest, "variables.tf", "try(var.group.max_size >= var.group.min_size, true)",
     "var.group == null || var.group.max_size == null || var.group.max_size >= var.group.min_size", "from null value"),
]


def narrow(bench, part, path, said):
    """What has to be looked at to see the break: a module, or the file of tests that has the test."""
    if part is parts.validate:
        return path.parent
    if part in (parts.values, parts.oldest):
        files = [file for file in bench.tree.glob("tests/*.hcl") if f'run "{said.split()[0]}"' in file.read_text()]
        return f"tests/{files[0].name}" if files else "tests/user_data.tftest.hcl"
    return None


def seen(part, file, old, new, said):
    """Whether the part says so; what it says otherwise."""
    with Bench() as bench:
        path = bench.tree / file
        text = path.read_text()
        if old not in text:
            return f"{file} has no {old!r} to break"
        path.write_text(text.replace(old, new, 1))
        bench.only = narrow(bench, part, path, said)
        try:
            found = "\n".join(part(bench))
        except Skip as skipped:
            return skipped
    if said not in found:
        return f"{part.__name__} does not see {new.strip()!r} in {file}; it says: {found or 'nothing'}"
    return None


def breaks(bench):
    """Every break is seen by the part that is there for it."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        verdicts = list(pool.map(lambda row: seen(*row), BREAKS))
    skipped = sum(isinstance(verdict, Skip) for verdict in verdicts)
    bench.notes.append(f"{len(BREAKS) - skipped} breaks" + (f", {skipped} skipped" if skipped else ""))
    return [verdict for verdict in verdicts if isinstance(verdict, str)]
