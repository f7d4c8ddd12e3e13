"""Labelling configurations: XML in, the controls and labels that a model can learn out."""
