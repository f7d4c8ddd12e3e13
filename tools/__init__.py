"""What developers and the Makefile run: building and pushing of images."""
