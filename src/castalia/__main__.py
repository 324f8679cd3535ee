"""`python -m castalia` is `castalia`; torchrun starts it this way."""

from castalia.cli.main import main

if __name__ == "__main__":
    main()
