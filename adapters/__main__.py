"""`python -m adapters` is `saraban-adapter`."""

from adapters.cli import main

main()
