"""The model page: figures, plots and versions as HTML and JSON."""
