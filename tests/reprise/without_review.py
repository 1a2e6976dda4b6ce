"""Runs `reprise` as where the packages of the extra `review` are not installed."""

from reprise.cli import REVIEW

# For `python -c`, with the arguments of `reprise`.
WITHOUT_REVIEW = f"""
import sys
sys.modules.update(dict.fromkeys({REVIEW}))
from reprise.cli import main
main(sys.argv[1:])
"""
