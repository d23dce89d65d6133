"""A pyop provider that is taken over: its key, clients, users, subject identifiers, metadata, and what it issued."""
