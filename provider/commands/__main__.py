"""`python -m creance.provider.commands`: the command `creance` where it is not on the path."""

from . import main

if __name__ == "__main__":
    main()
