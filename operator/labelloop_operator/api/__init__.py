"""The resource as the operator sees it: names, parsed spec, status, conditions. Standard library only."""
