"""Each service of a running deployment comes to Kafka as itself: it writes to its own topic alone, and reads those of its sources."""

import psutil
import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, NoError, TopicAuthorizationFailedError

from reserve.operate.deployment import Deployment
from services.registry import JOURNALED, service
from shared.journal.messages import topic_of
from shared.kafka import Kafka
from tests.e2e.world import World
from tests.kernel.asking_kafka import refused, topics_seen, write


@pytest.mark.parametrize("name", JOURNALED)
async def test_a_service_writes_no_topic_but_its_own_and_reads_those_of_its_sources(world: World, name: str) -> None:
    kafka = Deployment(world.running.folder).kafka(name)
    readable = {name, *(each.source for each in service(name).subscriptions)}
    for other in JOURNALED:
        expected = NoError if other in readable else TopicAuthorizationFailedError
        assert await refused(kafka, topic_of(other)) is expected
        if other != name:
            with pytest.raises(TopicAuthorizationFailedError):
                await write(kafka, topic_of(other), b"made up")
    assert await topics_seen(kafka) == sorted(topic_of(each) for each in readable)


async def test_another_user_of_the_machine_reads_nothing_of_kafka(world: World) -> None:
    deployment = Deployment(world.running.folder)
    for stranger in (Kafka(deployment.engines.kafka.servers), Kafka(deployment.engines.kafka.servers, "inventory", "a guess")):
        with pytest.raises((KafkaConnectionError, KafkaError)):
            await topics_seen(stranger)


def test_no_password_is_on_a_command_line(world: World) -> None:
    """Which every user of the machine sees."""
    deployment = Deployment(world.running.folder)
    passwords = [*deployment.passwords.values(), *deployment.kafka_passwords.values(), deployment.engines.kafka.password]
    passwords += [client.client_secret for client in deployment.clients]
    said = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert len(passwords) > 2 * len(JOURNALED)
    assert not [line for line in said if any(password in line for password in passwords)]
