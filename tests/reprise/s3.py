"""Serve S3 by moto, on loopback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

SECRET = "s3cret-of-a-test"
KEYS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def serving_s3() -> Iterator[str]:
    """Yield the address of a server with a bucket named store; its keys are in the environment."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    with patch.dict(os.environ, KEYS):
        server.start()
        try:
            host, port = server.get_host_and_port()
            address = f"http://{host}:{port}"
            boto3.client("s3", endpoint_url=address).create_bucket(Bucket="store")
            yield address
        finally:
            server.stop()
