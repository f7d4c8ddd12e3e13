"""`python -m labelloop`: what the containers run."""

from labelloop.cli import main

if __name__ == "__main__":
    main()
