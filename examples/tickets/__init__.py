"""Support tickets as sample data: see README.md."""

from examples.tickets.generator import LABELS, Ticket, tickets, unseen_tickets

__all__ = ["LABELS", "Ticket", "tickets", "unseen_tickets"]
