"""`python -m clinpeft.cli`."""

from clinpeft.cli import main

if __name__ == "__main__":
    main()
