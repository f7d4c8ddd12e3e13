"""Parts of `python -m tools.build_images`: base image, engine, recipes, archives."""
