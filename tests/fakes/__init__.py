"""Stand-ins for what is outside of a process: stateful, over real HTTP on loopback."""
