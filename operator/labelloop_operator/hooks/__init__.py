"""HTTP receiver for what backend pods relay."""
