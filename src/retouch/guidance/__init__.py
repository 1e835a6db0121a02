"""How the predictions of one step are combined."""
