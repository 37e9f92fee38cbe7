"""The command: ``python -m mixtura``."""

from mixtura.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
