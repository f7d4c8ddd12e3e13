"""Makes Label Studio's SQLite database with all migrations applied (run while the image is built)."""

import label_studio.server as server

server._setup_env()
server._apply_database_migrations()
