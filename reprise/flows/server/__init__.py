"""Own a place on a Prefect server: names, a secret, and deployments that are nobody else's."""
