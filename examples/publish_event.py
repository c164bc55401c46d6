"""Starts a run without the HTTP API: one CloudEvent on the exchange is enough. TASKGROVE_BROKER_URL says where RabbitMQ is."""

import asyncio
import json
import os
import sys
from pathlib import Path

import aio_pika
import uuid_utils


async def publish(notes: str, *, name: str) -> str:
    """Say that somebody wants these notes carried out; returns the id of the run once RabbitMQ has taken the event."""
    run_id = uuid_utils.uuid7().hex
    data = {"runId": run_id, "notes": [{"name": name, "text": notes}], "submittedBy": "publish_event.py"}
    event = {"specversion": "1.0", "id": run_id, "source": "/examples", "type": "dev.taskgrove.task.submitted.v1", "data": data}
    body, content_type = json.dumps(event).encode(), "application/cloudevents+json"
    async with await aio_pika.connect(os.environ["TASKGROVE_BROKER_URL"]) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange("taskgrove.events", ensure=False)
        await exchange.publish(
            aio_pika.Message(body, content_type=content_type, delivery_mode=2, message_id=run_id), "task.submitted", timeout=10
        )
    return run_id


if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.stdout.write(asyncio.run(publish(path.read_text(encoding="utf-8"), name=path.name)) + "\n")
