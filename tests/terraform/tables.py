"""The tables of inputs and outputs in every README, from what the module declares."""

import json
import re

import hcl2

BEGIN, END = "<!-- inputs and outputs, by make terraform-docs -->", "<!-- end -->"


def parse(path):
    """One file; expressions are texts in `${…}`."""
    options = hcl2.SerializationOptions(strip_string_quotes=True, explicit_blocks=False, with_comments=False)
    with path.open() as file:
        return hcl2.load(file, serialization_options=options)


def declared(root, kind):
    """{name: body} of a kind of block (variable, output, locals, …) in a module."""
    found = {}
    for path in sorted(root.glob("*.tf")):
        for block in parse(path).get(kind, []):
            found.update(block)
    return found


def expression(value):
    """A value as it stands in the file."""
    if isinstance(value, str):
        inner = re.fullmatch(r"\$\{(.*)\}", value, re.S)
        return inner.group(1) if inner else json.dumps(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {expression(of)}" for key, of in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(expression, value))}]"
    return json.dumps(value)


def type_of(value):
    """A type, the attributes of an object each on a line."""
    text = re.sub(r"^\$\{(.*)\}$", r"\1", value)
    if not text.startswith("object("):
        return f"`{text}`"
    inner = re.fullmatch(r"object\(\{(.*)\}\)", text).group(1)
    # A comma between attributes, and not inside of one.
    return "object:<br>" + "<br>".join(f"`{part}`" for part in re.split(r", (?=\w+ = )", inner))


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ").strip()


def tables(root):
    lines = []
    inputs, outputs = declared(root, "variable"), declared(root, "output")
    if inputs:
        lines += ["### Inputs", "", "| name | type | default | |", "|---|---|---|---|"]
        for name, body in sorted(inputs.items(), key=lambda pair: ("default" in pair[1], pair[0])):
            default = f"`{expression(body['default'])}`" if "default" in body else "required"
            lines.append(f"| `{name}` | {cell(type_of(body['type']))} | {cell(default)} | {cell(body['description'])} |")
        lines.append("")
    if outputs:
        lines += ["### Outputs", "", "| name | |", "|---|---|"]
        lines += [f"| `{name}` | {cell(body['description'])} |" for name, body in sorted(outputs.items())]
        lines.append("")
    return "\n".join(lines)


def rendered(root):
    """(the README as it is, the README as it should be)."""
    text = (root / "README.md").read_text()
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        return text, None
    return text, f"{before}{BEGIN}\n\n{tables(root)}\n{END}{after}"
