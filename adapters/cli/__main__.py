"""`python -m adapters.cli`, where the script is not installed."""

from adapters.cli import main

main()
