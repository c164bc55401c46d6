"""MongoDB, here and in the `store.py` files. `port` is what a store needs; `mongo` is the real thing, `shared.memory` its twin."""
