"""The five services. None imports another: they meet in `shared.contracts` and on the broker."""
