"""Write jars.lock: every jar that Kafka needs, by Maven coordinate and SHA-256.

To move to another Kafka, change WANTED and run `.venv/bin/python deploy/kafka/lock.py`.
"""

import hashlib
from pathlib import Path

from jgo.maven import MavenContext

WANTED = ("org.apache.kafka:kafka_2.13:4.3.1", "org.apache.kafka:kafka-tools:4.3.1", "org.slf4j:slf4j-simple:1.7.36")
LOCK = Path(__file__).with_name("jars.lock")
HEADER = "# Made by deploy/kafka/lock.py. Each line: group:artifact:version SHA-256 of the jar.\n"


def main() -> None:
    context = MavenContext(timeout=60)
    wanted = [context.create_dependency(coordinate) for coordinate in WANTED]
    _, nodes = context.resolver.get_dependency_list(wanted)
    artifacts = [dependency.artifact for dependency in wanted + [node.dep for node in nodes]]
    lines = []
    for artifact in artifacts:
        assert artifact.packaging == "jar", f"{artifact} is not a jar"
        assert not artifact.classifier, f"{artifact} has a classifier, which the lock has no column for"
        digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        lines.append(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}\n")
    LOCK.write_text(HEADER + "".join(sorted(lines)))
    print(f"{len(lines)} jars in {LOCK}")


if __name__ == "__main__":
    main()
