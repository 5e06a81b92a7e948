"""The gate, aliases, audit, rollback and trace."""
