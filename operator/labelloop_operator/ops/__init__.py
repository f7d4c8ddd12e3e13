"""Metrics, health, leader election, logging."""
