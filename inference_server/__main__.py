"""``python -m inference_server`` is ``spaghetti-server``."""

from inference_server.cli import main

if __name__ == "__main__":
    main(prog_name="spaghetti-server")
