"""A toy suite and toy measures: what another package adds to Retouch."""
