"""Reads YAML and holds Kubernetes' objects against their schemas: objects.py FOLDER, started by scripts/helm.

FOLDER holds the packages of requirements.txt. Standard input is a JSON object: `texts`, YAML by name, and `versions` of
Kubernetes (1.30.0). Standard output is one, too: `documents`, what each text holds, and `faults`. With `versions`, each
document is an object of Kubernetes and held against the strict schema of each version, where an unknown field is a
fault; objects that Kubernetes does not bring itself against schemas of our own (schemas/), which know the fields that
the chart uses and no other. Without `versions` nothing is validated.
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, sys.argv[1])

import yaml  # noqa: E402
from jsonschema import Draft202012Validator  # noqa: E402
from referencing import Registry  # noqa: E402
from referencing.jsonschema import DRAFT202012  # noqa: E402

SCHEMAS = pathlib.Path(sys.argv[1]) / "kubernetes_validate" / "kubernetes-json-schema"
OWN_SCHEMAS = pathlib.Path(__file__).parent / "schemas"


class Loader(yaml.SafeLoader):
    """Refuses what PyYAML lets pass: a key that stands twice."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


class Validators:
    """The validators of one version of Kubernetes, made when they are first asked for."""

    def __init__(self, version):
        self.folder = SCHEMAS / f"v{version}-local-strict"
        definitions = json.loads((self.folder / "_definitions.json").read_text())
        resource = DRAFT202012.create_resource(definitions)
        self.registry = Registry().with_resource("/api/_definitions.json", resource)
        self.made = {}

    def of(self, kind, api_version):
        """The validator of a kind, or None where nobody has a schema for it."""
        key = (kind, api_version)
        if key not in self.made:
            group = re.sub(r"^([^./]*)[^/]*/", r"\1-", api_version)
            theirs = self.folder / f"{kind.lower()}-{group}.json"
            ours = OWN_SCHEMAS / f"{kind.lower()}.json"
            path = theirs if theirs.exists() else ours
            schema = json.loads(path.read_text()) if path.exists() else None
            self.made[key] = schema and Draft202012Validator(schema, registry=self.registry)
        return self.made[key]


def faults_of(document, validators):
    kind, api_version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str) or not isinstance(api_version, str):
        return ["is no object: it has no kind or no apiVersion"]
    validator = validators.of(kind, api_version)
    if validator is None:
        return [f"there is no schema for {kind} of {api_version}"]
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]


def main():
    request = json.load(sys.stdin)
    versions = {version: Validators(version) for version in request["versions"]}
    documents, faults, judged = {}, [], {}
    for name, text in request["texts"].items():
        try:
            # A template that renders nothing is an empty document.
            documents[name] = [each for each in yaml.load_all(text, Loader=Loader) if each is not None]
        except yaml.YAMLError as error:
            faults.append(f"{name}: {error}")
            continue
        for document in documents[name]:
            for version, validators in versions.items():
                # Many renderings share most of their objects.
                key = (version, json.dumps(document, sort_keys=True, default=str))
                if key not in judged:
                    judged[key] = faults_of(document, validators)
                of = f"{name}, Kubernetes {version}, {document.get('kind')}"
                faults.extend(f"{of}: {fault}" for fault in judged[key])
    json.dump({"documents": documents, "faults": faults, "judged": len(judged)}, sys.stdout)


main()
