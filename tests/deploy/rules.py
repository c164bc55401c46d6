"""All rules by name, each a function from a World to what is wrong with it."""

from collections.abc import Callable, Iterator

from tests.deploy import rules_config as config
from tests.deploy import rules_network as network
from tests.deploy import rules_pods as pods
from tests.deploy import rules_users
from tests.deploy.world import World

Rule = Callable[[World], Iterator[str]]

RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        pods.restricted,
        pods.tokens,
        pods.probes,
        pods.ports,
        pods.scraping,
        pods.images,
        pods.resources,
        pods.slots,
        pods.ending,
        config.settings,
        config.secrets,
        rules_users.users,
        rules_users.broker_users,
        rules_users.store_users,
        rules_users.own_secrets,
        config.volumes,
        config.references,
        config.selectors,
        config.scaling,
        config.documented,
        config.labels,
        network.denied,
        network.ways_out,
        network.ways_in,
        network.named,
    )
}
