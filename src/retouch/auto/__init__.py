"""The method of an edit chosen for it: a ladder of methods, each edit verified, the best returned."""
