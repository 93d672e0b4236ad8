"""`python -m bus` is `saraban-bus`."""

from bus.cli import main

main()
