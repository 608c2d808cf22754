"""`python -m clinpeft.cli`."""

from clinpeft.cli import main

main()
