"""What survives a restart: rows in a database, pictures on disk. The only home of sqlalchemy."""
