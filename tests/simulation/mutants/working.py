"""Mistakes in executor, checker, planner and approvals, and in what all services share."""

from tests.simulation.mutants.mutant import Mutant

WORKERS = "services/executor/workers.py"
EXECUTED = "services/executor/store.py"
LEASES = "shared/storage/leases.py"
CONSUMER = "shared/messaging/consumer.py"
SUBMISSIONS = "services/approvals/store/submissions.py"
APPROVALS = "services/approvals/store/approvals.py"

WORKING = (
    Mutant(
        "who lost the claim works as well",
        "services/executor/intake.py",
        "            if claim.attempt_id in won and claim.attempt_id not in over and claim.attempt_id not in self._running:",
        "            if claim.attempt_id not in over and claim.attempt_id not in self._running:",
        "the insert cannot fail for an id that nobody had",
    ),
    Mutant(
        "the cap of a run is looked at before the claim alone",
        "services/executor/intake.py",
        "            over = await self._store.over_their_caps(won, claims)",
        "            over = set[str]()",
        "there was room a moment ago",
    ),
    Mutant(
        "the hint is said before the end is written",
        WORKERS,
        """            if await self._saved(running, {**outcome, "usage": {"seconds": seconds}}) and running.stop != "cancelled":
                await self._told([claim.attempt_id])
""",
        """            await self._told([claim.attempt_id])
            await self._saved(running, {**outcome, "usage": {"seconds": seconds}})
""",
        "the checker can begin while we write",
        "off",
    ),
    Mutant(
        "a zombie may write how its attempt ended",
        LEASES,
        'ours = {"_id": claim, "state": HELD, "owner": self._owner}',
        'ours = {"_id": claim}',
        "the id has the epoch in it",
    ),
    Mutant(
        "a lease is renewed though it ran out",
        LEASES,
        """        mine = {"_id": {"$in": asked}, "state": HELD, "owner": self._owner}
        try:""",
        """        mine = {"_id": {"$in": asked}, "owner": self._owner}
        try:""",
        "what we hold is ours",
    ),
    Mutant(
        "leases by the clock of each machine",
        "shared/clock.py",
        "        self._offset = min(max(self._offset, latest), latest + took)",
        "        latest += took",
        "machines have NTP",
    ),
    Mutant(
        "what was found overdue is ended without looking again",
        EXECUTED,
        'await self._attempts.update({**where, "_id": {"$in": overdue}}, change)',
        'await self._attempts.update({"_id": {"$in": overdue}}, change)',
        "they were overdue when we looked",
    ),
    Mutant(
        "what is paused is begun",
        "services/executor/domain.py",
        '    if doc["phase"] not in CLAIMABLE or doc["epoch"] != epoch or doc.get("paused"):',
        '    if doc["phase"] not in CLAIMABLE or doc["epoch"] != epoch:',
        "a paused task is not hinted at",
    ),
    Mutant(
        "an old hint begins whatever the task's epoch is",
        "services/executor/domain.py",
        '    if doc["phase"] not in CLAIMABLE or doc["epoch"] != epoch or doc.get("paused"):',
        '    if doc["phase"] not in CLAIMABLE or doc.get("paused"):',
        "the claim decides",
        workload="meddling",
    ),
    Mutant(
        "what still runs is judged",
        "services/checker/store.py",
        'over = {"_id": {"$in": list(attempts)}, "state": {"$ne": "running"}}',
        'over: dict[str, Any] = {"_id": {"$in": list(attempts)}}',
        "nobody says that it was executed before it was",
        workload="meddling",
    ),
    Mutant(
        "the header of a plan before its parts",
        "services/planner/store.py",
        """        for at in range(0, len(parts), 20):
            await self._plans.insert(parts[at : at + 20])
        await self._plans.insert(headers[1:])
        return await self._first(headers[0] | {"findings": list(findings)} | self._until_heard(whole.task_id))
""",
        """        header = await self._first(headers[0] | {"findings": list(findings)} | self._until_heard(whole.task_id))
        for at in range(0, len(parts), 20):
            await self._plans.insert(parts[at : at + 20])
        await self._plans.insert(headers[1:])
""",
        "the header says how many parts there are",
    ),
    Mutant(
        "a message is acked before it is dealt with",
        CONSUMER,
        """                    says = await desk.handler([heard.event for heard, _ in batch], self._deps)
                    await self._publisher.say(says)
""",
        """                    await asyncio.gather(*(held.delivery.ack() for _, held in batch))
                    says = await desk.handler([heard.event for heard, _ in batch], self._deps)
                    await self._publisher.say(says)
""",
        "the broker is free sooner",
        "off",
    ),
    Mutant(
        "a message is acked when its handler cannot reach the store",
        CONSUMER,
        """                log.warning("handler.waits", error=str(error), failures=failures)
                await self._pause(full_jitter(failures, base=0.2, cap=15.0) + 0.05)
""",
        """                await asyncio.gather(*(held.part_done() for _, held in batch))
                return None
""",
        "the sweep says it again",
        "off",
    ),
    Mutant(
        "a publish that is not confirmed is forgotten",
        CONSUMER,
        """                    await self._publisher.say(says)
            except""",
        """                    try:
                        await self._publisher.say(says)
                    except Unavailable as error:
                        log.warning("hint.not_said", error=str(error))
            except""",
        "a hint may be lost",
        "off",
    ),
    Mutant(
        "the same idempotency key gives a second run",
        SUBMISSIONS,
        """        if await self.collection.insert([claim]):
            return""",
        """        await self.collection.insert([claim])
        if not claim:
            return""",
        "people do not press twice",
    ),
    Mutant(
        "a submission is answered before it is kept",
        "services/approvals/api/submissions.py",
        """    await deps.submissions.add([event])
    await deps.say(event)
    log""",
        """    await deps.say(event)
    log""",
        "whoever hears it keeps it",
    ),
    Mutant(
        "an order is said and not kept",
        "services/approvals/api/orders.py",
        "    await deps.submissions.order(event)\n",
        "",
        "the audit trail has it",
    ),
    Mutant(
        "an order's id by the clock of its replica",
        "services/approvals/api/orders.py",
        "control_id=id_at(deps.ground.clock.now())",
        "control_id=__import__('shared.ids').ids.new_id()",
        "ids of this kind grow with time",
    ),
    Mutant(
        "of two who answer at once both count",
        APPROVALS,
        'where = {"_id": approval["_id"], "state": PENDING, "votes": approval["votes"]}',
        'where = {"_id": approval["_id"]}',
        "the state was looked at a moment ago",
    ),
    Mutant(
        "of several answers that are needed one is not counted",
        APPROVALS,
        'where = {"_id": approval["_id"], "state": PENDING, "votes": approval["votes"]}',
        'where = {"_id": approval["_id"], "state": PENDING}',
        "pushing to a list is atomic",
    ),
    Mutant(
        "the audit trail goes on from an entry that was not taken",
        "services/approvals/store/audit.py",
        '            self._last = None if taken else (seq + 1, doc["hash"])',
        '            self._last = (seq + 1, doc["hash"])',
        "the next number is free",
    ),
    Mutant(
        "news whose number somebody else took is dropped",
        "services/approvals/store/feed.py",
        '            waiting = [event for doc, event in zip(docs, waiting, strict=True) if doc["_id"] in lost]',
        "            waiting = []",
        "the other replica wrote it",
    ),
    Mutant(
        "what was given up is begun again under the same lease",
        LEASES,
        "        if unknown := taken & self._unknown:",
        "        if unknown := taken - set(self.held):",
        "what bears our name is ours",
    ),
)
